"""Every refusal has one clear shape, and repeats nothing of the request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from administrator import Admin

from gatepass.core import errors
from gatepass.core.errors import Refusal
from gatepass.main import create_app
from gatepass.surfaces.admin import spell
from gatepass.surfaces.admin.refusals import SPELLING, spelling
from gatepass.wiring import Fault, MethodNotAllowed, PayloadTooLarge
from harness import ADMIN_TOKEN, settings
from postgres import free_port


def leaves(kind: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    """Every refusal of the core and the wiring; those that other surfaces make never come here."""
    for child in kind.__subclasses__():
        if child.__module__ in ("gatepass.core.errors", "gatepass.wiring"):
            yield child
        yield from leaves(child)


@pytest.mark.parametrize("kind", sorted(set(leaves()), key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__)
def test_each_refusal_of_the_tree_is_in_the_table_or_under_one_that_is(kind: type[Refusal]) -> None:
    assert any(base in SPELLING for base in kind.__mro__ if base is not Refusal)
    status, title, _ = spelling(kind)
    assert 400 <= status < 600
    assert title


@pytest.mark.parametrize(
    ("refusal", "status", "detail", "headers"),
    [
        (errors.NotFound("team"), 404, "There is no such team;", {}),
        (MethodNotAllowed("GET, PATCH"), 405, "This path takes GET, PATCH.", {"allow": "GET, PATCH"}),
        (errors.Conflict("this key is known already"), 409, "this key is known already;", {}),
        (PayloadTooLarge("99999"), 413, "Send at most 16 KiB.", {}),
        (errors.InputRefused("", "is not JSON"), 422, "The body is not JSON;", {}),
        (errors.TooManyRequests(7, "10.0.0.1"), 429, "Try again in 7 s.", {"retry-after": "7"}),
        (Fault("ValueError"), 500, "A fault of ours;", {}),
        (errors.Unavailable("db.internal is down", 3), 503, "The database cannot answer now;", {"retry-after": "3"}),
    ],
)  # fmt: skip
def test_a_refusal_says_what_to_do(refusal: Refusal, status: int, detail: str, headers: dict[str, str]) -> None:
    answer = spell(refusal)
    problem = json.loads(bytes(answer.body))
    assert (answer.status_code, problem["status"]) == (status, status)
    assert problem["detail"].startswith(detail)
    assert headers.items() <= dict(answer.headers).items()
    for private in ("99999", "10.0.0.1", "ValueError", "db.internal"):
        assert private not in bytes(answer.body).decode()


async def test_paths_and_methods_that_do_not_exist_have_the_shape_too(admin: Admin) -> None:
    assert "no such route" in (await admin.call("GET", "/nonsense", expect=404))["detail"]
    refused = await admin.send("PUT", "/teams")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, POST")
    await admin.call("PUT", "/teams", expect=405)


async def test_a_malformed_id_is_named_and_not_repeated(admin: Admin) -> None:
    refused = await admin.call("GET", "/teams/canary-4711", expect=422)
    assert refused["field"] == "team_id"
    assert "canary" not in refused["detail"]


async def test_a_fault_of_ours_shows_nothing_of_itself(tmp_path: Path) -> None:
    unmigrated = f"sqlite:///{tmp_path / 'secret-name.db'}"
    app = create_app(settings(unmigrated), worker=False)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gatepass.test") as client:
        answer = await client.get("/admin/v1/teams", headers={"authorization": f"Bearer {ADMIN_TOKEN}"})
    await app.state.runtime.close()
    assert answer.status_code == 500
    assert answer.json().keys() == {"status", "title", "detail"}
    assert "teams" not in answer.text
    assert "secret-name" not in answer.text


async def test_a_database_out_of_reach_is_unavailable() -> None:
    app = create_app(settings(f"postgresql://gatepass:pw@127.0.0.1:{free_port()}/none"), worker=False)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gatepass.test") as client:
        answer = await client.get("/admin/v1/teams", headers={"authorization": f"Bearer {ADMIN_TOKEN}"})
    await app.state.runtime.close()
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert "127.0.0.1" not in answer.text


CANARY = "canary-4711"
BAD: list[Any] = [
    None, True, 0, -1, 1.5, 2**63, "", " ", CANARY, f"{CANARY}\0", f"\u001b[31m{CANARY}", "x" * 5000, [], [CANARY],
    [None], [["x"]], {}, {CANARY: CANARY}, ["x"] * 1000,
]  # fmt: skip
BODIES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/teams", {"name": "Acme", "region": "eu", "environment": "sandbox"}),
    (
        "PATCH",
        "{team}",
        {
            "name": "Acme",
            "sign_up": "open",
            "code_length": 6,
            "accept_development_keys": True,
            "account_pages": False,
            "new_device_notices": True,
            "colour": "#1a7f4b",
            "refuse_app_keys": False,
            "owner_id": None,
        },
    ),
    ("POST", "{team}/keys", {"kind": "publishable", "environment": "production"}),
    ("POST", "{team}/keys/import", {"kind": "publishable", "environment": "production", "key": "k" * 40}),
    (
        "POST",
        "{team}/users",
        {
            "email": "new@example.com",
            "client_user_id": "new",
            "email_verified": True,
            "nickname": "new",
            "picture": None,
            "roles": [],
            "wallets": [],
            "test_user": False,
        },
    ),
    ("PATCH", "{user}", {"nickname": "n", "picture": "p", "roles": ["r"], "wallets": ["w"], "test_user": True}),
    ("POST", "{user}/ban", {"reason": "r"}),
]
FIELDS = [(method, path, body, field) for method, path, body in BODIES for field in body]


@pytest.mark.parametrize(("method", "path", "body", "field"), FIELDS, ids=[f"{m} {p} {f}" for m, p, _, f in FIELDS])
async def test_a_bad_value_in_any_field_is_refused_by_name_or_taken_as_it_is(
    admin: Admin, method: str, path: str, body: dict[str, Any], field: str
) -> None:
    user = await admin.user()
    path = path.format(team=admin.team, user=f"{admin.team}/users/{user['id']}")
    refused = 0
    for value in BAD:
        answer = await admin.send(method, path, {**body, field: value})
        if answer.status_code < 300:
            continue
        assert answer.status_code in (409, 413, 422), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert CANARY not in answer.text
        if answer.status_code == 422:
            refused += 1
            assert answer.json()["field"] in body
    assert refused >= 8


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"", "`name` is refused: field required;"),
        (b"{", "The body is not JSON;"),
        (b"\xff\xfe{}", "The body is not JSON;"),
        (b'{"name": "\xc3\x28"}', "The body is not JSON;"),
        (b'{"name": "\\ud800"}', "The body is not JSON;"),
        (b'{"name": NaN}', "`name` is refused: input should be a valid string;"),
        (b"[" * 5000, "The body is not JSON;"),
        (b"[]", "The body is refused: input should be an object;"),
        (b"null", "The body is refused: input should be an object;"),
        (b'{"name": "Acme", "canary-4711": 1}', "The body has an unknown member; known are name, region, environment;"),
        (b'{"name": "Acme", "region": "canary-4711"}', "`region` is refused: input should be 'us' or 'eu';"),
    ],
)  # fmt: skip
async def test_a_body_that_is_not_what_it_should_be_writes_nothing(admin: Admin, content: bytes, detail: str) -> None:
    before = await admin.call("GET", "/teams")
    refused = await admin.call("POST", "/teams", content=content, expect=422)
    assert refused["detail"].startswith(detail)
    assert CANARY not in json.dumps(refused)
    assert await admin.call("GET", "/teams") == before


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_body_past_the_limit_is_refused_before_it_is_read(admin: Admin, chunked: bool) -> None:
    async def chunks() -> Any:
        for _ in range(20):
            yield b" " * 1024

    await admin.call("POST", "/teams", content=chunks() if chunked else b" " * 17_000, expect=413)


async def test_the_content_type_does_not_matter(admin: Admin) -> None:
    answer = await admin.server.client.post(
        "/admin/v1/teams", content=b'{"name": "Acme"}', headers={**admin.server.admin, "content-type": "text/plain"}
    )
    assert answer.status_code == 201
