"""The routes of the Elixir dialect: parse, call, spell.

Every route checks in one order: size, API key, rate limit, body, business (contract elixir, section 5). The body's
bytes are read first; everything else happens inside one transaction, and what is signed is signed after its commit.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, NamedTuple, TypeVar
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from gatepass import codes
from gatepass.core import access_tokens, limits, otp, qr, sessions
from gatepass.core.access_tokens import Bearer
from gatepass.core.addresses import Address
from gatepass.core.api_keys import App
from gatepass.core.errors import (
    AccessTokenDead,
    Forbidden,
    InputRefused,
    NotFound,
    OtpExpired,
    OtpLocked,
    ProofRefused,
    QrRefused,
    RefreshRefused,
    ReikeyRefused,
    UserBanned,
)
from gatepass.core.ids import find_id
from gatepass.core.limits import Budget
from gatepass.core.sessions import Cause, Grant
from gatepass.core.unit import Caller, Policy, Unit
from gatepass.surfaces.elixir import wire
from gatepass.surfaces.elixir.documentation import documented
from gatepass.wiring import Runtime, only, read_body, runtime_of, sent

T = TypeVar("T")
Work = Callable[[Unit, App], Awaitable[T]]
router = APIRouter(prefix="/sdk", tags=["Elixir"])


class Call(NamedTuple):
    """One request to this surface: who calls, with which key and token, and the body's bytes."""

    runtime: Runtime
    caller: Caller
    key: str | None
    token: str | None
    accept_language: str
    body: bytes

    async def transact(self, work: Work[T]) -> T:
        """Run *work* for the app that the key names, in one transaction. Raises ApiKeyRefused, and as *work* does."""
        app = await self.app()
        return await self.runtime.transact(lambda unit: work(unit, app), caller=self.caller)

    async def read(self, work: Work[T]) -> T:
        """The same for work that writes nothing."""
        app = await self.app()
        return await self.runtime.read(lambda unit: work(unit, app), caller=self.caller)

    async def app(self) -> App:
        """What the key names; the key was used. Raises ApiKeyRefused."""
        app = await self.runtime.apps.named_by(self.key)
        if app.key_id is not None:
            self.runtime.tally.keys.note((app.team.id, app.key_id), self.caller, self.runtime.clock.now())
        return app

    async def bearer(self, unit: Unit, app: App) -> Bearer:
        """The user and session behind the bearer token. Raises AccessTokenRefused, UserBanned."""
        return await access_tokens.authenticate(unit, self.token, app)

    def bundle(self, grant: Grant) -> dict[str, Any]:
        """The members of a token bundle; signs."""
        return wire.Credentials.of(self.runtime.secret, grant, self.runtime.signer.elixir(grant))


async def _read_call(request: Request) -> Call:
    runtime = runtime_of(request)
    return Call(
        runtime=runtime,
        body=await read_body(request, wire.BODY_LIMIT),
        caller=runtime.caller(request),
        key=only(sent(request, b"x-api-key")),
        token=wire.bearer(only(sent(request, b"authorization"))),
        accept_language=",".join(sent(request, b"accept-language")),
    )


InCall = Annotated[Call, Depends(_read_call)]


@router.post("/auth/v2/signin/otp-login", **documented(wire.Transaction, body=wire.OtpLogin))
async def ask_for_code(call: InCall) -> Response:
    """Ask for an e-mailed one-time code (E1)."""

    requested = await _ask_shortly(call)
    if requested is None:
        requested = await call.transact(lambda unit, app: _ask(unit, app, call))
    code = {"user_code": requested.code} if requested.code is not None else {}
    return wire.success(wire.Transaction(transaction_id=str(requested.transaction_id), **code))


async def _ask_shortly(call: Call) -> otp.Requested | None:
    app, policy = await call.app(), call.runtime.policy
    try:
        address, locale = _whom(call, policy)
    except InputRefused:
        return None  # refused in its turn, after the budget at the door
    return await codes.request(
        call.runtime, app, address, call.caller, locale=locale, door=_door(policy, app, call.caller)
    )


