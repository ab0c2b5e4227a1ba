"""The assembled server, and the only commit().

A transaction is a call, not a dependency: `await runtime.transact(work)` runs *work* with a fresh unit, commits, and
only then returns, so no answer can precede its commit (a FastAPI `yield` dependency exits after the response unless told
otherwise). A refusal that keeps its writes is committed and then raised. Work may run more than once: see
adapters/database.py.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Annotated, TypeVar, cast
from uuid import UUID

import structlog
from fastapi import Depends, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from gatepass.adapters.clock import Clock, SystemClock
from gatepass.adapters.database import Database
from gatepass.adapters.hot import Hot, Receipt
from gatepass.adapters.keyring import Keyring
from gatepass.adapters.known import Known, digest
from gatepass.adapters.metrics import Metrics
from gatepass.adapters.revocation_feed import RevocationFeed
from gatepass.adapters.signatures import Signatures
from gatepass.adapters.tally import Tally
from gatepass.core import access_tokens, api_keys, dpop, rotation, sessions, teams
from gatepass.core.access_tokens import Bearer, Signer
from gatepass.core.api_keys import App
from gatepass.core.errors import (
    AccessTokenInvalid,
    DpopRefused,
    Forbidden,
    InputRefused,
    Refusal,
    TooManyRequests,
    Unavailable,
)
from gatepass.core.facts import Fact
from gatepass.core.handover import Handover
from gatepass.core.mint import Mint
from gatepass.core.sessions import Audience, Grant, Surface
from gatepass.core.signing_keys import Ring
from gatepass.core.unit import Caller, Moment, Unit
from gatepass.settings import Settings

T = TypeVar("T")
Work = Callable[[Unit], Awaitable[T]]
log = structlog.get_logger("gatepass")

NOBODY = Caller()


class Runtime:
    """Settings, database, clock and keys of one running server."""

    def __init__(self, settings: Settings, *, clock: Clock | None = None, mint: Mint | None = None) -> None:
        self.settings = settings
        self.policy = settings.policy()
        self.secret = settings.secret()
        self.clock: Clock = clock or SystemClock()
        self.mint = mint or Mint()
        self.database = Database(settings.database_url.get_secret_value())
        self.signer = Signer(self.secret, self.policy, self.mint)
        self.keyring = Keyring(self.read, self.transact, self.clock)
        self.revocations = RevocationFeed(self.read, self.keyring, self.policy, self.clock)
        self.apps = Known(self.read, api_keys.authenticate_app, remembered_as=digest)
        self.team_keys = Known(self.read, api_keys.authenticate_team, remembered_as=digest)
        self.teams = Known(self.read, teams.get)
        self.hot = Hot(self.database)
        self.signatures = Signatures()
        self.outbox_waits = asyncio.Event()
        self.handover = Handover()
        self.tally = Tally()
        self.metrics = Metrics(self.tally.totals, settings.metrics_dir)
        self._proxies = settings.proxies()
        self.is_proxy = lru_cache(maxsize=10_000)(self._is_proxy)

    async def close(self) -> None:
        """Let go of every connection."""
        await self.hot.close()
        await self.signatures.close()
        await self.database.dispose()

    def forget(self) -> None:
        """Ask the database again for all that is remembered for up to a second: keys, teams, signing keys, revocations."""
        self._forget_names()
        self.keyring.forget_all()
        self.revocations.forget()

    def _forget_names(self) -> None:
        self.apps.forget()
        self.team_keys.forget()
        self.teams.forget()

    async def transact(self, work: Work[T], *, caller: Caller = NOBODY) -> T:
        """Run *work* in one transaction and commit it.

        Raises what *work* refuses with (committed first where the refusal keeps its writes), and Unavailable.
        """
        return await self._run(work, caller, writes=True)

    async def read(self, work: Work[T], *, caller: Caller = NOBODY) -> T:
        """Run *work*, which writes nothing, without queueing behind writers."""
        return await self._run(work, caller, writes=False)

    async def rotate(
        self, presented: object, audience: Audience, *, caller: Caller = NOBODY, proof: dpop.Request | None = None
    ) -> Grant:
        """As `rotation.rotate`, the live token's one statement shared with whoever else rotates right now.

        Raises as `rotation.rotate`.
        """
        ask = rotation.ask(self.secret, self.policy, presented, audience, self.clock.now())
        grant = None if ask is None else await self.hot.rotate(ask)
        if grant is None:
            grant = await self.transact(
                lambda unit: rotation.rotate(unit, presented, audience, proof=proof), caller=caller
            )
        self.tally.count(Fact.REFRESH, grant.team_id, grant.issued_at)
        return grant

    async def bearer(self, presented: str | None, app: App, *, caller: Caller = NOBODY) -> Bearer:
        """As `access_tokens.authenticate`, the look at the session shared with whoever else looks right now.

        Raises as `access_tokens.authenticate`.
        """
        now = self.clock.now()
        claims = access_tokens.verified_app_claims(self.secret, self.policy, presented, app, now)
        found = await self.hot.look(access_tokens.session_named_in(claims))
        if found is None:
            return await self.read(lambda unit: access_tokens.authenticate(unit, presented, app), caller=caller)
        bearer = access_tokens.judge(claims, found, app.audience, now)
        await self._note_receipt_of(bearer, caller)
        return bearer

    async def inspect(self, presented: str | None, *, team_id: UUID | None = None, caller: Caller = NOBODY) -> Bearer:
        """As `access_tokens.inspect`, the look at the session shared. Raises as `access_tokens.inspect`."""
        now = self.clock.now()
        keys = await self.keyring.verifiers(Ring.ACCESS)
        claims = access_tokens.verified_user_claims(self.policy, presented, keys, now)
        found = await self.hot.look(access_tokens.session_named_in(claims))
        if found is None:
            return await self.read(
                lambda unit: access_tokens.inspect(unit, presented, keys, team_id=team_id), caller=caller
            )
        bearer = access_tokens.judge(claims, found, Audience(Surface.JUNCTION, team_id), now)
        await self._note_receipt_of(bearer, caller)
        return bearer

    async def user_bearer(
        self, presented: str | None, *, proof: dpop.Request | None = None, caller: Caller = NOBODY
    ) -> Bearer:
        """As `access_tokens.authenticate_user`, the look at the session shared where no *proof* has to be spent.

        Raises as `access_tokens.authenticate_user`.
        """
        if proof is None:
            bearer = await self.inspect(presented, caller=caller)
            if bearer.session.jkt is None:
                return bearer
        keys = await self.keyring.verifiers(Ring.ACCESS)
        return await self.transact(
            lambda unit: access_tokens.authenticate_user(unit, presented, keys, proof=proof), caller=caller
        )

    def moment(self, caller: Caller) -> Moment:
        """Now, for a request of *caller*'s that may need no transaction of its own."""
        return Moment(self.clock.now(), self.mint, self.policy, self.secret, caller)

    async def _note_receipt_of(self, bearer: Bearer, caller: Caller) -> None:
        if bearer.proves_receipt:
            await self._note_receipts([(bearer.session.id, bearer.session.generation)], caller)

    async def _run(self, work: Work[T], caller: Caller, *, writes: bool) -> T:
        unit: Unit | None = None

        async def attempt(db: AsyncConnection, commit: Callable[[], Awaitable[None]]) -> T:
            nonlocal unit
            unit = Unit(self.clock.now(), self.mint, self.policy, self.secret, caller, db, self.handover)
            try:
                return await self._attempt(unit, work, commit)
            except BaseException:
                self._leave_to_lease(unit)
                raise

        try:
            result = await self.database.run(attempt, writes=writes)
        except BaseException:
            if unit is not None:
                self._leave_to_lease(unit)
            raise
        finally:
            if unit is not None:
                if unit.used_key is not None:
                    self.tally.keys.note(unit.used_key, caller, unit.now)
                if unit.changes_keys:
                    self._forget_names()
                if unit.nudges_outbox:
                    self.outbox_waits.set()
                if unit.receipts:
                    await self._note_receipts(unit.receipts, caller)
        if unit is not None and unit.handed_over:
            # Only now that nothing is awaited any more: whether a mail is real would tell in the answer's time.
            self.handover.take(unit.handed_over)
        return result

    def _leave_to_lease(self, unit: Unit) -> None:
        """Nobody delivers what *unit* queued; what was committed all the same becomes due when its lease ends."""
        self.handover.release(len(unit.handed_over))
        unit.handed_over.clear()

    async def _attempt(self, unit: Unit, work: Work[T], commit: Callable[[], Awaitable[None]]) -> T:
        try:
            result = await work(unit)
        except Refusal as refusal:
            if refusal.keeps_writes:
                await commit()
                self.tally.count_all(unit.facts, unit.now)
            raise
        await commit()
        self.tally.count_all(unit.facts, unit.now)
        return result

    async def _note_receipts(self, receipts: list[tuple[UUID, int]], caller: Caller) -> None:
        """Write receipts in a transaction of their own; a request never fails for want of one."""

        async def note(own: Unit) -> None:
            for session_id, generation in receipts:
                await sessions.note_receipt(own, session_id, generation)

        try:
            noted = [
                await self.hot.note(Receipt(session_id, generation, self.clock.now(), caller.sdk))
                for session_id, generation in receipts
            ]
            if not all(noted):
                await self.transact(note, caller=caller)
        except Unavailable as error:
            log.warning("receipt_not_written", reason=str(error))
        except Exception:
            log.exception("receipt_not_written")

    def caller(self, request: Request) -> Caller:
        """Who sent *request*: the socket's peer, or behind configured proxies the rightmost hop that is none of them."""
        host = request.client.host if request.client else ""
        peer = _address(host) or host
        if self._proxies and self.is_proxy(peer):
            for hop in reversed(",".join(sent(request, b"x-forwarded-for")).split(",")):
                if (address := _address(hop.strip())) is None:
                    break
                peer = address
                if not self.is_proxy(peer):
                    break
        headers = dict(reversed(request.scope["headers"]))  # of several of one name, the first counts
        return Caller(
            address=peer[:45],
            user_agent=headers.get(b"user-agent", b"")[:255].decode("latin-1"),
            sdk=_sdk(headers),
            hung_up=request.is_disconnected,
        )

    def proof(self, request: Request) -> dpop.Request | None:
        """The DPoP proof that came with *request*, and what it must speak of: the URL as configured, never as the Host
        header has it (RFC 9449 section 4.3). Raises DpopRefused for several proofs.
        """
        proofs = sent(request, b"dpop")
        if len(proofs) > 1:
            raise DpopRefused("several proofs")
        if not proofs:
            return None
        path = (request.scope.get("raw_path") or request.scope["path"].encode()).decode("latin-1")
        return dpop.Request(proofs[0], request.method, self.policy.issuer + path)

    def _is_proxy(self, host: str) -> bool:
        """Whether what *host* says of its own clients is believed."""
        try:
            address = ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._proxies)


