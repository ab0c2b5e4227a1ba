"""What keeps the console's pages safe, tried on every route there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from uuid import UUID, uuid4

import httpx
import pytest
from operator_at_work import Visitor, at_work, invite
from sqlalchemy import func, select

from gatepass.core import api_keys, audit, errors, sessions, teams, users
from gatepass.core.addresses import Address
from gatepass.core.errors import Refusal
from gatepass.core.unit import Unit
from gatepass.pages.site import own_path
from gatepass.surfaces import console
from gatepass.surfaces.console.refusals import SPELLING, spelling
from gatepass.wiring import Fault, MethodNotAllowed, PayloadTooLarge
from harness import LOGIN, VERIFY, Phone, Server, serve

OPEN = {"/console", "/console/sign-in", "/console/link/{token}"}
"""What nobody has to be signed in for."""


IN_TEST_MODE = re.compile(r"/console/worlds|.*/(?:world|inbox)(?:/|$)")
"""Rooms that are there in test mode alone."""


def paths(method: str, *, of_a_team: bool = False, test_mode: bool = False) -> list[str]:
    rooms = [room for room in console.router.routes if hasattr(room, "effective_route_contexts")]
    routes = [route for room in rooms for route in room.effective_route_contexts()]
    every = sorted({route.path for route in routes if method in route.methods})
    found = [path for path in every if (IN_TEST_MODE.match(path) is not None) == test_mode]
    assert len(found) > (3 if test_mode else 10)
    return [path for path in found if "{team_id}" in path] if of_a_team else found


def filled(path: str, **given: object) -> str:
    """*path* with ids; what is not given names nothing."""
    return re.sub(r"\{(\w+)\}", lambda place: str(given.get(place[1], uuid4())), path)


async def things(server: Server) -> dict[str, object]:
    """A team's ids for paths: the team of *server*, a user with a session, a key."""
    await server.sign_in("ada@example.com", deviceModel="Pixel 9")

    async def find(unit: Unit) -> dict[str, object]:
        team_id = server.team.id
        user = await users.find_by_address(unit, team_id, Address.parse("ada@example.com"))
        assert user is not None
        (session,) = await sessions.list_of_user(unit, team_id, user.id)
        key, *_ = await api_keys.list_keys(unit, team_id)
        return {"team_id": team_id, "user_id": user.id, "session_id": session.id, "key_id": key.id}

    return await server.runtime.read(find)


async def trace(server: Server) -> int:
    """How much has ever happened."""

    async def count(unit: Unit) -> int:
        return await unit.db.scalar(select(func.count()).select_from(audit.audit_events)) or 0

    return await server.runtime.read(count)


# Forms.


@pytest.mark.parametrize("path", paths("POST"))
async def test_a_form_of_another_visitor_or_another_site_changes_nothing(server: Server, name: str, path: str) -> None:
    operator, stranger = await at_work(server, name), Visitor(server)
    await stranger.get((await invite(server, f"{name}-x")).path)
    where = filled(path, **await things(server))
    before = await trace(server)
    for fields, headers in (
        ({"csrf": ""}, {}),
        ({"csrf": stranger.token}, {}),
        ({"csrf": operator.token[:-3] + "AAA"}, {}),
        ({"csrf": "ü\x00"}, {}),
        ({}, {"sec-fetch-site": "cross-site"}),
        ({}, {"sec-fetch-site": "same-site"}),
        ({}, {"origin": "https://evil.example"}),
        ({}, {"origin": "null"}),
        ({}, {"origin": "http://127.0.0.1.evil.example:8000"}),
    ):
        answer = await operator.post(where, headers=headers, **fields)
        assert answer.status_code == 403, (fields, headers)
        assert "form has gone stale" in answer.text
    assert await trace(server) == before


async def test_so_it_is_in_the_rooms_of_test_mode_and_elsewhere_they_are_not_there(
    sqlite_url: str, sqlite_server: Server, name: str
) -> None:
    async with serve(sqlite_url, test_mode=True) as server:
        operator, stranger = await at_work(server, name), Visitor(server)
        for path in paths("GET", test_mode=True):
            answer = await stranger.get(filled(path, team_id=server.team.id))
            assert (answer.status_code, answer.text) == (303, ""), path
        for path in paths("POST", test_mode=True):
            where = filled(path, team_id=server.team.id)
            assert (await operator.post(where, csrf=stranger.token)).status_code == 403, path
            assert (await operator.post(where, headers={"sec-fetch-site": "cross-site"})).status_code == 403, path
    elsewhere = await at_work(sqlite_server, f"{name}-x")
    for path in paths("GET", test_mode=True):
        assert (await elsewhere.get(filled(path, team_id=sqlite_server.team.id))).status_code == 404, path


async def test_a_form_of_our_own_is_taken_with_whatever_a_browser_says_of_it(server: Server, operator: Visitor) -> None:
    for headers in (
        {"sec-fetch-site": "same-origin", "origin": "http://127.0.0.1:8000"},
        {"origin": "http://127.0.0.1:8000"},
        {},
    ):
        made = await operator.post(f"/console/teams/{server.team.id}/keys", headers=headers, kind="secret")
        assert made.status_code == 200


