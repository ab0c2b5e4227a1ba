"""`gatepass backup` and `gatepass restore`, on both databases, beside a server that goes on."""

from __future__ import annotations

import json
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import pytest

from gatepass.adapters import backups
from gatepass.adapters.clock import SystemClock
from gatepass.core import audit
from harness import VERIFY, Phone, Server, serve
from postgres import Cluster

_numbers = count(1)


@pytest.fixture
def elsewhere(either_gatepass: Any, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Makes URLs of empty databases of the kind that `either_gatepass` works on."""

    def make() -> str:
        name = f"elsewhere_{next(_numbers)}"
        if either_gatepass.database_url.startswith("sqlite"):
            return f"sqlite:///{tmp_path / name}.db"
        postgres: Cluster = request.getfixturevalue("postgres")
        return postgres.create_database(name)

    return make


def at(gatepass: Any, url: str) -> Any:
    """The command line pointed at another database."""
    gatepass.monkeypatch.setenv("GATEPASS_DATABASE_URL", url)
    return gatepass


async def json_of(gatepass: Any, *words: str) -> Any:
    """Commands bring an event loop of their own."""
    return await anyio.to_thread.run_sync(lambda: gatepass.json(*words))


@asynccontextmanager
async def serving(url: str) -> AsyncIterator[Server]:
    async with serve(url, clock=SystemClock()) as server:  # type: ignore[arg-type] # restoring goes by the host's
        yield server


async def test_phones_from_after_the_backup_stay_signed_in(
    either_gatepass: Any, elsewhere: Callable[[], str], tmp_path: Path
) -> None:
    file, url = tmp_path / "night.backup", elsewhere()
    async with serving(either_gatepass.database_url) as server:
        still, ahead = await server.sign_in("still@example.com"), await server.sign_in("ahead@example.com")
        made = await json_of(either_gatepass, "backup", str(file))
        for _ in range(3):
            assert (await ahead.refresh()).status_code == 200
            await ahead.userinfo()
    assert (made["users"], made["open_sessions"], made["bytes"]) == (2, 2, file.stat().st_size)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    restored = await json_of(at(either_gatepass, url), "restore", str(file))

    assert (restored["open_sessions"], restored["ended"]) == (2, 0)
    async with serving(url) as server:
        for phone in (still, ahead):
            moved = Phone(server, phone.key, phone.bundle)
            assert (await moved.refresh()).status_code == 200
            assert (await moved.userinfo()).status_code == 200
            assert (await moved.refresh()).status_code == 200
        session = UUID((await moved.userinfo()).json()["data"]["sub"])
        events = await server.runtime.read(lambda unit: audit.list_events(unit))
        (alarm,) = [event for event in events if event.event is audit.Event.GENERATION_ADOPTED]
        assert (alarm.user_id, alarm.detail) == (session, {"stored": 0, "presented": 3})


async def test_a_restore_can_end_every_session(
    either_gatepass: Any, elsewhere: Callable[[], str], tmp_path: Path
) -> None:
    file, url = tmp_path / "night.backup", elsewhere()
    async with serving(either_gatepass.database_url) as server:
        phone = await server.sign_in()
        await json_of(either_gatepass, "backup", str(file))

    restored = await json_of(at(either_gatepass, url), "restore", str(file), "--end-sessions")

    assert restored["ended"] == 1
    async with serving(url) as server:
        refused = await Phone(server, phone.key, phone.bundle).refresh()
        assert refused.json()["error"]["code"] == "INVALID_REFRESH_TOKEN"
        (ended,) = [
            event
            for event in await server.runtime.read(lambda unit: audit.list_events(unit))
            if event.event is audit.Event.SESSION_ENDED
        ]
        assert ended.detail == {"cause": "admin", "restored": 1}


async def test_a_code_spent_after_the_backup_is_not_unspent_by_it(
    either_gatepass: Any, elsewhere: Callable[[], str], tmp_path: Path
) -> None:
    file, url = tmp_path / "night.backup", elsewhere()
    async with serving(either_gatepass.database_url) as server:
        asked = await server.ask_for_code("ada@example.com")
        await json_of(either_gatepass, "backup", str(file))
        spent = {"transactionId": asked["transactionId"], "code": asked["userCode"]}
        assert (await server.post(VERIFY, spent)).status_code == 200
        key = server.development_key

    await json_of(at(either_gatepass, url), "restore", str(file))

    async with serving(url) as server:
        assert (await server.post(VERIFY, spent, key=key)).status_code == 400


def test_a_check_changes_nothing_and_says_what_is_inside(
    either_gatepass: Any, elsewhere: Callable[[], str], tmp_path: Path
) -> None:
    gatepass, file = either_gatepass, str(tmp_path / "night.backup")
    gatepass.team()
    gatepass("backup", file)

    checked = at(gatepass, elsewhere()).json("restore", file, "--check")

    assert checked["teams"] == 1
    assert gatepass.json("migrate", "status")["current"] is None


def test_a_backup_under_another_secret_is_found_out(either_gatepass: Any, tmp_path: Path) -> None:
    gatepass, file = either_gatepass, str(tmp_path / "night.backup")
    gatepass("signing-keys", "rotate")
    assert gatepass.json("backup", file)["signing_keys"] > 0
    gatepass.monkeypatch.setenv("GATEPASS_SECRET_KEY", "another-secret-for-tests-0123456789abcdefgh")

    said = gatepass("restore", file, "--check")

    assert said.code == 1
    assert "another GATEPASS_SECRET_KEY" in said.err


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_damaged_backup_is_found_out(either_gatepass: Any, tmp_path: Path, share: float) -> None:
    gatepass, file = either_gatepass, tmp_path / "night.backup"
    gatepass.team()
    gatepass("backup", str(file))
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * share)])

    said = gatepass("restore", str(file), "--check")

    assert said.code == 1
    assert "damaged" in said.err


def test_nothing_is_ever_overwritten(either_gatepass: Any, tmp_path: Path) -> None:
    gatepass, file = either_gatepass, tmp_path / "night.backup"
    team = gatepass.team()
    assert gatepass("backup", str(file)).code == 0
    before = file.read_bytes()

    assert gatepass("backup", str(file)).code == 1
    assert gatepass("restore", str(file)).code == 1

    assert file.read_bytes() == before
    assert [listed["team_id"] for listed in gatepass.json("teams", "list")] == [team]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".night")] == []


def test_a_directory_that_is_missing_is_named_as_it_was_written(gatepass: Any, tmp_path: Path) -> None:
    said = gatepass("backup", str(tmp_path / "absent" / "night.backup"))

    assert said.code == 1
    assert f"there is no directory {tmp_path / 'absent'}\n" in said.err


def test_what_is_no_backup_is_said_to_be_none(gatepass: Any, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("nothing of the kind")
    for file in (other, tmp_path / "absent"):
        said = gatepass("restore", str(file), "--check")
        assert (said.code, "next: " in said.err) == (1, True)


def test_a_backup_goes_back_to_its_own_kind_of_database_only(gatepass: Any, tmp_path: Path) -> None:
    file = str(tmp_path / "night.backup")
    gatepass("backup", file)
    said = at(gatepass, "postgresql://gatepass:sekret@127.0.0.1:1/none")("restore", file)
    assert (said.code, "other kind" in said.err, "sekret" in said.err) == (1, True, False)


def test_without_its_programs_it_is_said_what_to_run(
    postgres_gatepass: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(backups, "PROGRAMS", tmp_path)
    said = postgres_gatepass("backup", str(tmp_path / "night.backup"), "--json")
    assert said.code == 1
    assert "pg_dump --format=custom" in json.loads(said.out)["next"]
