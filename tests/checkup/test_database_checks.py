"""`gatepass doctor` on a database and what is in it: each check made to fail, on both databases where both have it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import update

from gatepass.adapters.clock import Clock, ManualClock, SystemClock
from gatepass.adapters.hot.batches import Batches
from gatepass.cli.checkup import content_checks, database_checks
from gatepass.cli.checkup.database_checks import judge_skew, judge_volume
from gatepass.cli.checkup.findings import Finding, State
from gatepass.core import api_keys, signing_keys, worlds
from gatepass.core.api_keys import Kind
from gatepass.core.schema import DAY, MINUTE
from gatepass.core.sessions import sessions
from gatepass.core.signing_keys import DEPLOYMENT, Ring
from gatepass.core.unit import Unit
from gatepass.wiring import Runtime
from harness import Server, serve, settings
from postgres import Cluster, free_port


@asynccontextmanager
async def runtime(url: str, clock: Clock | None = None, **given: Any) -> AsyncIterator[Runtime]:
    made = Runtime(settings(url, **given), clock=clock)
    try:
        yield made
    finally:
        await made.close()


async def look(check: str, url: str, clock: Clock | None = None) -> Finding:
    async with runtime(url, clock) as made:
        return await getattr(database_checks, check)(made)


async def inside(server: Server, check: str) -> Finding:
    return await server.runtime.read(getattr(content_checks, check))


# The database itself.


@pytest.mark.parametrize("check", [check.__name__ for check in (database_checks.database, *database_checks.CHECKS)])
async def test_a_sound_database_has_no_findings(check: str, database_url: str) -> None:
    found = await look(check, database_url, SystemClock())
    assert found.state in (State.OK, State.SKIPPED), found.said


async def test_a_database_out_of_reach_fails(tmp_path: Path) -> None:
    found = await look("database", f"postgresql://gatepass@127.0.0.1:{free_port()}/gatepass")
    assert (found.state, "does not answer" in found.said) == (State.FAIL, True)
    found = await look("database", f"sqlite:///{tmp_path / 'absent.db'}")
    assert (found.state, found.next_step) == (State.FAIL, "run: gatepass migrate up")
    assert not (tmp_path / "absent.db").exists(), "looking makes nothing"


async def test_a_schema_that_is_missing_old_or_newer_is_told_apart(tmp_path: Path, postgres: Cluster) -> None:
    for url in (f"sqlite:///{tmp_path / 'empty.db'}", postgres.create_database("doctor_empty")):
        async with runtime(url) as made:
            assert (await database_checks.schema(made)).said == "the database is empty"
            async with made.database.engine.begin() as db:
                await db.exec_driver_sql("create table alembic_version (version_num varchar(32) primary key)")
                await db.exec_driver_sql("insert into alembic_version values ('9999')")
            assert (await database_checks.schema(made)).state is State.WARN


async def test_clocks_that_disagree_are_found(postgres_url: str) -> None:
    assert (await look("database_clock", postgres_url, ManualClock())).state is State.FAIL
    assert judge_skew(-900, "it").state is State.OK
    assert (judge_skew(-5_000, "it").state, judge_skew(-5_000, "it").said) == (
        State.WARN,
        "it is 5.0 s behind this one",
    )
    assert judge_skew(31_000, "it").state is State.FAIL


@contextmanager
def altered(cluster: Cluster, name: str, setting: str) -> Iterator[None]:
    """With `name` off for the whole cluster."""
    data = cluster.data / "postgresql.auto.conf"
    kept = data.read_text()
    with data.open("a") as file:
        file.write(f"{name} = {setting}\n")
    cluster._run("pg_ctl", "-D", str(cluster.data), "reload")
    try:
        yield
    finally:
        data.write_text(kept)
        cluster._run("pg_ctl", "-D", str(cluster.data), "reload")


@pytest.mark.parametrize("name", ["fsync", "synchronous_commit", "full_page_writes"])
async def test_a_database_that_forgets_in_a_crash_fails(name: str, postgres: Cluster, postgres_url: str) -> None:
    with altered(postgres, name, "off"):
        await _until(postgres_url, name, "off")
        found = await look("durability", postgres_url)
        assert (found.state, found.said.partition(":")[0]) == (State.FAIL, name)
    await _until(postgres_url, name, "on")


async def _until(url: str, name: str, setting: str) -> None:
    """The reload has reached new connections."""
    for _ in range(500):
        connection = await asyncpg.connect(url)
        try:
            if await connection.fetchval(f"show {name}") == setting:
                return
        finally:
            await connection.close()
    raise AssertionError(f"{name} did not become {setting}")


async def test_too_few_connections_are_warned_of(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_checks, "PER_PROCESS", 1_000)
    assert (await look("connections", postgres_url)).state is State.WARN


async def test_one_process_takes_no_more_connections_than_the_doctor_counts_with(postgres_url: str) -> None:
    async with runtime(postgres_url) as made:
        pool = made.database.engine.pool.size()  # type: ignore[attr-defined]
        lanes = sum(held._most_lanes for held in vars(made.hot).values() if isinstance(held, Batches))
        assert pool + lanes == database_checks.PER_PROCESS


def test_a_network_volume_fails(tmp_path: Path) -> None:
    held = tmp_path / "gatepass.db"
    mounts = f"/dev/sda1 / ext4 rw 0 0\nfiler:/export {tmp_path} %s rw 0 0\n"
    for kind in ("nfs", "nfs4", "cifs", "fuse.sshfs", "9p"):
        assert judge_volume(held, mounts % kind).state is State.FAIL
    assert judge_volume(held, mounts % "xfs").state is State.OK
    assert judge_volume(held, "/dev/sda1 / ext4 rw 0 0\n/dev/sdb /elsewhere nfs rw 0 0\n").state is State.OK
    assert judge_volume(held, "").state is State.SKIPPED


async def test_a_full_disk_and_a_grown_log_are_found(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_checks, "SCARCE", 1 << 62)
    assert (await look("disk", sqlite_url)).state is State.WARN
    monkeypatch.setattr(database_checks, "NEARLY_NONE", 1 << 62)
    assert (await look("disk", sqlite_url)).state is State.FAIL
    monkeypatch.setattr(database_checks, "LARGE_WAL", -1)
    assert (await look("write_ahead_log", sqlite_url)).state is State.WARN


# What is in it.


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_fresh_deployment_has_no_findings(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = f"sqlite:///{tmp_path / 'own.db'}"
    if kind == "postgresql":
        url = request.getfixturevalue("postgres").create_database("fresh")
    await migrated(url)
    async with serve(url) as server:
        await server.sign_in()
        for check in content_checks.CHECKS:
            found = await inside(server, check.__name__)
            assert found.state in (State.OK, State.SKIPPED) or check.__name__ == "outbox", found.said


async def migrated(url: str) -> None:
    """Lay out a database that no other test has filled."""
    from gatepass.adapters import migrations
    from gatepass.adapters.database import Database

    database = Database(url)
    await migrations.up(database)
    await database.dispose()


async def test_signing_keys_that_no_secret_opens_fail_and_old_ones_warn(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'own.db'}"
    await migrated(url)
    clock = ManualClock()
    async with runtime(url, clock) as made:
        assert "none yet" in (await made.read(content_checks.signing_key)).said
        await made.keyring.signer(Ring.ACCESS)
        assert (await made.read(content_checks.signing_key)).state is State.OK
        clock.advance(seconds=400 * 86400)
        assert (await made.read(content_checks.signing_key)).state is State.WARN
        fresh = signing_keys.generate(Ring.ACCESS, DEPLOYMENT)
        await made.transact(lambda unit: signing_keys.rotate(unit, Ring.ACCESS, DEPLOYMENT, fresh, at_once=True))
        assert (await made.read(content_checks.signing_key)).state is State.OK
    async with runtime(url, clock, secret_key="an-other-secret-0123456789abcdefghijklmn") as made:
        assert (await made.read(content_checks.signing_key)).state is State.FAIL


async def test_mail_that_does_not_leave_is_found(server: Server) -> None:
    await server.ask_for_code("ada@example.com")
    assert (await inside(server, "outbox")).state is State.OK
    server.clock.advance(ms=2 * MINUTE)
    assert (await inside(server, "outbox")).state is State.WARN
    server.clock.advance(ms=4 * MINUTE)
    assert (await inside(server, "outbox")).state is State.FAIL


async def test_old_and_forgotten_keys_are_named_by_their_beginning(server: Server) -> None:
    secret = await server.runtime.transact(lambda unit: api_keys.create(unit, server.team.id, Kind.SECRET))
    await server.sign_in()  # with the key for development
    server.clock.advance(ms=366 * DAY)
    old, unused = await inside(server, "old_keys"), await inside(server, "unused_keys")
    assert (old.state, unused.state) == (State.WARN, State.WARN)
    assert secret.text not in old.said
    assert server.production_key not in unused.said
    if " Acme" in old.said:  # ten are named at the most, and others share this database
        assert "… of Acme" in old.said


async def test_a_secret_key_inside_an_app_is_found(server: Server) -> None:
    secret = await server.runtime.transact(lambda unit: api_keys.create(unit, server.team.id, Kind.SECRET))
    headers = {"x-vital-api-key": secret.text, "x-vital-ios-sdk-version": "1.2.3"}
    assert (await server.client.get("/v2/user", headers=headers)).status_code == 200
    assert (await inside(server, "keys_in_apps")).state is State.WARN


async def test_twenty_users_behind_one_address_are_behind_a_proxy(server: Server) -> None:
    for number in range(content_checks.MANY):
        await server.sign_in(f"user-{number}@example.com")

    async def gather(unit: Unit) -> None:
        await unit.db.execute(update(sessions).values(client_address="192.0.2.1"))

    await server.runtime.transact(gather)
    found = await inside(server, "client_addresses")
    assert (found.state, "192.0.2.1" in found.said) == (State.FAIL, True)

    async def scatter(unit: Unit) -> None:
        newest = (await unit.db.execute(sessions.select().order_by(sessions.c.id.desc()).limit(1))).one()
        await unit.db.execute(update(sessions).where(sessions.c.id == newest.id).values(client_address="192.0.2.2"))

    await server.runtime.transact(scatter)
    assert (await inside(server, "client_addresses")).state is State.OK


async def test_worlds_of_test_mode_do_not_belong_into_production(server: Server) -> None:
    made = await server.runtime.transact(lambda unit: worlds.create(unit, "left over", None))
    assert (await inside(server, "leftovers_of_tests")).state is State.FAIL
    await server.runtime.transact(lambda unit: worlds.drop(unit, made.team.id))
