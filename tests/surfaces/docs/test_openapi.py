"""The OpenAPI document tells the truth: what it announces is what is sent."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from openapi import Document

from gatepass.adapters.database import Database
from gatepass.main import create_app
from harness import (
    ACCOUNT_QR,
    ADMIN_TOKEN,
    LOGIN,
    QR_VERIFY,
    REFRESH,
    REIKEY,
    SIGN_OUT,
    USERINFO,
    VERIFY,
    Phone,
    Server,
    settings,
)
from postgres import free_port

PEOPLES = ("/console", "/account", "/assets/")
"""Below these are pages for people, and what they load."""
PAGES = {"/", "/docs"}


@pytest.fixture
async def document(server: Server) -> Document:
    answer = await server.client.get("/openapi.json")
    assert answer.status_code == 200
    return Document(answer.json())


@pytest.fixture
async def paper(sqlite_server: Server) -> Document:
    """The same where nothing is called."""
    return Document((await sqlite_server.client.get("/openapi.json")).json())


async def test_every_route_is_in_the_document(sqlite_server: Server, paper: Document) -> None:
    routes = _routes(sqlite_server.app)
    told = {(method, route.path_format) for route in routes if route.include_in_schema for method in route.methods}
    assert len(told) >= 35
    assert told == {(method, path) for method, path, _ in paper.operations()}


async def test_what_is_not_in_the_document_is_a_page_or_another_spelling_of_a_call_that_is(
    sqlite_server: Server,
) -> None:
    routes = _routes(sqlite_server.app)
    told = {route.endpoint for route in routes if route.include_in_schema}
    left = {route.path for route in routes if not route.include_in_schema and route.endpoint not in told}
    assert {path for path in left if not path.startswith(PEOPLES)} == PAGES


def _routes(app: FastAPI) -> list[Any]:
    """Every route as FastAPI serves it, its prefixes applied."""
    return [
        route
        for included in app.router.routes
        if hasattr(included, "effective_route_contexts")
        for route in included.effective_route_contexts()
    ]


async def test_every_operation_is_named_described_and_its_credentials_exist(paper: Document) -> None:
    names = [operation["operationId"] for _, _, operation in paper.operations()]
    assert len(set(names)) == len(names)
    schemes = paper.content["components"]["securitySchemes"]
    assert {"ApiKey", "AccessToken", "AdminToken"} <= schemes.keys()
    for _, path, operation in paper.operations():
        assert re.fullmatch(r"[a-z0-9_]+", operation["operationId"])
        assert operation["summary"]
        assert operation["description"]
        assert len(operation["tags"]) == 1
        assert all(answer["description"] for answer in operation["responses"].values())
        named = {name for needed in operation.get("security", []) for name in needed}
        assert named <= schemes.keys()
        assert named == ({"AdminToken"} if path.startswith(("/admin/", "/metrics")) else named - {"AdminToken"})


async def test_every_reference_leads_somewhere_and_nothing_of_the_framework_is_left(paper: Document) -> None:
    text = str(paper.content)
    for name in re.findall(r"#/components/schemas/([^'\"]+)", text):
        assert name in paper.content["components"]["schemas"]
    assert "ValidationError" not in text
    assert "$defs" not in text


async def test_the_document_is_the_same_in_every_process(sqlite_server: Server) -> None:
    first = await sqlite_server.client.get("/openapi.json")
    again = await sqlite_server.client.get("/openapi.json")
    other = create_app(settings(sqlite_server.runtime.settings.database_url.get_secret_value()), worker=False)
    assert first.content == again.content
    assert other.openapi() == first.json()
    await other.state.runtime.close()


async def test_every_example_fits_its_own_schema(paper: Document) -> None:
    for _, path, operation in paper.operations():
        for status, answer in operation["responses"].items():
            for media in answer.get("content", {}).values():
                shown = [example["value"] for example in media.get("examples", {}).values()]
                shown += [media["example"]] if "example" in media else []
                for example in shown:
                    assert paper.fits(media.get("schema", {}), example) == [], (path, status)


class Drive:
    """Calls every route with every kind of outcome that can be had, and holds each answer against the document."""

    def __init__(self, server: Server, document: Document) -> None:
        self.server, self.document = server, document
        self.seen: set[tuple[str, str, int]] = set()

    async def call(self, method: str, path: str, headers: dict[str, str], body: Any = None, **more: Any) -> Any:
        if body is not None:
            more["json"] = body
        answer: httpx.Response = await self.server.client.request(method, path, headers=headers, **more)
        assert self.document.problems(answer) == [], (method, path, answer.text)
        template, _ = self.document.find(method, answer.request.url.path)
        self.seen.add((method, template, answer.status_code))
        return answer.json() if "json" in answer.headers["content-type"] else answer.text


async def test_what_elixir_answers_is_what_it_announces(server: Server, document: Document) -> None:
    drive = Drive(server, document)
    key = {"x-api-key": server.development_key}

    async def both_ways(method: str, path: str, headers: dict[str, str], body: Any = None) -> Any:
        """Once without a key, which is refused, then as given."""
        await drive.call(method, path, {}, body)
        return (await drive.call(method, path, headers, body)).get("data")

    asked = await both_ways("POST", LOGIN, key, {"email": "ada@example.com"})
    await drive.call("POST", LOGIN, key, {"email": 1})
    await drive.call("POST", LOGIN, key, content=b"x" * 20_000)
    proof = {"transactionId": asked["transactionId"], "code": asked["userCode"]}
    await drive.call("POST", VERIFY, key, {**proof, "code": "000000" if asked["userCode"] != "000000" else "111111"})
    phone = Phone(server, server.development_key, await both_ways("POST", VERIFY, key, proof))
    await both_ways("POST", REFRESH, key, {"refreshToken": phone.refresh_token})
    await drive.call("POST", REFRESH, key, {"refreshToken": "x"})
    await both_ways("GET", USERINFO, phone.bearer)
    await drive.call("GET", USERINFO, {**key, "authorization": "Bearer x"})
    shown = await both_ways("POST", ACCOUNT_QR, phone.bearer)
    await both_ways("GET", f"{ACCOUNT_QR}/{shown['qrId']}", phone.bearer)
    await drive.call("GET", f"{ACCOUNT_QR}/{uuid4()}", phone.bearer)
    await both_ways("POST", QR_VERIFY, key, {"qrValue": shown["qrValue"]})
    await both_ways("DELETE", f"{ACCOUNT_QR}/{shown['qrId']}", phone.bearer)

    user_id = (await drive.call("GET", USERINFO, phone.bearer))["data"]["sub"]
    users = f"/admin/v1/teams/{server.team.id}/users/{user_id}"
    await drive.call("PATCH", users, server.admin, {"test_user": True})
    for method in ("GET", "POST"):
        made = await both_ways("GET", f"{REIKEY}?playerId={user_id}", key)
        desktop = Phone(
            server,
            server.development_key,
            await both_ways("GET", f"/sdk/auth/v2/session/reikey/{made['reikey']}", key),
        )
        await both_ways(method, f"/sdk/auth/v2/session/closerei/{made['reikey']}", desktop.bearer)
    await both_ways("POST", SIGN_OUT, phone.bearer)
    await server.sign_in()
    phone = await server.sign_in()
    await drive.call("POST", f"{users}/ban", server.admin, {"reason": "x"})
    await drive.call("POST", REFRESH, key, {"refreshToken": phone.refresh_token})

    routes = {(method, path) for method, path, _ in document.operations() if path.startswith("/sdk/")}
    assert {(method, path) for method, path, status in drive.seen if status == 200} >= routes
    assert {(method, path) for method, path, status in drive.seen if status == 400} >= routes


async def test_what_the_admin_api_answers_is_what_it_announces(server: Server, document: Document) -> None:
    drive = Drive(server, document)
    phone = await server.sign_in(deviceModel="Pixel 9")
    base = "/admin/v1/teams"

    async def every_way(method: str, path: str, body: Any = None) -> Any:
        """Without the token; with too large a body or a bad one where one belongs; then as given."""
        await drive.call(method, path, {}, body)
        if body is not None:
            await drive.call(method, path, server.admin, content=b" " * 17_000)
            await drive.call(method, path, server.admin, content=b"[")
        nowhere = path.replace(str(server.team.id), str(UUID(int=0)))
        if nowhere != path:
            await drive.call(method, nowhere, server.admin, body)
            await drive.call(method, path.replace(str(server.team.id), "x"), server.admin, body)
        return await drive.call(method, path, server.admin, body)

    await every_way("GET", base)
    await every_way("POST", base, {"name": "Acme"})
    team = f"{base}/{server.team.id}"
    await every_way("GET", team)
    await every_way("PATCH", team, {"code_length": 7})
    await every_way("GET", f"{team}/keys")
    key = await every_way("POST", f"{team}/keys", {"kind": "secret"})
    await every_way("DELETE", f"{team}/keys/{key['id']}")
    old = {"kind": "publishable", "environment": "production", "key": f"legacy-{uuid4()}"}
    await every_way("POST", f"{team}/keys/import", old)
    await drive.call("POST", f"{team}/keys/import", server.admin, old)
    made = await every_way("POST", f"{team}/users", {"email": "ben@example.com", "nickname": "ben", "picture": "p"})
    await drive.call("POST", f"{team}/users", server.admin, {"email": "ben@example.com"})
    await every_way("GET", f"{team}/users")
    user = f"{team}/users/{made['id']}"
    await every_way("GET", user)
    await every_way("PATCH", user, {"roles": ["X"]})
    await every_way("POST", f"{user}/ban", {"reason": "x"})
    await every_way("POST", f"{user}/unban")
    ada = f"{team}/users/{(await phone.userinfo()).json()['data']['sub']}"
    (session,) = (await every_way("GET", f"{ada}/sessions"))["sessions"]
    one = f"{team}/sessions/{session['id']}"
    await every_way("GET", one)
    await every_way("DELETE", one)
    await every_way("GET", f"{one}/explanation")
    await every_way("DELETE", f"{ada}/sessions")
    await every_way("GET", f"{team}/keys/in-apps")
    await every_way("POST", f"{team}/access_tokens")
    await every_way("DELETE", user)
    heir = await drive.call("POST", f"{team}/users", server.admin, {"email": "ben@example.com"})
    await drive.call("POST", f"{user}/undelete", server.admin)
    await drive.call("DELETE", f"{team}/users/{heir['id']}", server.admin)
    await every_way("POST", f"{user}/undelete")
    await every_way("DELETE", team)
    await every_way("GET", "/admin/v1/events")
    await drive.call("GET", "/admin/v1/events?limit=0", server.admin)
    await every_way("GET", "/admin/v1/events.csv")
    await drive.call("GET", "/admin/v1/events.csv?from=yesterday", server.admin)
    await every_way("GET", "/admin/v1/counts")
    await drive.call("GET", "/admin/v1/counts?days=0", server.admin)
    await drive.call("GET", f"/admin/v1/counts?team_id={uuid4()}", server.admin)

    announced = {
        (method, path, int(status))
        for method, path, operation in document.operations()
        if path.startswith(("/admin/v1/teams", "/admin/v1/events", "/admin/v1/counts"))
        for status in operation["responses"]
    }
    unseen = {outcome for outcome in announced - drive.seen if outcome[2] not in (403, 500, 503)}
    assert unseen == set()


async def test_what_health_answers_is_what_it_announces(
    server: Server, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = Drive(server, document)
    await drive.call("GET", "/livez", {})
    await drive.call("GET", "/readyz", {})
    await server.post(LOGIN, {"email": "ada@example.com"})
    server.clock.advance(seconds=301)
    await drive.call("GET", "/readyz", {})
    nowhere = Database(f"postgresql://127.0.0.1:{free_port()}/nowhere")
    monkeypatch.setattr(server.runtime, "database", nowhere)
    await drive.call("GET", "/readyz", {})
    await nowhere.dispose()
    assert {status for _, path, status in drive.seen if path == "/readyz"} == {200, 503}


async def test_the_reader_of_these_tests_sees_what_is_wrong(paper: Document) -> None:
    problem = {"$ref": "#/components/schemas/Problem"}
    right = {"status": 404, "title": "Not found", "detail": "x"}
    assert paper.fits(problem, right) == []
    assert paper.fits(problem, {**right, "status": "404"}) == ["$.status is no integer"]
    assert paper.fits(problem, {**right, "extra": ADMIN_TOKEN}) == ["$.extra is not announced"]
    assert paper.fits(problem, {"status": 404, "title": "x"}) == ["$.detail is missing"]
