"""Each build serves on the schema that the next one made: while versions change, both run on one database."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path

import httpx
import pytest

import processes
from figures import publish
from gatepass.adapters import migrations
from gatepass.adapters.database import Database
from gatepass.core import api_keys, teams
from gatepass.core.api_keys import Environment, Kind
from gatepass.core.unit import Unit
from gatepass.wiring import Runtime
from harness import ADMIN_TOKEN, LOGIN, REFRESH, SIGN_OUT, USERINFO, VERIFY, settings
from test_migrations_at_scale import revisions

pytestmark = pytest.mark.live
ROOT = Path(__file__).parents[2]


def git(*words: str) -> bytes:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, check=True).stdout


def source_before(revision: str, directory: Path) -> Path:
    """The source as it stood just before the migration *revision* came."""
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("the earlier source is in the history, and this is no clone")
    (script,) = (ROOT / "migrations" / "versions").glob(f"{revision}_*.py")
    came = git("log", "--diff-filter=A", "--format=%H", "-1", "--", str(script.relative_to(ROOT))).decode().strip()
    if not came:
        pytest.skip(f"{revision} is not committed yet")
    tree = directory / f"before-{revision}"
    with tarfile.open(fileobj=BytesIO(git("archive", f"{came}^", "app", "migrations"))) as archive:
        archive.extractall(tree, filter="data")
    return tree / "app"


@asynccontextmanager
async def a_team_on(database_url: str) -> AsyncIterator[tuple[str, str]]:
    """The database migrated to today's schema, with a key of each kind."""
    runtime = Runtime(settings(database_url))

    async def make(unit: Unit) -> tuple[str, str]:
        team = await teams.create(unit, "Acme")
        key = await api_keys.create(unit, team.id, Kind.PUBLISHABLE, Environment.DEVELOPMENT)
        return key.text, (await api_keys.create(unit, team.id, Kind.SECRET)).text

    try:
        yield await runtime.transact(make)
    finally:
        await runtime.close()


@pytest.mark.parametrize("revision", revisions()[1:])
async def test_the_build_before_serves_on_the_schema_after(
    live_database_url: str, database_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, revision: str
) -> None:
    """Made at today's schema and taken back to *revision*: what the earlier build never heard of is filled in."""
    monkeypatch.setenv("PYTHONPATH", str(source_before(revision, tmp_path)))
    database = Database(live_database_url)
    await migrations.up(database)
    async with a_team_on(live_database_url) as (key, secret_key):
        pass
    while await current(database) != revision:
        await migrations.down(database)
    await database.dispose()

    with processes.running(1, live_database_url, tmp_path, admin_token=ADMIN_TOKEN) as (server,):
        async with httpx.AsyncClient(base_url=server.url, timeout=30, headers={"x-api-key": key}) as phone:
            asked = (await phone.post(LOGIN, json={"email": "ada@example.com"})).json()["data"]
            answer = await phone.post(VERIFY, json={"transactionId": asked["transactionId"], "code": asked["userCode"]})
            bundle = answer.json()["data"]
            for _ in range(3):
                answer = await phone.post(REFRESH, json={"refreshToken": bundle["refreshToken"]})
                assert answer.status_code == 200, answer.text
                bundle = answer.json()["data"]
            bearer = {"authorization": f"Bearer {bundle['token']}"}
            assert (await phone.get(USERINFO, headers=bearer)).status_code == 200
            assert (await phone.post(SIGN_OUT, json={}, headers=bearer)).status_code == 200
            made = await phone.post("/v2/user", json={"client_user_id": "m"}, headers={"x-vital-api-key": secret_key})
            assert made.status_code == 200, made.text
            admin = {"authorization": f"Bearer {ADMIN_TOKEN}"}
            team = await phone.post("/admin/v1/teams", json={"name": "Beta"}, headers=admin)
            assert team.status_code in (200, 201), team.text
            assert (await phone.get("/readyz")).json()["status"] == "ready"
    if revision == revisions()[-1]:
        publish(f"previous-{database_name}", f"signs in, refreshes, signs out, makes users and teams on {revision}")


async def current(database: Database) -> str | None:
    async with database.engine.connect() as db:
        return await migrations.current(db)