@lru_cache(maxsize=10_000)
def _address(hop: str) -> str | None:
    """The address in *hop*, in the one spelling that budgets count under; None where it is none."""
    try:
        address = ip_address(hop)
    except ValueError:
        return None
    return str(address.ipv4_mapped or address) if isinstance(address, IPv6Address) else str(address)


def _sdk(headers: Mapping[bytes, bytes]) -> str:
    """`ios 4.1.2` or `android 5.0.0`, from the headers of the mobile SDKs; anything unprintable or long is dropped."""
    for platform, header in _SDK_HEADERS:
        if header in headers:
            version = headers[header].decode("latin-1")
            return f"{platform} {version}"[:64] if version.isascii() and version.isprintable() else platform
    return ""


_SDK_HEADERS = (("ios", b"x-vital-ios-sdk-version"), ("android", b"x-vital-android-sdk-version"))


def runtime_of(request: Request) -> Runtime:
    """The runtime behind the application that serves *request*."""
    return cast(Runtime, request.app.state.runtime)


async def _runtime(request: Request) -> Runtime:
    """The same as a dependency: a plain function would be sent through the thread pool."""
    return runtime_of(request)


InRuntime = Annotated[Runtime, Depends(_runtime)]


def require_admin(request: Request, runtime: Runtime) -> None:
    """Let only the bearer of `GATEPASS_ADMIN_TOKEN` on.

    Raises Forbidden where the deployment has set no token, AccessTokenInvalid.
    """
    token = runtime.settings.admin_token
    if token is None or not token.get_secret_value():
        raise Forbidden("GATEPASS_ADMIN_TOKEN is not set")
    scheme, _, presented = request.headers.get("authorization", "").partition(" ")
    expected = token.get_secret_value().encode()
    if scheme.lower() != "bearer" or not hmac.compare_digest(presented.strip().encode("latin-1"), expected):
        raise AccessTokenInvalid("not the admin token")


