"""Assembly: the application, its surfaces, and the one handler that lets each surface spell its refusals."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from gatepass import __version__, pages
from gatepass.adapters import logs
from gatepass.adapters.clock import Clock
from gatepass.adapters.mail import Postman
from gatepass.adapters.mail.mime import Sender
from gatepass.adapters.mail.smtp import SmtpPostman, SmtpServer
from gatepass.adapters.mail.to_inbox import InboxPostman
from gatepass.adapters.tracing import Tracing, exporter, tracing_is_installed
from gatepass.adapters.worker import Worker
from gatepass.adapters.worlds import Worlds, WorldWorker
from gatepass.core import signing_keys
from gatepass.core import worlds as core_worlds
from gatepass.core.errors import InputRefused, NotFound, Refusal, Unavailable
from gatepass.core.mint import Mint
from gatepass.core.server_secret import SealBroken
from gatepass.core.signing_keys import Ring
from gatepass.fast_lane import FastLaneApp
from gatepass.settings import Settings, load
from gatepass.surfaces import account, admin, console, docs, elixir, health, identity_toolkit, junction, oauth, testing
from gatepass.wiring import Fault, MethodNotAllowed, PayloadTooLarge, Runtime

log = structlog.get_logger("gatepass")

SURFACES: tuple[tuple[str, Callable[[Refusal], Response]], ...] = (
    ("/sdk/", elixir.spell),
    ("/admin/", admin.spell),
    ("/console/", console.spell),
    ("/account/", account.spell),
    ("/_test/", testing.spell),
    ("/identitytoolkit.googleapis.com/", identity_toolkit.spell),
    ("/securetoken.googleapis.com/", identity_toolkit.spell),
    ("/v1/accounts:", identity_toolkit.spell),
    ("/userinfo/", oauth.spell_at_resource),
    ("/.well-known/", oauth.spell),
    ("/oauth/", oauth.spell),
    ("/auth/v1/token/", junction.spell_token),
    ("/v1/token/", junction.spell_token),
    ("/v1/revoke/", junction.spell_token),
    ("/auth/", junction.spell),
    ("/v1/", junction.spell),
    ("/v2/", junction.spell),
    ("/", health.spell),
)
"""Which surface spells a refusal, by the longest prefix of the path: also of 404, 405, 413 and 500."""

FAST_LANE = {
    ("POST", "/sdk/auth/v2/signin/otp-login"): elixir.serve_code_request,
    ("POST", "/sdk/auth/v2/signin/otp-verify"): elixir.serve_code,
    ("POST", "/sdk/auth/v2/session/refresh"): elixir.serve_refresh,
    ("GET", "/sdk/v2/userinfo"): elixir.serve_userinfo,
    ("POST", "/v1/token"): junction.answer_token,
    ("POST", "/auth/v1/token"): junction.answer_token,
    ("GET", "/v2/user/{user_id}"): junction.serve_user,
    ("POST", "/v2/user/{user_id}/sign_in_token"): junction.serve_sign_in_token,
    ("POST", "/oauth/token"): oauth.token,
    ("POST", "/oauth/introspect"): oauth.introspect,
    ("GET", "/userinfo"): oauth.userinfo,
    ("GET", "/.well-known/oauth-authorization-server"): oauth.read_metadata,
    ("GET", "/.well-known/jwks.json"): oauth.read_jwks,
    ("GET", "/.well-known/revocations"): oauth.read_revocations,
}
"""The routes that are served all day."""

DOCUMENTS = frozenset({"/", "/docs", "/livez", "/openapi.json", "/readyz"})
"""Beside everything under `/.well-known/`."""
METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")


def create_app(
    settings: Settings,
    *,
    clock: Clock | None = None,
    mint: Mint | None = None,
    postman: Postman | None = None,
    worker: bool = True,
) -> FastAPI:
    """The whole server as one ASGI application. Its lifespan starts the worker and closes the database."""
    worlds = Worlds(clock, mint) if settings.test_mode else None
    runtime = Runtime(settings, clock=worlds.clock if worlds else clock, mint=worlds.mint if worlds else mint)
    postman = postman or _postman(settings, runtime, worlds)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            if runtime.secret.is_changing:
                await _reseal(runtime)
            if worlds:
                await _begin_test_mode(runtime)
            if worker:
                async with (
                    runtime.metrics.writing(),
                    runtime.tally.writing(runtime.transact),
                    _worker(runtime, postman, worlds).running(),
                ):
                    yield
            else:
                yield
        finally:
            await postman.close()
            await runtime.close()

    app = FastLaneApp(
        lanes={} if worlds else FAST_LANE,
        spell=_spell,
        title="Gatepass",
        version=__version__,
        summary="A self-hosted auth server for mobile apps.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=docs.operation_id,
        telemetry={"tracing": False, "metrics": False, "logs": False},
        lifespan=lifespan,
    )
    app.state.runtime = runtime
    app.state.postman = postman
    for surface in (elixir, junction, oauth, identity_toolkit, admin, health, docs, pages, console, account):
        app.include_router(surface.router)
    for kind in (Refusal, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, _spell)
    app.add_middleware(TokenByKey)
    app.add_middleware(HeadOfDocument)
    app.add_middleware(EitherSlash)
    _describe(app)
    if worlds:
        testing.mount(app, runtime, worlds, _in_words_of)
    return app


async def _begin_test_mode(runtime: Runtime) -> None:
    """Drop the seeded worlds of an earlier process, whose chance went with it, and make the server's signing key in its
    own time and by its own chance, not in the first world that wants it.
    """
    await runtime.transact(partial(core_worlds.drop_all, seeded_only=True))
    await runtime.keyring.signer(Ring.ACCESS)


def _worker(runtime: Runtime, postman: Postman, worlds: Worlds | None) -> Worker:
    if worlds is None:
        return Worker(runtime.transact, postman, runtime.outbox_waits, handover=runtime.handover)
    return WorldWorker(runtime.transact, postman, runtime.outbox_waits, worlds)


async def _reseal(runtime: Runtime) -> None:
    """Seal the signing keys under the secret that signs now; the next start tries again where that cannot be."""
    try:
        if resealed := await runtime.transact(signing_keys.reseal):
            log.info("signing_keys_resealed", keys=resealed)
    except (Unavailable, SealBroken) as error:
        log.warning("signing_keys_not_resealed", reason=type(error).__name__)


def _postman(settings: Settings, runtime: Runtime, worlds: Worlds | None) -> Postman:
    """Where mail goes: to the SMTP server that the settings name, else to the inbox."""
    if settings.smtp_url is None:
        return InboxPostman(
            runtime.transact,
            code_in_subject=settings.code_in_subject,
            prints_codes=settings.test_mode,
            arrived=worlds.arrivals.announce if worlds else lambda _: None,
        )
    return SmtpPostman(
        SmtpServer.parse(settings.smtp_url.get_secret_value()),
        Sender.parse(settings.mail_from),
        runtime.clock,
        greets_as=urlsplit(settings.public_url).hostname or "localhost",
        code_in_subject=settings.code_in_subject,
    )


async def _spell(request: Request, error: Exception) -> Response:
    """Any error as the refusal it means, in the words of the surface that the path belongs to."""
    refusal = _refusal(request, error)
    runtime: Runtime = request.app.state.runtime
    runtime.metrics.refused(type(refusal))
    if not isinstance(refusal, NotFound | MethodNotAllowed):
        log.info(
            "refused",
            refusal=type(refusal).__name__,
            why=str(refusal),
            method=request.method,
            route=logs.route_of(request.scope),
        )
    return _in_words_of(f"{request.scope['path']}/", refusal)


def _in_words_of(path: str, refusal: Refusal) -> Response:
    return next(spell for prefix, spell in SURFACES if path.startswith(prefix))(refusal)


def _refusal(request: Request, error: Exception) -> Refusal:
    match error:
        case Refusal():
            return error
        case RequestValidationError():
            return InputRefused(".".join(str(part) for part in error.errors()[0]["loc"][1:]))
        case HTTPException(status_code=404):
            return NotFound("route")
        case HTTPException(status_code=405):
            return MethodNotAllowed(_allowed(request))
        case HTTPException(status_code=413):
            return PayloadTooLarge("body")
        case HTTPException() if error.status_code < 500:
            return InputRefused("", "could not be read")
        case _:
            return Fault(type(error).__name__)


def _allowed(request: Request) -> str:
    """The methods that this path knows (RFC 9110 section 10.2.1)."""
    routes = request.app.router.routes
    return ", ".join(
        method
        for method in METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    )


class EitherSlash:
    """Serves every path with and without one trailing slash, without a redirect (contracts: "both slash forms").

    Only a slash that was sent as one is dropped; `%2F` belongs to the last segment.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and len(path := scope["path"]) > 1 and path[-1] == "/":
            raw = scope.get("raw_path") or path.encode()
            if raw.endswith(b"/"):
                scope["path"], scope["raw_path"] = path[:-1], raw[:-1]
        await self.app(scope, receive, send)


