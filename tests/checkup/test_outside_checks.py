"""`gatepass doctor` from outside: a real mail server, and this server behind real proxies, good ones and bad ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from gatepass.adapters.clock import ManualClock, SystemClock
from gatepass.cli import running
from gatepass.cli.checkup import outside_checks
from gatepass.cli.checkup.findings import State
from gatepass.core.schema import DAY
from gatepass.main import create_app
from gatepass.settings import Settings
from harness import ADMIN_TOKEN, settings
from post_office import PostOffice, make_certificate
from postgres import free_port

CLOCK = SystemClock()


@asynccontextmanager
async def serving(app: Any, **tls: Any) -> AsyncIterator[str]:
    """*app* on a free port; where."""
    bound = running.listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, proxy_headers=False, date_header=False, **tls))
    task = asyncio.create_task(server.serve([bound]))
    try:
        while not server.started:
            await asyncio.sleep(0.01)
        yield running.url(bound)
    finally:
        server.should_exit = True
        await task
        bound.close()


@asynccontextmanager
async def gatepass(database_url: str, url: str, **given: Any) -> AsyncIterator[tuple[Settings, str]]:
    """A Gatepass that believes to be at *url*; its settings, and where it is."""
    of = settings(database_url, public_url=url, **given)
    async with serving(create_app(of, worker=False)) as where:
        yield of, where


def proxy(upstream: dict[str, str], forwarded_for: Callable[[str, str], str], **extra: str) -> Starlette:
    """A reverse proxy that hands calls on; *forwarded_for* makes the header of what came and of the client's address."""

    async def hand_on(request: Request) -> Response:
        client = request.client.host if request.client else ""
        headers = {name: value for name, value in request.headers.items() if name not in ("host", "x-forwarded-for")}
        headers |= {"x-forwarded-for": forwarded_for(request.headers.get("x-forwarded-for", ""), client), **extra}
        async with httpx.AsyncClient() as http:
            answer = await http.request(request.method, upstream["url"] + request.url.path, headers=headers)
        return Response(answer.content, answer.status_code, {"content-type": answer.headers["content-type"]})

    return Starlette(routes=[Route("/{path:path}", hand_on, methods=["GET"])])


def append(came: str, client: str) -> str:
    return f"{came}, {client}" if came else client


def overwrite(_: str, client: str) -> str:
    return client


def pass_on(came: str, _: str) -> str:
    return came


@pytest.mark.parametrize(
    ("forwarded_for", "trusted", "proto", "expected", "said"),
    [
        (append, "", None, State.FAIL, "a proxy at 127.0.0.1 forwards for others and is not trusted"),
        (overwrite, "", None, State.FAIL, "a proxy at 127.0.0.1 forwards for others and is not trusted"),
        (pass_on, "127.0.0.1", None, State.FAIL, "a client can choose its address"),
        (overwrite, "127.0.0.1", "http", State.OK, "the proxy at 127.0.0.1 is trusted"),
        (overwrite, "127.0.0.1", "https", State.WARN, "the proxy says https"),
    ],
)
async def test_a_proxy_is_found_out(
    forwarded_for: Callable[[str, str], str],
    trusted: str,
    proto: str | None,
    expected: State,
    said: str,
    sqlite_url: str,
) -> None:
    upstream: dict[str, str] = {}
    extra = {"x-forwarded-proto": proto} if proto else {}
    async with (
        serving(proxy(upstream, forwarded_for, **extra)) as front,
        gatepass(sqlite_url, front, trusted_proxies=trusted) as (of, where),
    ):
        upstream["url"] = where
        found = await outside_checks.proxy(of)
        assert outside_checks.reached(await outside_checks.look(of), of).state is State.OK
    assert (found.state, found.said[: len(said)]) == (expected, said)


async def test_without_a_proxy_it_says_so_and_a_trusted_loopback_is_a_hole(sqlite_url: str) -> None:
    async with gatepass(sqlite_url, "http://127.0.0.1:1") as (of, where):
        found = await outside_checks.proxy(of.model_copy(update={"public_url": where}))
        assert (found.state, found.said) == (State.OK, "no proxy in between; we are 127.0.0.1")
        off = of.model_copy(update={"public_url": where, "admin_token": None})
        assert (await outside_checks.proxy(off)).state is State.SKIPPED
    async with gatepass(sqlite_url, "http://127.0.0.1:1", trusted_proxies="127.0.0.0/8") as (of, where):
        found = await outside_checks.proxy(of.model_copy(update={"public_url": where}))
        assert found.state is State.FAIL, "whoever reaches it directly may claim any address"


async def test_the_connection_route_is_the_operators_alone(sqlite_url: str) -> None:
    async with gatepass(sqlite_url, "http://127.0.0.1:1") as (_, where), httpx.AsyncClient(base_url=where) as http:
        path = "/admin/v1/connection"
        assert (await http.get(path)).status_code == 401
        headers = {"authorization": f"Bearer {ADMIN_TOKEN}", "x-forwarded-for": "a" * 5_000 + ",b" * 100}
        told = (await http.get(path, headers=headers)).json()
    assert (told["client_address"], told["peer"], told["path"]) == ("127.0.0.1", "127.0.0.1", path)
    assert (len(told["forwarded_for"]), len(told["forwarded_for"][0])) == (20, 100)