class PayloadTooLarge(Refusal):
    """The request body is longer than the surface takes."""


class MethodNotAllowed(Refusal):
    """The path exists, with other methods: *allow* is the value of the Allow header."""

    def __init__(self, allow: str) -> None:
        super().__init__(allow)
        self.allow = allow


def what_next(refusal: Refusal) -> dict[str, str]:
    """What every surface says of a refusal in headers: when to come again, which methods go (RFC 9110 section 10.2)."""
    match refusal:
        case TooManyRequests() | Unavailable():
            return {"retry-after": str(refusal.retry_after)}
        case MethodNotAllowed():
            return {"allow": refusal.allow}
        case _:
            return {}


class Fault(Refusal):
    """A mistake of ours. The exception behind it is logged, never shown."""


async def read_body(request: Request, limit: int) -> bytes:
    """The whole request body.

    Raises PayloadTooLarge past *limit* bytes, before reading on; InputRefused when the caller hangs up half-way.
    """
    announced = next((value for name, value in request.scope["headers"] if name == b"content-length"), b"").lstrip(b"0")
    if announced.isdigit() and (len(announced) > 18 or int(announced) > limit):
        raise PayloadTooLarge("announced")
    parts, size = [], 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise InputRefused("", "did not arrive whole")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise PayloadTooLarge("chunked")
        if not message.get("more_body", False):
            return b"".join(parts)


def sent(request: Request, header: bytes) -> list[str]:
    """Every value that came under the name *header*, lower case."""
    return [value.decode("latin-1") for name, value in request.scope["headers"] if name == header]


def first(request: Request, header: bytes) -> str:
    """The first value under that name, empty where there is none."""
    return next((value.decode("latin-1") for name, value in request.scope["headers"] if name == header), "")


def only(values: list[str]) -> str | None:
    """A header's one value. Of several, none: which one a proxy in front has looked at is not for us to guess."""
    return values[0] if len(values) == 1 else None


class Ready(Response):
    """An answer whose *headers* are bytes already; its length is added."""

    def __init__(self, status: int, body: bytes, headers: Sequence[tuple[bytes, bytes]]) -> None:
        self.status_code = status
        self.background = None
        self.body = body
        self.raw_headers = [(b"content-length", b"%d" % len(body)), *headers]