@pytest.mark.parametrize("path", paths("POST"))
async def test_whatever_comes_instead_of_a_form_is_refused_in_words(server: Server, name: str, path: str) -> None:
    operator = await at_work(server, name)
    where = filled(path, **await things(server))
    form = "application/x-www-form-urlencoded"
    for kind, body in (
        (form, b"\xff\xfe=\x80"),
        (form, b"csrf=%ZZ%00%ff&name=%ED%A0%80"),
        (form, b"&".join(b"f%d=1" % number for number in range(500))),
        (form, b"a" * 70_000),
        ("application/json", b'{"csrf": "x"}'),
        ("multipart/form-data; boundary=x", b"--x--"),
        ("", b"\x00"),
    ):
        answer = await operator.client.post(where, content=body, headers={"content-type": kind})
        assert answer.status_code in (403, 413, 422), (kind, body[:20], answer.status_code)
        assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("path", paths("POST"))
async def test_fields_of_any_shape_never_break_a_page(server: Server, name: str, path: str) -> None:
    """The right token, and nonsense in every field that a form has."""
    operator = await at_work(server, name)
    where = filled(path, **await things(server))
    names = ("name", "password", "password_again", "kind", "key", "reason", "colour", "code_length", "owner_id", "sign_up",
             "region", "environment", "new_password", "new_password_again", "next")  # fmt: skip
    for nonsense in (
        "",
        "\0",
        "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
        "x" * 9000,
        "-1",
        "٣",
        "{{7*7}}",
    ):
        if not operator.token:
            await operator.get("/console/me")
        answer = await operator.post(where, **dict.fromkeys(names, nonsense))
        assert answer.status_code < 500, (nonsense[:20], answer.text)
        if not await operator.is_in():  # the path was the way out
            operator = await at_work(server, f"{name}-{uuid4().hex[:8]}")


# Who may look.


@pytest.mark.parametrize("path", [path for path in paths("GET") if path not in OPEN])
async def test_whoever_is_not_signed_in_is_sent_to_the_door_and_shown_nothing(
    server: Server, name: str, path: str
) -> None:
    await invite(server, name)
    where = filled(path, **await things(server))
    visitor = Visitor(server)
    answer = await visitor.get(where)
    assert (answer.status_code, answer.text) == (303, "")
    assert answer.headers["location"].startswith("/console/sign-in?next=%2Fconsole%2F")
    part = await visitor.get(where, **{"hx-request": "true"})
    assert (part.status_code, part.text) == (401, "")
    assert part.headers["hx-redirect"].startswith("/console/sign-in")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_nothing_of_one_team_is_reached_through_another(server: Server, name: str, method: str) -> None:
    operator = await at_work(server, name)
    found = await things(server)
    other, _, _ = await server.new_team("Other")
    before = await trace(server)
    ids = [path for path in paths(method, of_a_team=True) if path.count("{") > 1]
    assert len(ids) >= 4
    for path in ids:
        where = filled(path, **{**found, "team_id": other.id})
        answer = await operator.get(where) if method == "GET" else await operator.post(where)
        assert answer.status_code == 404, path
        assert "ada@example.com" not in answer.text
    assert await trace(server) == before


@pytest.mark.parametrize("path", paths("GET", of_a_team=True))
async def test_a_team_that_is_gone_or_no_id_at_all_is_not_there(server: Server, operator: Visitor, path: str) -> None:
    other, _, _ = await server.new_team("Gone")
    await server.runtime.transact(lambda unit: teams.remove(unit, other.id))
    for team_id in (other.id, uuid4(), "x", "%00", "..%2f", "{7}"):
        assert (await operator.get(filled(path, team_id=team_id))).status_code == 404, team_id


# Pages.


