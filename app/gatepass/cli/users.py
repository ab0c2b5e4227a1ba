"""`gatepass users`: the accounts of a team."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatepass.cli.options import AsJson, DataDir, TeamId, UserName
from gatepass.cli.output import Failure, examples, group, instant, note, pairs, show, table

if TYPE_CHECKING:
    from gatepass.core.unit import Unit
    from gatepass.core.users import User

app = group("users", "List, ban, delete, import and export accounts.", "gatepass users list --search ada@")


def _show(user: User, as_json: bool) -> None:
    from gatepass.cli.user_lines import document_of

    document = document_of(user)
    times = {name: instant(document[name]) for name in ("created_at", "banned_at")}
    show(as_json, document, lambda: pairs({**document, **times}))


@app.command("list", epilog=examples("gatepass users list --search @example.com --json"))
def list_page(
    team: TeamId = None,
    search: Annotated[str, typer.Option(help="Part of an address, or an exact id.")] = "",
    banned: Annotated[bool | None, typer.Option("--banned/--not-banned", help="Only those.")] = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="Those in their seven days of grace instead.")] = False,
    offset: Annotated[int, typer.Option(min=0, help="How many to skip.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many to show.")] = 100,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """A team's users, newest first."""
    from gatepass.cli.deployment import read, team_of
    from gatepass.cli.user_lines import document_of
    from gatepass.core import user_listing

    async def work(unit: Unit) -> tuple[list[User], int]:
        owner = await team_of(unit, team)
        return await user_listing.list_page(
            unit, owner.id, search=search, banned=banned, deleted=deleted, offset=offset, limit=limit
        )

    page, total = read(work, data_dir)
    last = "deleted" if deleted else "banned"

    def document(user: User) -> dict[str, Any]:
        return {**document_of(user), "deleted_at": user.deleted_at} if deleted else document_of(user)

    def words() -> str:
        rows = [
            (
                user.id,
                user.email or user.client_user_id,
                instant(user.created_at),
                instant(user.deleted_at if deleted else user.banned_at),
            )
            for user in page
        ]
        listing = table(("id", "address", "made", last), rows, empty="no users")
        return f"{listing}\n{len(page)} of {total}" if page else listing

    show(as_json, {"users": [document(user) for user in page], "total": total}, words)


