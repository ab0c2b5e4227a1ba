"""Where a scenario is played: a world of a server in test mode, moved through its control plane."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx

from gatepass.core.refresh_tokens import RefreshToken
from gatepass.core.server_secret import ServerSecret

REFRESH_ROUTES = {"elixir": ("/sdk/auth/v2/session/refresh",), "junction": ("/v1/token", "/auth/v1/token")}
EMAIL = "ada@example.com"
_WAIT = 30
"""Seconds for a call to arrive."""


@dataclass
class Server:
    """A server in test mode and what only its owner knows."""

    http: httpx.Client
    secret: ServerSecret = field(repr=False)

    @property
    def url(self) -> str:
        return str(self.http.base_url).rstrip("/")

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """A call with the admin token; its answer. Raises httpx.HTTPStatusError."""
        answer = self.http.request(method, path, json=body, **more)
        answer.raise_for_status()
        return answer.json() if answer.content else None


class World:
    """A fresh team with one user, and what can befall them."""

    def __init__(self, server: Server, dialect: str) -> None:
        self.server, self.dialect = server, dialect
        self._read = ""
        made = server.call("POST", "/_test/worlds", {"name": "check-client"})
        self.team: str = made["team_id"]
        self.secret_key: str = made["secret_key"]
        self.publishable_key: str = made["publishable_key"]
        self.user: str = self._plane("POST", "/users", {"email": EMAIL})["user_id"]

    def _plane(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        return self.server.call(method, f"/_test/worlds/{self.team}{path}", body, **more)

    def _user(self, method: str, path: str = "") -> Any:
        return self.server.call(method, f"/admin/v1/teams/{self.team}/users/{self.user}{path}", {})

    # What befalls the user.

    def advance(self, seconds: float) -> None:
        """Let time pass, for the server alone."""
        self._plane("POST", "/clock/advance", {"seconds": seconds})

    def fail_refreshes(self, kind: str, times: int = 1, **how: Any) -> None:
        """Let the next *times* refreshes fail."""
        self.order(*self.refresh_routes, kind=kind, times=times, **how)

    def order(self, *paths: str, kind: str, times: int, **how: Any) -> None:
        """Let something go wrong with calls to *paths*, instead of what was ordered before."""
        do = {"kind": kind, **how}
        self._plane("PUT", "/faults", [{"match": {"path": path}, "do": do, "times": times} for path in paths])

    def heal(self) -> None:
        """Let nothing more go wrong."""
        self._plane("DELETE", "/faults")

    def ban(self) -> None:
        self._user("POST", "/ban")

    def unban(self) -> None:
        self._user("POST", "/unban")

    def delete(self) -> None:
        """As the team's backend does (J6)."""
        self._backend("DELETE", f"/v2/user/{self.user}")

    def undo_delete(self) -> None:
        """J7."""
        self._backend("POST", "/v2/user/undo_delete", params={"user_id": self.user})

    def _backend(self, method: str, path: str, **more: Any) -> None:
        self.server.http.request(method, path, headers={"x-vital-api-key": self.secret_key}, **more).raise_for_status()

    def rotate_signing_keys(self) -> None:
        """The deployment's ring for access tokens; the new key signs two seconds later."""
        self.server.call("POST", "/admin/v1/signing-keys/rotate", {"ring": "access", "at_once": True})

    def steal(self, generation: int) -> httpx.Response:
        """A thief, who copied the refresh token of *generation*, uses it."""
        session = next(UUID(call["session"]) for call in reversed(self.calls()) if call["session"])
        token = RefreshToken(session, generation)
        if self.dialect == "elixir":
            return httpx.post(
                self.server.url + REFRESH_ROUTES["elixir"][0],
                headers={"x-api-key": self.publishable_key},
                json={"refreshToken": token.hex(self.server.secret)},
            )
        form = {"grant_type": "refresh_token", "refresh_token": token.jrt(self.server.secret)}
        return httpx.post(self.server.url + REFRESH_ROUTES["junction"][0], data=form)

    # What its app is handed.

    def code(self) -> str:
        """The code in the user's next mail."""
        after = {"after": self._read} if self._read else {}
        mail = self._plane("GET", "/messages/wait", params={"to": EMAIL, "timeout": _WAIT, **after})
        self._read = mail["id"]
        return str(mail["code"])

    def sign_in_token(self) -> str:
        return str(self._plane("POST", "/sign-in-tokens", {"user_id": self.user})["sign_in_token"])

    # What reached the server.

    @property
    def refresh_routes(self) -> tuple[str, ...]:
        return REFRESH_ROUTES[self.dialect]

    def calls(self, after: int = 0) -> list[dict[str, Any]]:
        """The journal behind the call *after*."""
        found: list[dict[str, Any]] = self._plane("GET", "/requests", params={"after": after})
        return found

    def mark(self) -> int:
        """The id of the latest call."""
        return max((call["id"] for call in self.calls()), default=0)

    def refreshes(self, after: int = 0) -> list[dict[str, Any]]:
        """The calls that presented a refresh token."""
        return [call for call in self.calls(after) if call["path"] in self.refresh_routes and _presents(call)]

    def drop(self) -> None:
        self.server.call("DELETE", f"/_test/worlds/{self.team}")


def _presents(call: dict[str, Any]) -> bool:
    members = call["request"]
    return isinstance(members, dict) and bool({"refreshToken", "refresh_token"} & members.keys())
