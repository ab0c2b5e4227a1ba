"""Who calls, and how far that reaches (contract junction, sections 3 and 7).

A call is checked in one order: size, credential, then its path, query and body, then business. A team's credential (its
secret key, or a team access token) reaches everything in the team; a user's token reaches that user and nothing else,
which is a 403 and never a 401, for one SDK answers every 401 with a refresh and a second try.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar
from uuid import UUID

import structlog
from fastapi import Depends, Request

from gatepass.core import access_tokens, app_keys, dpop, teams, users
from gatepass.core.access_tokens import Bearer
from gatepass.core.errors import (
    AccessTokenDead,
    AccessTokenInvalid,
    ApiKeyUnknown,
    DpopRefused,
    Forbidden,
    Unavailable,
)
from gatepass.core.ids import find_id
from gatepass.core.signing_keys import Ring
from gatepass.core.teams import Team
from gatepass.core.unit import Caller, Unit
from gatepass.core.users import User
from gatepass.surfaces.junction import wire
from gatepass.surfaces.junction.refusals import AppKeyRefused
from gatepass.wiring import Runtime, only, read_body, runtime_of, sent

T = TypeVar("T")
log = structlog.get_logger("gatepass")


@dataclass(frozen=True, slots=True)
class TeamCredential:
    """A team calls. *key_id* is None for a team access token."""

    team: Team
    key_id: UUID | None


Credential = TeamCredential | Bearer


async def reached(unit: Unit, by: Credential, presented: str, where: str = "path") -> User:
    """The user of the *presented* id, where that is the caller itself or of the caller's team (C1: parsed, not compared).

    Raises BodyRefused, Forbidden for another user's token, NotFound, UserDeleted.
    """
    user_id = wire.id_in(presented, where)
    if isinstance(by, TeamCredential):
        return await users.get_undeleted(unit, by.team.id, user_id)
    return _itself(by, user_id)


def _itself(bearer: Bearer, user_id: UUID) -> User:
    if bearer.user.id != user_id:
        raise Forbidden("another user's resource")
    return bearer.user


@dataclass(frozen=True, slots=True)
class Call:
    """One request: its credentials as presented, and its body. *key* is None where no key header was sent at all."""

    runtime: Runtime
    request: Request
    caller: Caller
    key: str | None
    token: str | None
    proof: dpop.Request | None
    body: bytes

    async def for_team(self, work: Callable[[Unit, TeamCredential], Awaitable[T]], *, writes: bool = True) -> T:
        """Run *work* in one transaction, for a team only.

        Raises as `run`; Forbidden for a user's token.
        """

        async def only_for_a_team(unit: Unit, by: Credential) -> T:
            if isinstance(by, Bearer):
                raise Forbidden("a user's token where only a team may call")
            return await work(unit, by)

        return await self.run(only_for_a_team, writes=writes)

    async def for_user(self, presented: str, work: Callable[[Unit, User], Awaitable[T]], *, writes: bool = False) -> T:
        """Run *work* in one transaction, for the user of the *presented* id, called by itself or its team.

        Raises as `run`, `reached` and *work* do.
        """

        async def only_for_that_user(unit: Unit, by: Credential) -> T:
            return await work(unit, await reached(unit, by, presented))

        return await self.run(only_for_that_user, writes=writes)

    async def user(self, presented: str) -> User:
        """The user of the *presented* id, called by itself or its team. Raises as `run` and `reached`."""
        if self.key is None and self.proof is None and self.token and access_tokens.is_a_users(self.token):
            bearer = await self.runtime.user_bearer(self.token, caller=self.caller)
            return _itself(bearer, wire.id_in(presented))

        async def this(_: Unit, user: User) -> User:
            return user

        return await self.for_user(presented, this)

    async def run(self, work: Callable[[Unit, Credential], Awaitable[T]], *, writes: bool = False) -> T:
        """Run *work* in one transaction for whoever the credentials speak for.

        Raises ApiKeyRefused, AccessTokenRefused, UserBanned, DpopRefused, AppKeyRefused, and as *work* does.
        """
        transact = self.runtime.transact if writes or self.proof is not None else self.runtime.read
        if self.key is not None:  # where both are sent, the key decides
            by_key = await self.team_named()
            try:
                return await transact(lambda unit: work(unit, by_key), caller=self.caller)
            finally:
                if self.caller.sdk and by_key.key_id is not None:
                    await self._count(by_key.team.id, by_key.key_id)
        keys = await self.runtime.keyring.verifiers(Ring.ACCESS) if self.token else {}

        async def identified(unit: Unit) -> T:
            return await work(unit, await self._identify(unit, keys))

        return await transact(identified, caller=self.caller)

    async def team_named(self) -> TeamCredential:
        """The team that the key opens, at most a second old. Raises ApiKeyUnknown, AppKeyRefused."""
        key, team = await self.runtime.team_keys.named_by(self.key)
        self.runtime.tally.keys.note((team.id, key.id), self.caller, self.runtime.clock.now())
        if self.caller.sdk and team.refuse_app_keys:
            # A secret key that arrives with a mobile SDK's version header was shipped inside an app.
            await self._count(team.id, key.id)
            raise AppKeyRefused("a team key inside an app")
        return TeamCredential(team, key.id)

    async def _identify(self, unit: Unit, keys: dict[str, Any]) -> Credential:
        """Whom the token speaks for."""
        if self.token is None:
            raise ApiKeyUnknown("no credential")
        try:
            team_id = access_tokens.team_named_by(unit.policy, self.token, keys, unit.now)
        except AccessTokenInvalid:
            bearer = await access_tokens.authenticate_user(unit, self.token, keys, proof=self.proof)
            if self.proof is not None and bearer.session.jkt is None:
                raise DpopRefused("a proof for a token that is bound to nothing") from None
            return bearer
        if (named := await teams.find(unit, team_id)) is None:
            raise AccessTokenDead("the team is gone")
        return TeamCredential(named, None)

    async def _count(self, team_id: UUID, key_id: UUID) -> None:
        """Note the call in the migration meter, in a transaction of its own; no request fails for want of it."""
        named = find_id(self.request.path_params.get("user_id", ""))

        async def note(unit: Unit) -> None:
            user = await users.find(unit, team_id, named) if named is not None else None
            await app_keys.note(unit, team_id, key_id, user.id if user is not None else None)

        try:
            await self.runtime.transact(note, caller=self.caller)
        except Unavailable as error:
            log.warning("app_key_not_counted", reason=str(error))
        except Exception:
            log.exception("app_key_not_counted")


async def call_of(request: Request, limit: int) -> Call:
    """Read *request*, its body up to *limit* bytes. Raises PayloadTooLarge."""
    runtime = runtime_of(request)
    body = await read_body(request, limit)
    keys, authorizations = sent(request, b"x-vital-api-key"), sent(request, b"authorization")
    authorization = only(authorizations) if authorizations else ""
    scheme, _, token = ("bearer" if authorization is None else authorization).partition(" ")
    return Call(
        runtime=runtime,
        request=request,
        caller=runtime.caller(request),
        key=(only(keys) or "") if keys else None,
        token=token.strip() if scheme.lower() in ("bearer", "dpop") else None,
        proof=runtime.proof(request) if scheme.lower() == "dpop" else None,
        body=body,
    )


async def _call(request: Request) -> Call:
    return await call_of(request, wire.BODY_LIMIT)


InCall = Annotated[Call, Depends(_call)]
