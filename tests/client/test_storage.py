"""The keychain: what is stored is there after a crash, and a slow writer never wins over a newer one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gatepass.client import FileStore, MemoryStore, Store


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else FileStore(tmp_path / "deep" / "keychain.json")


def test_it_holds_what_was_stored_last(store: Store) -> None:
    assert store.load() == {}
    store.save({"refresh_token": "a"})
    store.save({"refresh_token": "b"})
    assert store.load() == {"refresh_token": "b"}


@pytest.mark.parametrize(
    ("held", "sent", "wins"),
    [
        ({"refresh_token": "a"}, "a", True),
        ({"refresh_token": "b"}, "a", False),
        ({}, "a", False),
        ({}, None, True),
        ({"user_id": "u"}, None, True),
        ({"refresh_token": "a"}, None, False),
    ],
)
def test_it_is_replaced_only_if_it_still_holds_what_was_sent(
    store: Store, held: dict[str, str], sent: str | None, wins: bool
) -> None:
    store.save(held)
    assert store.replace(sent, {"refresh_token": "new"}) is wins
    assert store.load() == ({"refresh_token": "new"} if wins else held)


def test_of_many_writers_at_once_one_wins(store: Store) -> None:
    store.save({"refresh_token": "old"})
    won: list[str] = []

    def write(name: str) -> None:
        if store.replace("old", {"refresh_token": name}):
            won.append(name)

    threads = [threading.Thread(target=write, args=(f"t{number}",)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [store.load()["refresh_token"]] == won


def test_of_many_processes_at_once_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "keychain.json"
    FileStore(path).save({"refresh_token": "old"})
    script = (
        "import sys; from gatepass.client.storage import FileStore\n"
        "sys.stdin.read()\n"
        "print(FileStore(sys.argv[1]).replace('old', {'refresh_token': sys.argv[2]}))"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(path), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in "abcd"
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.close()
        racer.stdin = None
    said = {name: racer.communicate(timeout=60)[0].strip() for name, racer in zip("abcd", racers, strict=True)}
    (winner,) = [name for name, won in said.items() if won == "True"]
    assert FileStore(path).load() == {"refresh_token": winner}


def test_only_its_owner_can_read_it_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "keychain.json")
    store.save({"refresh_token": "a"})
    assert {path.name: path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {
        "keychain.json": 0,
        ".keychain.json.lock": 0,
    }


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "keychain.json")
    store.save({"refresh_token": "a"})
    with pytest.raises(TypeError):
        store.replace("a", {"refresh_token": object()})
    assert store.load() == {"refresh_token": "a"}
    assert len(list(tmp_path.iterdir())) == 2


def test_a_store_that_cannot_be_read_says_so_instead_of_signing_out(tmp_path: Path) -> None:
    """A locked keychain is no empty one."""
    path = tmp_path / "keychain.json"
    path.mkdir()
    with pytest.raises(OSError, match=os.strerror(21)):
        FileStore(path).load()
