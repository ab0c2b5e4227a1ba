"""`gatepass users`: accounts one by one, and as JSON lines."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from gatepass.cli import user_import


def line(**members: Any) -> str:
    return json.dumps(members) + "\n"


def test_a_user_is_found_by_address_and_by_id(either_gatepass: Any) -> None:
    gatepass = either_gatepass
    gatepass.team()
    made = gatepass.json("users", "create", "--email", "Ada@Example.com", "--nickname", "ada")
    assert made["email"] == "Ada@Example.com"
    assert gatepass.json("users", "show", "ada@example.com") == made
    assert gatepass.json("users", "show", made["user_id"]) == made
    assert gatepass.json("users", "list", "--search", "ada@") == {"users": [made], "total": 1}
    assert gatepass.json("users", "list", "--banned") == {"users": [], "total": 0}


def test_a_ban_carries_its_reason_until_it_is_lifted(gatepass: Any) -> None:
    gatepass.team()
    gatepass.json("users", "create", "--email", "ada@example.com")
    banned = gatepass.json("users", "ban", "ada@example.com", "--reason", "Chargeback")
    assert banned["ban_reason"] == "Chargeback"
    assert gatepass.json("users", "list", "--banned")["total"] == 1
    assert gatepass.json("users", "unban", "ada@example.com")["banned_at"] is None


def test_a_test_user_is_made_and_unmade(gatepass: Any) -> None:
    gatepass.team()
    gatepass.json("users", "create", "--email", "ada@example.com")
    assert gatepass.json("users", "update", "ada@example.com", "--test-user")["test_user"] is True
    assert gatepass.json("users", "update", "ada@example.com", "--no-test-user")["test_user"] is False


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("users", "create"), 2, "an account needs a name"),
        (("users", "create", "--email", "no address"), 1, "email is not acceptable"),
        (("users", "create", "--email", "ada@example.com"), 1, "exists"),
        (("users", "show", "bob@example.com"), 1, "there is no such user"),
        (("users", "update", "ada@example.com"), 2, "nothing to change"),
        (("users", "import", "nowhere.jsonl"), 1, "nowhere.jsonl: No such file or directory"),
    ],
)
def test_what_cannot_be_is_refused_with_a_next_step(
    gatepass: Any, words: tuple[str, ...], code: int, said: str
) -> None:
    gatepass.team()
    gatepass.json("users", "create", "--email", "ada@example.com")
    answer = gatepass(*words)
    assert (answer.code, answer.out) == (code, "")
    assert said in answer.err
    assert "\nnext: " in answer.err


def test_what_one_team_exports_another_imports_whole(either_gatepass: Any, directory: Path) -> None:
    gatepass = either_gatepass
    ours, theirs = gatepass.team("Ours"), gatepass.team("Theirs")
    rich = {
        "email": "ada@example.com",
        "client_user_id": "u-1",
        "email_verified": True,
        "nickname": "Ada ✨",
        "picture": "https://example.com/ada.png",
        "roles": ["GAMER", "BOSS"],
        "wallets": ["0xabc"],
        "test_user": True,
        "banned_at": 1_790_000_000_000,
        "ban_reason": "Chargeback",
    }
    lines = line(**rich) + "\n" + line(email="bob@example.com") + line(client_user_id="u-3")
    assert gatepass("users", "import", "--team", ours, stdin=lines).code == 0

    exported = gatepass("users", "export", "--team", ours)
    found = [json.loads(text) for text in exported.out.splitlines()]
    assert len(found) == 3
    ada = next(user for user in found if user["email"] == "ada@example.com")
    assert {name: ada[name] for name in rich if name != "banned_at"} == {
        name: value for name, value in rich.items() if name != "banned_at"
    }
    assert ada["banned_at"] is not None

    foreign = "".join(line(**{**user, "user_id": None}) for user in found)
    done = gatepass("users", "import", "--team", theirs, "--json", stdin=foreign)
    assert done.json == {"created": 3, "existing": 0, "problems": [], "dry_run": False}


def test_an_import_can_be_repeated(either_gatepass: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gatepass = either_gatepass
    monkeypatch.setattr(user_import, "BATCH", 3)
    gatepass.team()
    lines = "".join(line(email=f"user{number}@example.com") for number in range(10)) + line(email="USER1@example.com")
    first = gatepass("users", "import", "--json", stdin=lines)
    assert first.json == {"created": 10, "existing": 1, "problems": [], "dry_run": False}
    before = gatepass("users", "export").out
    again = gatepass("users", "import", "--json", stdin=before)
    assert again.json == {"created": 0, "existing": 10, "problems": [], "dry_run": False}
    assert gatepass("users", "export").out == before


def test_a_dry_run_tells_everything_and_writes_nothing(either_gatepass: Any) -> None:
    gatepass = either_gatepass
    gatepass.team()
    lines = line(email="ada@example.com") + "nonsense\n" + line(email="bob@example.com")
    dry = gatepass("users", "import", "--dry-run", "--json", stdin=lines)
    assert dry.code == 1
    assert dry.json == {
        "created": 2,
        "existing": 0,
        "problems": [{"line": 2, "problem": "is not JSON"}],
        "dry_run": True,
    }
    assert gatepass.json("users", "list")["total"] == 0


BAD_LINES = [
    ('{"email":', "is not JSON"),
    ('["sekret"]', "is not a JSON object"),
    ('{"nickname":"sekret"}', "needs email or client_user_id"),
    ('{"email":"sekret"}', "email is not acceptable"),
    ('{"email":7}', "email Input should be a valid string"),
    ('{"email":"sekret\\u0000@example.com"}', "email has characters that cannot be printed"),
    ('{"email":"ada@example.com","password":"sekret"}', "has a member that is none of user_id, email"),
    ('{"email":"ada@example.com","user_id":"sekret"}', "user_id Input should be a valid UUID"),
    ('{"email":"ada@example.com","roles":"sekret"}', "roles Input should be a valid array"),
    ('{"client_user_id":"\\ud800sekret"}', "is not JSON"),
    ('{"client_user_id":"' + "s" * 513 + '"}', "client_user_id String should have at most 512 characters"),
    ('{"client_user_id":"' + "s" * 70_000 + '"}', "is longer than 65536 bytes"),
]


def test_bad_lines_are_named_by_number_and_the_others_imported(gatepass: Any) -> None:
    gatepass.team()
    lines = "".join(f"{text}\n" for text, _ in BAD_LINES) + line(email="good@example.com")
    done = gatepass("users", "import", "--json", stdin=lines.encode() + b"\xff\xfe\n")
    assert done.code == 1
    told = {entry["line"]: entry["problem"] for entry in done.json["problems"]}
    assert sorted(told) == [*range(1, len(BAD_LINES) + 1), len(BAD_LINES) + 2]
    for number, (_, problem) in enumerate(BAD_LINES, 1):
        assert told[number].startswith(problem), number
    assert done.json["created"] == 1
    assert "line 1: is not JSON" in done.err
    assert "sekret" not in done.out + done.err


def test_a_line_that_mixes_two_accounts_is_a_bad_line(either_gatepass: Any) -> None:
    gatepass = either_gatepass
    gatepass.team()
    lines = line(email="ada@example.com", client_user_id="ada") + line(email="bob@example.com", client_user_id="bob")
    assert gatepass("users", "import", stdin=lines).code == 0
    mixed = gatepass("users", "import", "--json", stdin=line(email="ada@example.com", client_user_id="bob"))
    assert mixed.code == 1
    assert [entry["line"] for entry in mixed.json["problems"]] == [1]
    assert "bob" not in mixed.err


def test_an_export_to_a_file_is_whole_and_private(gatepass: Any, directory: Path) -> None:
    gatepass.team()
    gatepass.json("users", "create", "--email", "ada@example.com")
    said = gatepass("users", "export", "--output", "users.jsonl")
    assert (said.code, said.out, said.err) == (0, "", "exported 1 users\n")
    file = directory / "users.jsonl"
    assert json.loads(file.read_text())["email"] == "ada@example.com"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in directory.glob(".users*")] == []
