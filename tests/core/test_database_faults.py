"""A database that is away, or busy, is a reason to wait: never a refusal that costs a phone its session."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gatepass.adapters import database, migrations
from gatepass.adapters.database import Database
from gatepass.core import teams
from gatepass.core.errors import Unavailable
from gatepass.wiring import Runtime
from harness import LOGIN, REFRESH, Server, serve, settings
from life import begin, held
from postgres import Cluster, cluster


@pytest.fixture(scope="module", name="cluster")
def own_cluster() -> Iterator[Cluster]:
    """A PostgreSQL of this file's own, to be stopped and started."""
    with cluster() as started:
        started.create_database("gatepass")
        yield started


@pytest.fixture
async def faulty(cluster: Cluster) -> AsyncIterator[Server]:
    url = f"postgresql://gatepass@127.0.0.1:{cluster.port}/gatepass"
    schema = Database(url)
    await migrations.up(schema)
    await schema.dispose()
    async with serve(url) as server:
        yield server


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_while_postgresql_is_away_everyone_is_asked_to_come_back_and_then_all_is_well(
    faulty: Server, cluster: Cluster, mode: str
) -> None:
    phone = await faulty.sign_in()
    cluster.stop(mode)
    try:
        calls = [await phone.refresh(), await phone.userinfo(), await phone.sign_out()]
        calls.append(await faulty.post(LOGIN, {"email": "bob@example.com"}))
        for answer in calls:
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, 1191)
            assert int(answer.headers["retry-after"]) >= 1
        assert (await faulty.client.get("/readyz")).status_code == 503
        assert (await faulty.client.get("/livez")).status_code == 200
    finally:
        cluster.boot()
    assert (await phone.refresh()).status_code == 200
    assert (await phone.userinfo()).status_code == 200


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_restart_between_two_requests_is_not_noticed(faulty: Server, cluster: Cluster, mode: str) -> None:
    """The pool is full of dead connections then; the first request after finds a living one."""
    phone = await faulty.sign_in()
    for _ in range(2):
        cluster.stop(mode)
        cluster.boot()
        assert (await phone.refresh()).status_code == 200
        assert (await phone.userinfo()).status_code == 200


async def test_a_row_held_for_too_long_is_a_reason_to_come_back(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOCK_WAIT", 0.05)
    async with serve(database_url) as server:
        life = await begin(server)
        async with held(server, life.id):
            answer = await server.post(REFRESH, {"refreshToken": life.token(0)})
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, 1191)
        before = await life.row()
        assert (before.generation, before.ended_at) == (0, None)
        assert (await server.post(REFRESH, {"refreshToken": life.token(0)})).status_code == 200


async def test_a_file_that_cannot_be_opened_is_a_reason_to_come_back(tmp_path: Path) -> None:
    runtime = Runtime(settings(f"sqlite:///{tmp_path / 'nowhere' / 'gatepass.db'}"))
    try:
        with pytest.raises(Unavailable):
            await runtime.transact(lambda unit: teams.list_all(unit))
    finally:
        await runtime.close()
