"""Schemathesis, which reads the OpenAPI document alone: no fault, and no answer that is not announced."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from backend import EXCHANGE, TOKEN, USERS
from figures import publish
from gatepass.core import api_keys
from gatepass.core.api_keys import Kind
from harness import ADMIN_TOKEN
from served import Served, served

SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"
EXAMPLES = 40
"""Bodies, parameters and paths that are tried of each call, besides the document's own examples."""
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def fuzz(url: str, paths: str, headers: dict[str, str], directory: Path) -> int:
    """Try the calls below *paths*, a regular expression, with those credentials. How many cases there were; all passed."""
    command = [
        str(SCHEMATHESIS), "run", f"{url}/openapi.json", "--url", url, "--include-path-regex", paths,
        "--checks", CHECKS, "--phases", "examples,fuzzing", "--max-examples", str(EXAMPLES), "--seed", "20261126",
        "--suppress-health-check", "all", "--no-color",
    ]  # fmt: skip
    for name, value in headers.items():
        command += ["--header", f"{name}: {value}"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    found = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert found is not None, done.stdout[-2000:]
    assert found[1] == found[2]
    return int(found[1])


async def credentials(server: Served) -> tuple[str, str, str]:
    """A secret key of the team, a user's access token of Junction, and one of Elixir."""
    key = (await server.runtime.transact(lambda unit: api_keys.create(unit, server.team_id, Kind.SECRET))).text
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{server.port}", headers={"x-vital-api-key": key}
    ) as client:
        user = (await client.post(USERS, json={"client_user_id": "ada"})).json()["user_id"]
        issued = (await client.post(f"{USERS}/{user}/sign_in_token")).json()["sign_in_token"]
        tokens = (await client.post(TOKEN, data={**EXCHANGE, "subject_token": issued})).json()
    return key, tokens["access_token"], (await server.sign_in("ada@example.com"))["token"]


@pytest.mark.live
@pytest.mark.skipif(not SCHEMATHESIS.exists(), reason="no Schemathesis: pip install 'gatepass[fuzz]'")
async def test_schemathesis_finds_no_fault_and_no_answer_that_is_not_announced(
    live_database_url: str, database_name: str, tmp_path: Path
) -> None:
    """The admin API comes last: it takes the keys away that the others need."""
    async with served(live_database_url, tmp_path, admin_token=ADMIN_TOKEN) as server:
        key, junction, elixir = await credentials(server)
        url, admin = f"http://127.0.0.1:{server.port}", {"authorization": f"Bearer {ADMIN_TOKEN}"}
        cases = fuzz(url, "^/sdk/", {"x-api-key": server.key, "authorization": f"Bearer {elixir}"}, tmp_path)
        cases += fuzz(url, "^/v2/|^/userinfo", {"authorization": f"Bearer {junction}"}, tmp_path)
        cases += fuzz(url, "^/v2/|^/oauth/", {"x-vital-api-key": key}, tmp_path)
        rest = "^/(v1|auth|identitytoolkit|securetoken|livez|readyz|.well-known)"
        cases += fuzz(url, rest, {"x-management-key": ADMIN_TOKEN}, tmp_path)
        cases += fuzz(url, "^/(admin|metrics)", admin, tmp_path)
        assert server.running.process.poll() is None
    count = f"{cases:,}".replace(",", " ")
    publish(f"schemathesis-{database_name}", f"{count} cases: no fault, no answer that is not announced")