async def test_what_answers_at_the_public_url_is_looked_at(sqlite_url: str) -> None:
    async def livez(_: Request) -> Response:
        hour_ago = datetime.now(UTC) - timedelta(hours=1)
        return JSONResponse({"status": "live"}, headers={"date": format_datetime(hour_ago, usegmt=True)})

    routes = [
        Route("/moved/livez", lambda _: RedirectResponse("/livez")),
        Route("/other/livez", lambda _: PlainTextResponse("welcome to nginx")),
        Route("/livez", livez),
    ]
    async with serving(Starlette(routes=routes)) as url:

        async def reached(path: str) -> tuple[State, str]:
            of = settings(sqlite_url, public_url=url + path)
            found = outside_checks.reached(await outside_checks.look(of), of)
            return found.state, found.said.removeprefix(f"{url}{path}/livez ")

        assert await reached("") == (State.OK, "leads here")
        assert await reached("/moved") == (State.FAIL, "redirects, which no client follows")
        assert await reached("/other") == (State.FAIL, "is answered by something else (200)")
        assert await reached("/absent") == (State.FAIL, "is answered by something else (404)")
        seen = await outside_checks.look(settings(sqlite_url, public_url=url))
        assert outside_checks.clock_in_front(seen, CLOCK).state is State.FAIL
        assert outside_checks.certificate(seen, CLOCK).state is State.SKIPPED
    nobody = settings(sqlite_url, public_url=f"http://127.0.0.1:{free_port()}")
    found = outside_checks.reached(await outside_checks.look(nobody), nobody)
    assert (found.state, "does not answer: ConnectError" in found.said) == (State.FAIL, True)


async def test_a_certificate_is_looked_at_as_a_phone_would(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = make_certificate(tmp_path)
    live = Starlette(routes=[Route("/livez", lambda _: JSONResponse({"status": "live"}))])
    async with serving(live, ssl_certfile=str(pem)) as url:
        of = settings(sqlite_url, public_url=url.replace("http://", "https://"))
        found = outside_checks.reached(await outside_checks.look(of), of)
        assert (found.state, "its certificate: self-signed certificate" in found.said) == (State.FAIL, True)
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        seen = await outside_checks.look(of)
        assert outside_checks.reached(seen, of).state is State.OK
        assert outside_checks.certificate(seen, CLOCK).state is State.WARN, "it ends tomorrow"
        assert seen.expires is not None
        later = replace(seen, expires=seen.expires + timedelta(days=60))
        assert outside_checks.certificate(later, CLOCK).state is State.OK


# Mail.


@dataclass
class Desk:
    """A post office and what the doctor says of it."""

    office: PostOffice

    async def found(self, url: str | None = None, **given: Any) -> tuple[State, str]:
        of = settings("sqlite:///never-opened.db", smtp_url=url or self.office.url, **given)
        found = await outside_checks.mail(of, ManualClock(DAY))
        return found.state, found.said


@asynccontextmanager
async def desk(**mood: Any) -> AsyncIterator[Desk]:
    office = PostOffice(**mood)
    await office.open()
    try:
        yield Desk(office)
    finally:
        await office.close()


async def test_a_mail_server_is_greeted_and_no_mail_is_sent(tmp_path: Path) -> None:
    pem = make_certificate(tmp_path)
    async with desk(certificate=pem, starttls=True, wants_password=True) as here:
        assert await here.found(mail_from="no-reply@acme.dev") == (
            State.OK,
            "localhost takes mail from acme.dev over TLS",
        )
        assert (here.office.mails, here.office.quit) == ([], 1)
        here.office.password = "another"
        state, said = await here.found()
        assert (state, "SMTPAuthenticationError: 535" in said) == (State.FAIL, True)
        assert "p@ss" not in said
        state, said = await here.found(here.office.url.replace(f"&ca={pem}", ""))
        assert (state, "no TLS" in said) == (State.FAIL, True)
        state, said = await here.found(here.office.url.replace(str(pem), "/nowhere.pem"))
        assert state is State.FAIL


async def test_a_mail_server_that_cannot_be_used_fails() -> None:
    async with desk() as here:
        state, said = await here.found(here.office.url.replace("starttls=false", "starttls=true"))
        assert (state, "lacks" in said) == (State.FAIL, True)
        port = here.office.port
    state, said = await here.found(f"smtp://localhost:{port}")
    assert (state, "no connection: ConnectionRefusedError" in said) == (State.FAIL, True)
    assert (await here.found("http://localhost"))[0] is State.FAIL
    assert (await outside_checks.mail(settings("sqlite:///x.db"), CLOCK)).state is State.SKIPPED


async def test_a_sender_of_a_domain_without_an_address_is_warned_of() -> None:
    for domain, expected in (("nowhere.invalid", State.WARN), ("localhost", State.OK)):
        of = settings("sqlite:///x.db", smtp_url="smtp://localhost:25", mail_from=f"a@{domain}")
        found = await outside_checks.mail_domain(of)
        assert found.state in (expected, State.SKIPPED), found.said
