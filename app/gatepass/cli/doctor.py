"""`gatepass doctor`: what is wrong with this deployment, and what to do about it."""

from __future__ import annotations

import typer

from gatepass.cli.options import AsJson
from gatepass.cli.output import examples, show

EXAMPLES = examples("gatepass doctor", "gatepass doctor --json | jq '.checks[] | select(.state != \"ok\")'")


def doctor(as_json: AsJson = False) -> None:
    """Look at everything that can be known of the deployment that the environment and .env describe.

    Settings, database, mail, and this server by its public URL. Changes nothing. Exits with 1 where a check failed.
    """
    import asyncio
    import logging

    from gatepass.adapters import logs
    from gatepass.cli.checkup import findings
    from gatepass.cli.checkup.examination import examine

    logs.configure("console", level=logging.CRITICAL)

    async def look() -> list[findings.Finding]:
        found = []
        async for finding in examine():
            found.append(finding)
            if not as_json:
                print(findings.line(finding), flush=True)
        return found

    found = asyncio.run(look())
    show(as_json, findings.document(found), lambda: findings.summary(found))
    if any(finding.state is findings.State.FAIL for finding in found):
        raise typer.Exit(1)
