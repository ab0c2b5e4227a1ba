"""The Junction dialect as a client sees it: what is asked, what answers mean, and the life cycle of the mobile SDKs.

Contract junction, section 6. Everything that a phone remembers is one small state in the store:

    mode                      "token" or "api_key"; nothing while nobody is configured
    user_id, environment, region, external_user_id     who is signed in, where, and what the app calls them
    access_token, refresh_token, expires_at            the pair, in mode "token"
    pending_reauthentication  the user stays, the session is over
    api_key                   in mode "api_key"
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import suppress
from enum import Flag, auto
from typing import Any

import httpx

from gatepass.client.driving import Ask, Flow, build
from gatepass.client.errors import CannotMigrate, ClientError, NotSignedIn, Reauthenticate, Refused, SignedOut
from gatepass.client.http_auth import KeyAuth
from gatepass.client.session import Ended, Session, json_object, member
from gatepass.client.storage import State

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
SIGN_IN_TOKEN = "urn:junction:sign-in-token"
_IDENTITY = ("user_id", "environment", "region", "mode", "external_user_id")
_ENVIRONMENTS = {"prd": "production", "stg": "sandbox", "dev": "dev", "local": "local"}


class Status(Flag):
    """What the client is, as the mobile SDKs report it."""

    NOTHING = 0
    CONFIGURED = auto()
    SIGNED_IN = auto()
    API_KEY = auto()
    SIGN_IN_TOKEN = auto()
    PENDING_REAUTHENTICATION = auto()


class JunctionSession(Session):
    """One phone's session, or the API key that it still carries."""

    def refresh_request(self, refresh_token: str) -> httpx.Request:
        return self._token_request(grant_type="refresh_token", refresh_token=refresh_token)

    def read_refresh(self, state: State, answer: httpx.Response) -> State:
        body = json_object(answer)
        if answer.status_code == 200:
            return {**state, **self._pair_in(body)}
        match _word(body):
            case "invalid_token":
                raise Ended({}, SignedOut("the user is gone or disabled"))
            case "reauthentication_required":
                kept = {name: state[name] for name in _IDENTITY if name in state}
                raise Ended({**kept, "pending_reauthentication": True}, self._over())
            case _:
                raise Refused(body.get("error", answer.status_code), str(body.get("error_description", "")))

    def explain_absence(self, state: State) -> ClientError:
        return self._over() if state.get("pending_reauthentication") else super().explain_absence(state)

    def is_token_refused(self, answer: httpx.Response) -> bool:
        return answer.status_code == 401

    def key_auth(self) -> httpx.Auth | None:
        """API-key mode's. Raises NotSignedIn without a user."""
        state = self.store.load()
        if state.get("mode") != "api_key":
            return None
        if not state.get("user_id"):
            raise NotSignedIn("set_user_id first")
        return KeyAuth("x-vital-api-key", state["api_key"])

    @property
    def status(self) -> Status:
        state = self.store.load()
        mode = state.get("mode")
        status = Status.NOTHING
        if mode:
            status |= Status.CONFIGURED | (Status.API_KEY if mode == "api_key" else Status.SIGN_IN_TOKEN)
        if state.get("user_id"):
            status |= Status.SIGNED_IN
        if state.get("pending_reauthentication"):
            status |= Status.PENDING_REAUTHENTICATION
        return status

    # The life cycle.

    def sign_in(self, sign_in_token: str, external_user_id: str | None = None) -> Flow[str]:
        """Exchange; the user's id. A repeated call after a lost answer opens the same session (R5)."""
        token, identity = _read(sign_in_token)
        state = self.store.load()
        _see_that_it_is_the_same(state, identity)
        answer = yield from self.attempt(
            self._token_request(grant_type=TOKEN_EXCHANGE, subject_token_type=SIGN_IN_TOKEN, subject_token=token)
        )
        body = json_object(answer)
        if answer.status_code != 200:
            raise Refused(_word(body) or body.get("error", answer.status_code))
        named = external_user_id or state.get("external_user_id")
        signed_in = {
            **identity,
            **({"external_user_id": named} if named else {}),
            "mode": "token",
            **self._pair_in(body),
        }
        if not self.store.replace(state.get("refresh_token"), signed_in):
            _see_that_it_is_the_same(self.store.load(), identity)  # another process signed in meanwhile
        user_id: str = identity["user_id"]
        return user_id

    def identify(self, external_user_id: str, authenticate: Callable[[str], Any]) -> Flow[str]:
        """See that this user is signed in; *authenticate* is asked for a sign-in token where one is needed."""
        state = self.store.load()
        known = state.get("external_user_id")
        if known not in (None, external_user_id):
            yield from self.sign_out()
            state, known = {}, None
        if known is None or state.get("pending_reauthentication"):
            sign_in_token = yield Ask(authenticate, external_user_id)
            return (yield from self.sign_in(sign_in_token, external_user_id))
        user_id: str = state["user_id"]
        return user_id

    def reconcile(self) -> Flow[Status]:
        """See whether the stored session still lives, as far as can be told without an answer."""
        if Status.SIGN_IN_TOKEN in self.status:
            with suppress(ClientError):
                yield from self.access_token()
        return self.status

    def sign_out(self) -> Flow[None]:
        """Forget, then revoke (A5); a phone without a network just forgets."""
        sent = self.store.load().get("refresh_token")
        self.store.save({})
        if sent:
            with suppress(httpx.RequestError):
                yield build(self.http, "POST", "/v1/revoke", data={"token": sent})

    # What needs no server.

    def configure(self, api_key: str, *, environment: str, region: str) -> None:
        state = self.store.load()
        if state.get("mode") == "token":
            raise CannotMigrate("signed in with a sign-in token already")
        place = {"environment": environment, "region": region}
        user = {name: state[name] for name in ("user_id",) if name in state}
        if user:
            _see_that_it_is_the_same(state, {**user, **place})
        self.store.save({**user, **place, "mode": "api_key", "api_key": api_key})

    def set_user_id(self, user_id: str) -> None:
        state = self.store.load()
        if state.get("mode") != "api_key":
            raise NotSignedIn("configure with an API key first")
        _see_that_it_is_the_same(state, {**state, "user_id": user_id})
        self.store.save({**state, "user_id": user_id})

    def _token_request(self, **form: str) -> httpx.Request:
        return build(self.http, "POST", "/v1/token", data=form)

    def _pair_in(self, body: dict[str, Any]) -> State:
        return self.pair(body.get("access_token"), body.get("refresh_token"), body.get("expires_in"))

    @staticmethod
    def _over() -> Reauthenticate:
        return Reauthenticate("the session is over; sign in with a new sign-in token for the same user")


def _word(body: dict[str, Any]) -> object:
    """The word that ends a session; only the server itself says one."""
    return member(body.get("detail")).get("error_type")


def _see_that_it_is_the_same(state: State, identity: State) -> None:
    """Where somebody is signed in, only the same user of the same environment and region may come in on top.

    iOS writes ids in upper case. Raises CannotMigrate.
    """
    names = ("user_id", "environment", "region") if state.get("user_id") else ()
    if any(str(state.get(name)).lower() != str(identity.get(name)).lower() for name in names):
        raise CannotMigrate("another user, environment or region: sign out first")


def _read(sign_in_token: str) -> tuple[str, State]:
    """The inner token and whom it is for. Reading it is routing, not trust: the server verifies. Raises Refused."""
    try:
        blob = sign_in_token.strip()
        token = blob if "." in blob else json.loads(base64.b64decode(blob, validate=True))["user_token"]
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        environment, region = claims["iss"].split("@")[0].removeprefix("id-signer-").split("-")
        return token, {"user_id": claims["uid"], "environment": _ENVIRONMENTS[environment], "region": region}
    except (ValueError, LookupError, TypeError, AttributeError):
        raise Refused("invalid_token", "this is no sign-in token") from None