class HeadOfDocument:
    """Answers HEAD as GET where that is a document, as whoever watches or caches one asks (RFC 9110 section 9.3.2); the
    server drops the body. Elsewhere GET may have effects, so HEAD is refused.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD" or not _is_document(scope["path"]):
            return await self.app(scope, receive, send)
        asked = {**scope, "method": "GET"}  # a copy: the server goes by its own
        await self.app(asked, receive, send)
        scope.update(asked, method="HEAD")  # the log wants to know the route
        return None


def _is_document(path: str) -> bool:
    return path in DOCUMENTS or path.startswith("/.well-known/")


class TokenByKey:
    """Two dialects meet at a bare `/v1/token`: a `key` in the query means Google's (contract junction, section 9)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/v1/token":
            query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            if any(name == "key" for name, _ in query):
                scope["path"], scope["raw_path"] = identity_toolkit.SECURE_TOKEN, identity_toolkit.SECURE_TOKEN.encode()
        await self.app(scope, receive, send)


def _describe(app: FastAPI) -> None:
    """Let the OpenAPI document say what the surfaces know of themselves; it is made once."""
    generate = app.openapi

    @cache
    def openapi() -> dict[str, Any]:
        return docs.complete(
            generate(),
            server=app.state.runtime.settings.public_url,
            schemes={
                **elixir.SECURITY_SCHEMES,
                **junction.SECURITY_SCHEMES,
                **oauth.SECURITY_SCHEMES,
                **admin.SECURITY_SCHEMES,
            },
            schemas=(*junction.SCHEMAS, *oauth.SCHEMAS, *identity_toolkit.SCHEMAS, *admin.SCHEMAS),
        )

    app.openapi = openapi  # type: ignore[method-assign]