async def _ask(unit: Unit, app: App, call: Call) -> otp.Requested:
    await limits.spend(unit, _door(unit.policy, app, unit.caller))
    address, locale = _whom(call, unit.policy)
    return await otp.request(unit, app, address, locale=locale)


def _door(policy: Policy, app: App, caller: Caller) -> Budget:
    return Budget("login_per_client", policy.limits.login_per_client, f"{app.team.id}|{caller.network}")


def _whom(call: Call, policy: Policy) -> tuple[Address, str]:
    body = wire.parse(wire.OtpLogin, call.body)
    address = Address.parse(body.email, dotless=policy.dotless_domains)
    return address, wire.languages(body.locale, call.accept_language)


@router.post(
    "/auth/v2/signin/otp-verify",
    **documented(wire.FirstCredentials, ProofRefused, OtpExpired, OtpLocked, UserBanned, body=wire.OtpVerify),
)
async def verify_code(call: InCall) -> Response:
    """Trade a transaction and its code for a session (E2)."""

    app = await call.app()
    body = wire.parse(wire.OtpVerify, call.body)
    device = body.device(call.accept_language)
    verified = await codes.verify(call.runtime, app, body.transaction_id, body.code, call.caller, device=device)
    if verified is None:
        verified = await call.transact(
            lambda unit, app: otp.verify(unit, app, body.transaction_id, body.code, device=device)
        )
    account = wire.Account.of(verified.grant, ban_reason=None)
    return wire.success(
        wire.FirstCredentials(**call.bundle(verified.grant), user=account, new_account=verified.new_account)
    )


@router.post(
    "/auth/v2/session/refresh",
    **documented(wire.AccountCredentials, RefreshRefused, UserBanned, body=wire.RefreshSession),
)
async def refresh_session(call: InCall) -> Response:
    """Rotate the refresh token and get a new access token (E3)."""
    app = await call.runtime.apps.named_by(call.key)
    body = wire.parse(wire.RefreshSession, call.body)
    grant = await call.runtime.rotate(body.refresh_token, app.audience, caller=call.caller)
    return wire.refreshed(call.runtime.secret, grant, call.runtime.signer.elixir(grant))


@router.post("/auth/v2/session/signout", **documented(wire.SignedOut, bearer=True))
async def sign_out(call: InCall) -> Response:
    """Close this device's session (E4). An expired token still closes it, if it is authentic (D9)."""

    async def work(unit: Unit, app: App) -> None:
        bearer = await access_tokens.authenticate(unit, call.token, app, even_expired=True)
        if not await sessions.end(unit, bearer.session.id, Cause.SIGNED_OUT):
            raise AccessTokenDead("a parallel call was first")

    await call.transact(work)
    return wire.success(wire.SignedOut(message="Session closed successfully for this device"))


@router.post("/auth/v2/signin/qr-verify", **documented(wire.Credentials, QrRefused, UserBanned, body=wire.QrVerify))
async def scan_qr(call: InCall) -> Response:
    """Trade a scanned QR value for a session (E5)."""

    async def work(unit: Unit, app: App) -> Grant:
        body = wire.parse(wire.QrVerify, call.body)
        return await qr.scan(unit, app, body.qr_value, device=body.device(call.accept_language))

    return wire.success(wire.Credentials(**call.bundle(await call.transact(work))))


@router.get("/v2/userinfo", **documented(wire.UserInfo, bearer=True))
async def userinfo(call: InCall) -> Response:
    """The profile behind an access token; how a backend validates one (S1)."""
    app = await call.runtime.apps.named_by(call.key)
    return wire.profile(await call.runtime.bearer(call.token, app, caller=call.caller))


