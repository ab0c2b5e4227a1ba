"""`gatepass backup` and `gatepass restore`: the database in a file, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatepass.cli.options import AsJson, DataDir
from gatepass.cli.output import Failure, examples, note, show

if TYPE_CHECKING:
    from gatepass.adapters.backups import Contents
    from gatepass.settings import Settings

BACKUP_EXAMPLES = examples("gatepass backup gatepass-$(date +%F).backup")
RESTORE_EXAMPLES = examples("gatepass restore gatepass-2026-11-26.backup --check")


def backup(
    path: Annotated[Path, typer.Argument(help="The file to write; it must not exist.", metavar="FILE")],
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Write the whole database into a file while the server runs on.

    Keep GATEPASS_SECRET_KEY as well, elsewhere: without it a backup signs nobody in.
    """
    from gatepass.adapters import backups
    from gatepass.cli.deployment import settings_of

    settings = settings_of(data_dir)
    if not path.absolute().parent.is_dir():
        raise Failure(f"there is no directory {path.parent}", "make it first, or name a file elsewhere")
    with _in_words():
        contents = backups.save(settings.database_url.get_secret_value(), path)
    _tell(as_json, path, contents, lambda: "written and read back")


def restore(
    path: Annotated[Path, typer.Argument(help="The file that gatepass backup wrote.", metavar="FILE")],
    check: Annotated[
        bool, typer.Option("--check", help="Read all of it, see that it fits this server, and change nothing.")
    ] = False,
    end_sessions: Annotated[
        bool, typer.Option("--end-sessions", help="Sign every device out; those revoked since are open again else.")
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Make an empty database what a backup holds. Stop the server first; nothing is ever overwritten.

    Phones stay signed in, also those whose tokens are from after the backup. Pending codes, QR values and sign-in tokens
    are void. Sessions opened since are gone, and those ended since are open again: --end-sessions ends them all.
    """
    from gatepass.adapters import backups
    from gatepass.cli.deployment import settings_of

    if check and end_sessions:
        raise Failure("--check changes nothing", "leave out one of --check and --end-sessions", code=2)
    settings = settings_of(data_dir)
    with _in_words():
        contents = backups.read(path)
        _see_that_it_fits(settings, path, contents)
        ended = 0
        if not check:

            def prepare(database_url: str) -> None:
                nonlocal ended
                ended = _prepare(settings, database_url, end_sessions=end_sessions)

            backups.put_back(path, settings.database_url.get_secret_value(), prepare)
    said = "whole, and fits this server" if check else "restored"
    _tell(as_json, path, contents, lambda: f"{said}; {ended} sessions ended" if end_sessions else said, ended=ended)
    if not check and not _is_head(contents):
        note("next: gatepass migrate up")


def _see_that_it_fits(settings: Settings, path: Path, contents: Contents) -> None:
    from gatepass.adapters import migrations
    from gatepass.core import signing_keys

    if not migrations.is_known(contents.revision):
        raise Failure(
            f"{path} has the schema of another version of Gatepass ({contents.revision})", "install that version first"
        )
    secret = settings.secret()
    if not all(signing_keys.opens(secret, sealed) for sealed in contents.sealed_keys):
        raise Failure(
            f"{path} was made under another GATEPASS_SECRET_KEY: under this one every phone would be signed out",
            "set GATEPASS_SECRET_KEY to what it was then; of several, comma-separated, the first signs",
        )


def _prepare(settings: Settings, database_url: str, *, end_sessions: bool) -> int:
    """What a restored database must forget, and how many sessions were ended, before a server sees it."""
    import asyncio

    from pydantic import SecretStr

    from gatepass.core import restored
    from gatepass.wiring import Runtime

    async def run() -> int:
        runtime, ended = Runtime(settings.model_copy(update={"database_url": SecretStr(database_url)})), 0
        try:
            await runtime.transact(restored.void_proofs)
            while end_sessions and (more := await runtime.transact(restored.end_some)):
                ended += more
        finally:
            await runtime.close()
        return ended

    return asyncio.run(run())


def _is_head(contents: Contents) -> bool:
    from gatepass.adapters import migrations

    return contents.revision == migrations.head()


@contextmanager
def _in_words() -> Iterator[None]:
    from gatepass.adapters.backups import BackupFailed

    try:
        yield
    except BackupFailed as failure:
        raise Failure(str(failure), failure.next_step) from None


def _tell(as_json: bool, path: Path, contents: Contents, said: Callable[[], str], **more: Any) -> None:
    facts = {
        "file": str(path),
        "bytes": path.stat().st_size,
        "revision": contents.revision,
        "teams": contents.teams,
        "users": contents.users,
        "open_sessions": contents.open_sessions,
        "signing_keys": len(contents.sealed_keys),
        **more,
    }
    show(
        as_json,
        facts,
        lambda: (
            f"{path}: {said()}\n  {facts['bytes']} bytes, {contents.teams} teams, {contents.users} users, "
            f"{contents.open_sessions} open sessions, {len(contents.sealed_keys)} signing keys"
        ),
    )
