"""Whom a request speaks for, in test mode: which world, which user, which session.

Looked up beside the handler, for faults and the journal alone. A token is believed as far as its session or team exists;
whether it is good is for the handler to say, so that a call with a dead token is seen in its world too.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from sqlalchemy import select

from gatepass.core import jws, refresh_tokens, sign_in_jwt, teams
from gatepass.core.api_keys import api_keys
from gatepass.core.errors import RefreshRefused
from gatepass.core.ids import find_id
from gatepass.core.otp import otp_transactions
from gatepass.core.server_secret import sha256
from gatepass.core.sessions import sessions
from gatepass.core.unit import Unit
from gatepass.core.users import users

_KEY_HEADERS = (b"x-api-key", b"x-vital-api-key")
_TOKEN = re.compile(r"[A-Za-z0-9_.+/=-]{40,16384}")


@dataclass(frozen=True, slots=True)
class Party:
    """What is known of the other end. *generation* is that of the refresh or access token it came with."""

    world: UUID | None = None
    user: UUID | None = None
    email: str | None = None
    session: UUID | None = None
    generation: int | None = None

    def is_user(self, named: str) -> bool:
        """Whether *named* is this user's id or e-mail address."""
        return named in (str(self.user), self.email)

    def or_else(self, other: Party) -> Party:
        """This, what it lacks taken from *other*."""
        known = {name: getattr(self, name) for name in Party.__slots__ if getattr(self, name) is not None}
        return replace(other, **known)


NOBODY = Party()


@dataclass(frozen=True, slots=True)
class Clues:
    """The parts of a request that can tell: its headers, the members of its query and body, and its path's parameters."""

    headers: list[tuple[bytes, bytes]]
    query: list[tuple[str, str]]
    body: object
    path_params: Mapping[str, str]

    def api_keys(self) -> Iterator[str]:
        """Whatever may be an API key."""
        for name, value in self.headers:
            if name in _KEY_HEADERS:
                yield value.decode("latin-1")
        if self._authorization:
            yield self._authorization.rpartition(":")[2]  # of Basic, the password
        yield from (value for name, value in self.query if name == "key")

    def tokens(self) -> Iterator[str]:
        """Whatever may be a token."""
        members = self.body.values() if isinstance(self.body, dict) else ()
        for value in (*members, self._authorization):
            if isinstance(value, str) and _TOKEN.fullmatch(value):
                yield value

    def named(self, name: str) -> str:
        """A text member of the body, empty where there is none."""
        value = self.body.get(name) if isinstance(self.body, dict) else None
        return value if isinstance(value, str) else ""

    @property
    def _authorization(self) -> str:
        presented = next((value for name, value in self.headers if name == b"authorization"), b"").decode("latin-1")
        scheme, _, credentials = presented.partition(" ")
        if scheme.lower() != "basic":
            return credentials.strip()
        try:
            return base64.b64decode(credentials, validate=True).decode()
        except ValueError:
            return ""


def read_members(content_type: str, body: bytes) -> object:
    """The members of a JSON or form body; None for anything else."""
    try:
        text = body.decode()
        if content_type.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
            return dict(parse_qsl(text, keep_blank_values=True))
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


async def identify(unit: Unit, clues: Clues) -> Party:
    """Everything that *clues* tell, the API key's word first. A world that was dropped is none."""
    party = NOBODY
    for presented in clues.api_keys():
        world = await unit.db.scalar(select(api_keys.c.team_id).where(api_keys.c.digest == sha256(presented)))
        party = party.or_else(Party(world=world))
    party = party.or_else(Party(world=find_id(clues.path_params.get("team_id", ""))))
    for presented in clues.tokens():
        party = party.or_else(await _behind(unit, presented))
    party = party.or_else(await _in_transaction(unit, clues.named("transactionId")))
    party = party.or_else(Party(user=find_id(clues.path_params.get("user_id", "")), email=clues.named("email") or None))
    if party.world is None or await teams.find(unit, party.world) is None:
        return NOBODY
    if party.user is not None and party.email is None:
        return replace(party, email=await unit.db.scalar(select(users.c.email).where(users.c.id == party.user)))
    return party


async def _behind(unit: Unit, presented: str) -> Party:
    """What a refresh, access, team or sign-in token tells."""
    try:
        token = refresh_tokens.parse(unit.secret, presented)
        return await _of_session(unit, token.session_id, token.generation)
    except RefreshRefused:
        pass
    try:
        presented = sign_in_jwt.unwrap(presented)
        jws.header_of(presented)
        claims = jws.unverified_claims(presented)
    except jws.NotOurs:
        return NOBODY
    if (session_id := _id(claims, "sid")) is not None:
        generation = claims.get("gen")
        return await _of_session(unit, session_id, generation if type(generation) is int else None)
    if (world := sign_in_jwt.team_named_in(claims)) is not None:
        return Party(world=world, user=_id(claims, "uid"))
    return Party(world=_id(claims, "sub") if claims.get("scope") == "team" else None)


async def _of_session(unit: Unit, session_id: UUID, generation: int | None) -> Party:
    query = select(sessions.c.team_id, sessions.c.user_id).where(sessions.c.id == session_id)
    if (row := (await unit.db.execute(query)).one_or_none()) is None:
        return NOBODY
    return Party(row.team_id, row.user_id, session=session_id, generation=generation)


async def _in_transaction(unit: Unit, presented: str) -> Party:
    """Whose code is presented with that transaction id."""
    if (transaction_id := find_id(presented)) is None:
        return NOBODY
    query = select(otp_transactions.c.team_id, otp_transactions.c.email).where(otp_transactions.c.id == transaction_id)
    row = (await unit.db.execute(query)).one_or_none()
    return Party(row.team_id, email=row.email) if row is not None else NOBODY


def _id(claims: dict[str, Any], name: str) -> UUID | None:
    value = claims.get(name)
    return find_id(value) if isinstance(value, str) else None