@router.get(
    "/auth/v2/dev/reikey",
    **documented(wire.Reikey, Forbidden, query={"playerId": "The test user to sign in; else the application's owner."}),
)
async def make_reikey(call: InCall, request: Request) -> Response:
    """With a development key, make a one-time key for the application's owner or a test user (S2)."""

    async def work(unit: Unit, app: App) -> qr.Shown:
        return await qr.make_reikey(unit, app, request.query_params.get("playerId"))

    shown = await call.transact(work)
    return wire.success(wire.Reikey(reikey=str(shown.value), player_id=str(shown.user_id)))


@router.get("/auth/v2/session/reikey/{reikey}", **documented(wire.AccountCredentials, ReikeyRefused, UserBanned))
async def redeem_reikey(call: InCall, reikey: str) -> Response:
    """Trade a reikey for a session, on a desktop (S3)."""

    async def work(unit: Unit, app: App) -> Grant:
        return await qr.redeem_reikey(unit, app, reikey)

    grant = await call.transact(work)
    account = wire.Account.of(grant, ban_reason="")
    return wire.success(wire.AccountCredentials(**call.bundle(grant), user=account))


@router.get(
    "/auth/v2/session/closerei/{reikey}", name="close_reikey_by_get", **documented(wire.Closed, Forbidden, bearer=True)
)
@router.post("/auth/v2/session/closerei/{reikey}", **documented(wire.Closed, Forbidden, bearer=True))
async def close_reikey(call: InCall, reikey: str) -> Response:
    """Close a desktop session (S4). The documentation says POST, a shipped client sends GET (D27)."""

    async def work(unit: Unit, app: App) -> None:
        bearer = await call.bearer(unit, app)
        await qr.close_reikey_session(unit, bearer.session, reikey)

    await call.transact(work)
    return wire.success(wire.Closed(closed=True))


@router.post("/auth/v2/account/qr", **documented(wire.QrShown, bearer=True))
async def show_qr(call: InCall) -> Response:
    """A signed-in user asks for a QR value to show (X1)."""

    async def work(unit: Unit, app: App) -> qr.Shown:
        return await qr.show(unit, (await call.bearer(unit, app)).session)

    shown = await call.transact(work)
    return wire.success(
        wire.QrShown(
            qr_id=str(shown.id),
            qr_value=f"{qr.PREFIX}{shown.value}",
            expires_at=shown.expires_at,
            life=shown.life,
        )
    )


@router.get("/auth/v2/account/qr/{qr_id}", **documented(wire.QrState, bearer=True))
async def look_at_qr(call: InCall, qr_id: str) -> Response:
    """What became of a value; only for the session that showed it (X2). Past its life, it is settled as expired."""

    async def work(unit: Unit, app: App) -> qr.QrCode:
        return await qr.look(unit, (await call.bearer(unit, app)).session, _qr_id(qr_id))

    return wire.success(wire.QrState.of(await call.transact(work)))


@router.delete("/auth/v2/account/qr/{qr_id}", **documented(wire.QrState, bearer=True))
async def cancel_qr(call: InCall, qr_id: str) -> Response:
    """Cancel a value (X3). Idempotent; one that was scanned already stays so, and the answer says it."""

    async def work(unit: Unit, app: App) -> qr.QrCode:
        return await qr.cancel(unit, (await call.bearer(unit, app)).session, _qr_id(qr_id))

    return wire.success(wire.QrState.of(await call.transact(work)))


def _qr_id(presented: str) -> UUID:
    if (qr_id := find_id(presented)) is None:
        raise NotFound("qr code")
    return qr_id


async def serve_code_request(request: Request) -> Response:
    """E1 for the fast lane."""
    return await ask_for_code(await _read_call(request))


async def serve_code(request: Request) -> Response:
    """E2 for the fast lane."""
    return await verify_code(await _read_call(request))


async def serve_refresh(request: Request) -> Response:
    """E3 for the fast lane."""
    return await refresh_session(await _read_call(request))


async def serve_userinfo(request: Request) -> Response:
    """S1 for the fast lane."""
    return await userinfo(await _read_call(request))
