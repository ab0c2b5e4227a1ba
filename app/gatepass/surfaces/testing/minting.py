"""Any state at once: users, sessions, sign-in tokens and QR values as a long life would have left them.

Nothing is written that the server's own verbs would not write. What takes time is done by a unit whose instant lies back,
so a session that is idle for too long was opened long ago, and a spent token was spent by a refresh.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from gatepass.core import qr, rotation, sessions, sign_in, sign_in_tokens, user_deletion, users
from gatepass.core.access_tokens import LEEWAY
from gatepass.core.addresses import Address
from gatepass.core.api_keys import App, Environment
from gatepass.core.refresh_tokens import RefreshToken
from gatepass.core.schema import SECOND
from gatepass.core.sessions import Audience, Cause, Device, Grant, Proof, Surface
from gatepass.core.sign_in_jwt import Issued, SignInToken
from gatepass.core.teams import Team
from gatepass.core.unit import Unit
from gatepass.core.users import User
from gatepass.surfaces.testing import wire

_NO_KEY = UUID(int=0)
_TOGETHER = 5 * SECOND
"""What happened one after the other lies this far apart."""


async def mint_user(unit: Unit, team: Team, wanted: wire.MintUser) -> wire.User:
    """An account. Raises ClientUserIdTaken, Conflict, InputRefused."""
    user = await users.create(
        unit,
        team.id,
        address=Address.parse(wanted.email, dotless=True) if wanted.email else None,
        client_user_id=wanted.client_user_id,
        nickname=wanted.nickname,
        email_verified=wanted.email is not None,
    )
    if wanted.test_user:
        user = await users.change(unit, team.id, user.id, test_user=True)
    if wanted.banned:
        user = await users.ban(unit, team.id, user.id, wanted.banned if isinstance(wanted.banned, str) else "")
    if wanted.deleted:
        user = await user_deletion.delete_user(unit, team.id, user.id)
    return wire.User(
        user_id=user.id,
        email=user.email,
        client_user_id=user.client_user_id,
        nickname=user.nickname,
        banned=user.is_banned,
        deleted=user.deleted_at is not None,
    )


async def whose(unit: Unit, team: Team, user_id: UUID | None, email: str | None) -> User:
    """The living user of that id, or of that mailbox, or a new one. Raises NotFound, InputRefused."""
    if user_id is not None:
        return await users.get(unit, team.id, user_id)
    address = Address.parse(email or f"user-{unit.mint.digits(8)}@example.com", dotless=True)
    return (await users.prove_address(unit, team.id, address))[0]


async def mint_session(unit: Unit, team: Team, wanted: wire.MintSession) -> Grant:
    """A session, and the grant that its app holds. Raises NotFound, UserBanned."""
    user = await whose(unit, team, wanted.user_id, wanted.email)
    policy, surface = unit.policy, wanted.surface
    spent_ago = rotation.RECEIPT_GRACE + policy.replay_window + _TOGETHER if wanted.refresh_token == "spent" else 0
    access_ttl = policy.elixir_access_ttl if surface is Surface.ELIXIR else policy.junction_access_ttl
    issued_ago = access_ttl + LEEWAY + _TOGETHER if wanted.access_token == "expired" else 0
    idle = policy.idle_ttl(surface) + spent_ago + SECOND if wanted.cause is Cause.EXPIRED else 0
    opened_ago = max(issued_ago, spent_ago + _TOGETHER, idle)
    grant = await _open(_ago(unit, opened_ago), user, _audience(team, surface, wanted.environment))
    if spent_ago:
        await _move_on(_ago(unit, max(spent_ago, idle and opened_ago - _TOGETHER)), grant, team)
    if wanted.cause is not None:
        await _end(unit, grant, wanted.cause)
    return grant._replace(issued_at=unit.now - issued_ago)


def _audience(team: Team, surface: Surface, environment: Environment) -> Audience:
    if surface is Surface.ELIXIR:
        return Audience(surface, team.id, environment.value)
    return Audience(surface, team.id, team.environment.value, team.region.value)


def _ago(unit: Unit, ms: int) -> Unit:
    """The same transaction, *ms* earlier."""
    return replace(unit, now=unit.now - ms)


async def _open(unit: Unit, user: User, audience: Audience) -> Grant:
    proof = Proof.OTP if audience.surface is Surface.ELIXIR else Proof.SIGN_IN_TOKEN
    return await sign_in.open_session(unit, user.id, audience, proof, device=Device("Minted"))


async def _move_on(unit: Unit, grant: Grant, team: Team) -> None:
    """Refresh, and use what that answered: the tokens before are spent for good."""
    audience = Audience(grant.surface, team.id, grant.environment)
    token = RefreshToken(grant.session_id, grant.generation).hex(unit.secret)
    later = await rotation.rotate(unit, token, audience)
    await sessions.note_receipt(unit, later.session_id, later.generation)


async def _end(unit: Unit, grant: Grant, cause: Cause) -> None:
    match cause:
        case Cause.BANNED:
            await users.ban(unit, grant.team_id, grant.user_id)
        case Cause.USER_DELETED:
            await user_deletion.delete_user(unit, grant.team_id, grant.user_id)
        case Cause.EXPIRED:
            pass  # by itself: it was opened long ago
        case _:
            await sessions.end(unit, grant.session_id, cause)


async def mint_sign_in_token(unit: Unit, team: Team, wanted: wire.MintSignInToken) -> Issued:
    """A sign-in token, to be signed. Raises NotFound, Forbidden."""
    user = await whose(unit, team, wanted.user_id, wanted.email)
    ago = unit.policy.sign_in_token_ttl + SECOND if wanted.state == "expired" else 0
    issued = await sign_in_tokens.issue(_ago(unit, ago), team, user.id, key_id=None)
    if wanted.state == "used":
        claims = issued.claims
        token = SignInToken(claims["jti"], team.id, user.id, claims["tenant_id"], claims["exp"] * SECOND)
        await _move_on(unit, await sign_in_tokens.redeem(unit, token), team)
    return issued


@dataclass(frozen=True, slots=True)
class MintedQr:
    """A value, and what the session that shows it holds."""

    shown: qr.Shown
    shown_by: Grant


async def mint_qr(unit: Unit, team: Team, wanted: wire.MintQr) -> MintedQr:
    """A QR value in its state. Raises NotFound, UserBanned."""
    user = await whose(unit, team, wanted.user_id, wanted.email)
    then = _ago(unit, unit.policy.qr_ttl + SECOND if wanted.state == "expired" else 0)
    grant = await _open(then, user, Audience(Surface.ELIXIR, team.id, wanted.environment.value))
    shown = await qr.show(then, await sessions.get(unit, grant.session_id))
    if wanted.state == "used":
        app = App(team, wanted.environment, _NO_KEY)
        await qr.scan(unit, app, str(shown.value), device=Device("Minted scanner"))
    return MintedQr(shown, grant._replace(issued_at=unit.now))