def from_environment() -> ASGIApp:
    """The server that the environment describes: what `gatepass serve` and any ASGI server run.

    Raises ValueError for settings that are unfit for production.
    """
    settings = load()
    if reasons := unfit(settings):
        raise ValueError("; ".join(reasons))
    logs.configure(settings.log_format)
    server = create_app(settings)
    app = logs.AccessLog(
        Tracing(server, exporter()) if settings.tracing else server, answered=server.state.runtime.metrics.answered
    )
    gc.collect()
    gc.freeze()  # what was imported lives as long as the process: no collection need look at it again
    return app


def unfit(settings: Settings) -> list[str]:
    """Why these settings may not serve strangers, a sentence each; empty where they may."""
    reasons = []
    if settings.smtp_url is None:
        reasons.append("GATEPASS_SMTP_URL is missing: no code could reach anyone (gatepass dev needs none)")
    else:
        reasons += _unfit_for_mail(settings.smtp_url.get_secret_value(), settings.mail_from)
    if settings.metrics_dir is not None and not settings.metrics_dir.is_dir():
        reasons.append("GATEPASS_METRICS_DIR is no directory")
    if settings.tracing and not tracing_is_installed():
        reasons.append("GATEPASS_TRACING is on, and its packages are missing: pip install 'gatepass[otel]'")
    if settings.test_mode:
        reasons.append("GATEPASS_TEST_MODE is on: it is for gatepass dev only")
    return reasons


def _unfit_for_mail(smtp_url: str, mail_from: str) -> list[str]:
    reasons = []
    try:
        server = SmtpServer.parse(smtp_url)
        if server.ca is not None and not Path(server.ca).is_file():
            reasons.append("GATEPASS_SMTP_URL names a file in ca= that is not there")
    except ValueError as error:
        reasons.append(str(error))
    try:
        Sender.parse(mail_from)
    except ValueError as error:
        reasons.append(str(error))
    return reasons