class Page(HTMLParser):
    """What a page brings along."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def named(self, *tags: str) -> Iterator[dict[str, str | None]]:
        yield from (attributes for tag, attributes in self.elements if tag in tags)


def is_framed(answer: httpx.Response) -> bool:
    """Whether it is a mail, shown in a sandbox of its own; see then that it can do nothing."""
    policy = answer.headers["content-security-policy"]
    if "; sandbox" not in policy:
        return False
    assert policy.startswith("default-src 'none'; ")
    assert "script-src" not in policy
    assert "unsafe-inline" not in policy
    assert "frame-ancestors 'self'" in policy
    return True


def check(answer: httpx.Response) -> str:
    """See that a page forbids all that it does not bring; its nonce."""
    policy = dict(part.partition(" ")[::2] for part in answer.headers["content-security-policy"].split("; "))
    nonce = policy["script-src"]
    assert re.fullmatch(r"'nonce-[A-Za-z0-9]{22}'", nonce)
    assert policy["style-src"] == nonce
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["form-action"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "same-origin"
    page = Page(answer.text)
    for attributes in page.named("script", "style", "link"):
        if attributes.get("rel") != "icon":
            assert f"'nonce-{attributes['nonce']}'" == nonce
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name == "style" or name.startswith("on")], tag
        for name in ("src", "href", "action"):
            assert re.match(r"/(?!/)|#|data:,$|$", attributes.get(name) or ""), attributes[name]
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    return nonce


@pytest.mark.parametrize("path", paths("GET"))
async def test_every_page_forbids_all_that_it_does_not_bring(server: Server, operator: Visitor, path: str) -> None:
    where = filled(path, **await things(server))
    first = await operator.get(where)
    if first.status_code == 303 or "text/html" not in first.headers["content-type"]:
        return
    if is_framed(first):
        return
    again = await operator.get(where)
    assert check(first) != check(again)


async def test_a_refusal_is_a_page_like_any_other(server: Server, operator: Visitor) -> None:
    for answer in (
        await operator.get("/console/nowhere"),
        await operator.client.put("/console"),
        await operator.post("/console/teams", csrf=""),
    ):
        assert answer.status_code in (403, 404, 405)
        check(answer)


def test_the_table_of_refusals_covers_the_tree_and_shows_no_private_half() -> None:
    def leaves(kind: type[Refusal]) -> Iterator[type[Refusal]]:
        yield kind
        for below in kind.__subclasses__():
            yield from leaves(below)

    ours = (Fault, MethodNotAllowed, PayloadTooLarge)
    for kind in leaves(Refusal):
        if kind is Refusal or (not kind.__module__.startswith("gatepass.core") and kind not in ours):
            continue
        assert any(one in SPELLING for one in kind.__mro__), kind
    assert "secret half" not in console.spell(errors.Unavailable("secret half")).body.decode()
    assert "secret half" not in console.spell(errors.TooManyRequests(3, "secret half")).body.decode()
    assert spelling(errors.TooManyRequests(3))[2] == "Try again in 3 seconds."


@pytest.mark.parametrize(
    "elsewhere",
    ["//evil.example", "https://evil.example", "/\\evil.example", "/consolee", "javascript:alert(1)", "/console\\@evil",
     "/console\r\nx: y", "console", "", "/", "/account", "///console", "/console@evil.example", "\x00/console"],
)  # fmt: skip
def test_what_to_go_on_at_is_never_taken_on_trust(elsewhere: str) -> None:
    assert own_path(elsewhere, "/console") == "/console"


async def test_after_signing_in_one_goes_on_inside_only(server: Server, name: str) -> None:
    await at_work(server, name)
    for wanted, reached in (
        ("/console/teams?x=1", "/console/teams?x=1"),
        ("https://evil.example/console", "/console"),
        ("//evil.example/console", "/console"),
    ):
        visitor = Visitor(server)
        await visitor.get("/console/sign-in")
        answer = await visitor.post("/console/sign-in", name=name, password="correct horse battery", next=wanted)
        assert answer.headers["location"] == reached


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}${7*7}"


async def test_text_that_strangers_chose_is_text_on_every_page(server: Server, operator: Visitor) -> None:
    asked = await server.ask_for_code("eve+'><b>@example.com".replace("'><b>", "x"))
    proof = {"transactionId": asked["transactionId"], "code": asked["userCode"]}
    device = {"deviceModel": HOSTILE, "deviceId": HOSTILE}
    headers = {"user-agent": HOSTILE}
    bundle = (await server.post(VERIFY, {**proof, **device}, headers=headers)).json()["data"]
    user_id = UUID(bundle["user"]["_id"])

    async def rename(unit: Unit) -> UUID:
        await users.change(unit, server.team.id, user_id, client_user_id=HOSTILE, nickname="</td><script>x</script>")
        await users.ban(unit, server.team.id, user_id, HOSTILE)
        await teams.change(unit, server.team.id, name="</title><script>x</script>")
        (session,) = await sessions.list_of_user(unit, server.team.id, user_id)
        return session.id

    session_id = await server.runtime.transact(rename)
    await server.runtime.tally.keys.write(server.runtime.transact)
    ids = {"team_id": server.team.id, "user_id": user_id, "session_id": session_id}
    shown = 0
    for path in paths("GET", of_a_team=True):
        answer = await operator.get(filled(path, **ids), **{"user-agent": "x"})
        if answer.status_code == 200 and "text/html" in answer.headers["content-type"] and not is_framed(answer):
            check(answer)
            page = Page(answer.text)
            assert all("nonce" in attributes for attributes in page.named("script")), path
            assert not [one for one in page.named("img") if one.get("src") == "x"], path
            shown += "&lt;script&gt;" in answer.text
    assert shown >= 5


async def test_a_key_is_on_one_page_once(server: Server, operator: Visitor) -> None:
    made = await operator.post(f"/console/teams/{server.team.id}/keys", kind="production")
    (key,) = set(re.findall(r"pub_[A-Za-z0-9]{40}", made.text))
    assert key not in (await operator.get(f"/console/teams/{server.team.id}/keys")).text
    assert (await server.post(LOGIN, {"email": "ada@example.com"}, key=key)).status_code == 200
    assert isinstance(await server.sign_in(), Phone)
