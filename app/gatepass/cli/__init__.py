"""The command line: `gatepass`, also `python -m gatepass`.

Every command is thin over one core verb and lives in the module of its name. Modules import typer and little else at
the top, and the server inside their functions: so `gatepass --help` and a mistyped option answer at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from gatepass import __version__
from gatepass.cli import (
    audit,
    backup,
    check_client,
    dev,
    doctor,
    env,
    exec,
    inbox,
    init,
    keys,
    migrate,
    operators,
    serve,
    sessions,
    signing_keys,
    teams,
    users,
)
from gatepass.cli.output import Failure, examples

app = typer.Typer(
    name="gatepass",
    help="Gatepass: a self-hosted auth server for mobile apps.",
    epilog=examples("gatepass dev", "gatepass teams create --name Acme --json"),
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("dev", epilog=dev.EXAMPLES)(dev.dev)
app.command(
    "exec",
    epilog=exec.EXAMPLES,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)(exec.exec_)
app.command("env", epilog=env.EXAMPLES)(env.env)
app.command("inbox", epilog=inbox.EXAMPLES)(inbox.inbox)
app.command("serve", epilog=serve.EXAMPLES)(serve.serve)
app.command("audit", epilog=audit.EXAMPLES)(audit.audit)
app.command("init", epilog=init.EXAMPLES)(init.init)
app.command("doctor", epilog=doctor.EXAMPLES)(doctor.doctor)
app.command("backup", epilog=backup.BACKUP_EXAMPLES)(backup.backup)
app.command("restore", epilog=backup.RESTORE_EXAMPLES)(backup.restore)
app.command("check-client", epilog=check_client.EXAMPLES)(check_client.check_client)
for group in (migrate, teams, keys, users, sessions, signing_keys, operators):
    app.add_typer(group.app)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"gatepass {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _gatepass(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and stop.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Gatepass: a self-hosted auth server for mobile apps."""
    if context.invoked_subcommand is None:
        print(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line. The exit code: 0 done, 1 could not be done, 2 asked or configured wrongly."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        code = app(args=given, prog_name="gatepass", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except typer.Abort:
        return Failure("stopped", "run it again to go on", code=1).show(as_json=False)
    except Exception as error:
        from gatepass.cli.failures import understand

        return understand(error).show(as_json="--json" in given)