@app.command("show", epilog=examples("gatepass users show ada@example.com"))
def show_one(user: UserName, team: TeamId = None, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """One user."""
    from gatepass.cli.deployment import read, team_of, user_of

    async def work(unit: Unit) -> User:
        return await user_of(unit, await team_of(unit, team), user)

    _show(read(work, data_dir), as_json)


@app.command(epilog=examples("gatepass users create --email ada@example.com"))
def create(
    email: Annotated[str | None, typer.Option(help="Where codes go; who has one signs in by mail.")] = None,
    client_user_id: Annotated[str | None, typer.Option(help="What your own server calls the user.")] = None,
    nickname: Annotated[str | None, typer.Option(help="The name shown; made up where none is given.")] = None,
    team: TeamId = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Make an account, for teams where only known accounts may sign in."""
    if email is None and client_user_id is None:
        raise Failure("an account needs a name", "give --email or --client-user-id", code=2)
    from gatepass.cli.deployment import team_of, transact
    from gatepass.core import users
    from gatepass.core.addresses import Address

    async def work(unit: Unit) -> User:
        address = Address.parse(email, dotless=unit.policy.dotless_domains) if email is not None else None
        owner = await team_of(unit, team)
        return await users.create(unit, owner.id, address=address, client_user_id=client_user_id, nickname=nickname)

    _show(transact(work, data_dir), as_json)


@app.command(epilog=examples("gatepass users update ada@example.com --test-user"))
def update(
    user: UserName,
    test_user: Annotated[
        bool | None, typer.Option("--test-user/--no-test-user", help="Whether development keys may act for the user.")
    ] = None,
    team: TeamId = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Change an account."""
    if test_user is None:
        raise Failure("nothing to change", "give --test-user or --no-test-user", code=2)
    from gatepass.cli.deployment import team_of, transact, user_of
    from gatepass.core import users

    async def work(unit: Unit) -> User:
        owner = await team_of(unit, team)
        return await users.change(unit, owner.id, (await user_of(unit, owner, user)).id, test_user=test_user)

    _show(transact(work, data_dir), as_json)


@app.command(epilog=examples('gatepass users ban ada@example.com --reason "Chargeback"'))
def ban(
    user: UserName,
    reason: Annotated[str, typer.Option(help="What the user reads, up to 500 characters.")] = "",
    team: TeamId = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Suspend an account and end all its sessions at once."""
    from gatepass.cli.deployment import team_of, transact, user_of
    from gatepass.core import users

    async def work(unit: Unit) -> User:
        owner = await team_of(unit, team)
        return await users.ban(unit, owner.id, (await user_of(unit, owner, user)).id, reason)

    _show(transact(work, data_dir), as_json)


@app.command(epilog=examples("gatepass users unban ada@example.com"))
def unban(user: UserName, team: TeamId = None, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Let an account sign in again. Sessions that ended stay ended."""
    from gatepass.cli.deployment import team_of, transact, user_of
    from gatepass.core import users

    async def work(unit: Unit) -> User:
        owner = await team_of(unit, team)
        return await users.unban(unit, owner.id, (await user_of(unit, owner, user)).id)

    _show(transact(work, data_dir), as_json)


@app.command(epilog=examples("gatepass users delete ada@example.com"))
def delete(user: UserName, team: TeamId = None, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Delete an account and end all its sessions at once. For seven days it can be taken back; then it is erased."""
    from gatepass.cli.deployment import team_of, transact, user_of
    from gatepass.cli.user_lines import document_of
    from gatepass.core import user_deletion

    async def work(unit: Unit) -> User:
        owner = await team_of(unit, team)
        return await user_deletion.delete_user(unit, owner.id, (await user_of(unit, owner, user)).id)

    gone = transact(work, data_dir)
    document = {**document_of(gone), "deleted_at": gone.deleted_at}
    until = instant((gone.deleted_at or 0) + user_deletion.GRACE)
    show(as_json, document, lambda: f"deleted {gone.id}\nuntil {until}: gatepass users undelete {gone.id}")


@app.command(epilog=examples("gatepass users undelete 8f0a3c1e-5b7d-4e49-9b1a-2f64d0c7aa10"))
def undelete(
    user_id: Annotated[
        str, typer.Argument(help="The user's id; gatepass users list --deleted shows it.", metavar="USER_ID")
    ],
    team: TeamId = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Take a deletion back within its seven days. The account is as it was; sessions that ended stay ended."""
    from gatepass.cli.deployment import id_of, team_of, transact
    from gatepass.core import user_deletion

    async def work(unit: Unit) -> User:
        owner = await team_of(unit, team)
        return await user_deletion.undelete_user(unit, owner.id, user_id=id_of("user", user_id))

    _show(transact(work, data_dir), as_json)


@app.command(
    "import", epilog=examples("gatepass users import users.jsonl --dry-run", "gatepass users import < users.jsonl")
)
def import_lines(
    file: Annotated[Path | None, typer.Argument(help="JSON lines; stdin where none is named.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; write nothing.")] = False,
    team: TeamId = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Make accounts from JSON lines, as `users export` writes them.

    A line needs email or client_user_id. Accounts that exist are left as they are, so an import can be repeated. Bad
    lines are skipped and reported by number, never by content; the exit code is then 1.
    """
    from gatepass.cli.user_import import run

    outcome = run(file, team, data_dir, dry_run=dry_run)
    verb = "would make" if dry_run else "made"

    def words() -> str:
        return f"{verb} {outcome.created}, there already {outcome.existing}, bad lines {len(outcome.problems)}"

    document = {
        "created": outcome.created,
        "existing": outcome.existing,
        "problems": [{"line": number, "problem": problem} for number, problem in outcome.problems],
        "dry_run": dry_run,
    }
    for number, problem in outcome.problems:
        note(f"line {number}: {problem}")
    show(as_json, document, words)
    if outcome.problems:
        note("next: correct those lines and import the file again")
        raise typer.Exit(1)


@app.command("export", epilog=examples("gatepass users export --output users.jsonl"))
def export_lines(
    output: Annotated[
        Path | None, typer.Option(help="A file (0600), replaced when the export is whole. Default: stdout.")
    ] = None,
    team: TeamId = None,
    data_dir: DataDir = None,
) -> None:
    """Write every account as one JSON line, oldest first. There are no secrets in it, but personal data."""
    from gatepass.cli.user_export import run

    written = run(output, team, data_dir)
    note(f"exported {written} users")
