"""One world: a team on a test server that no other test knows of."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from gatepass.testing.control_plane import ControlPlane
from gatepass.testing.parts import Clock, Faults, Inbox, Requests


class World:
    """Its keys for the client under test, and what the test does behind the client's back."""

    def __init__(self, plane: ControlPlane, url: str, made: dict[str, str]) -> None:
        self._plane = plane
        self.url = url
        self.team_id = made["team_id"]
        self.secret_key = made["secret_key"]
        self.publishable_key = made["publishable_key"]
        self.production_publishable_key = made["production_publishable_key"]
        self.inbox = Inbox(plane, self.team_id)
        self.clock = Clock(plane, self.team_id)
        self.faults = Faults(plane, self.team_id)
        self.requests = Requests(plane, self.team_id)

    def __repr__(self) -> str:
        return f"World({self.team_id} on {self.url})"

    def mint_user(self, email: str | None = None, **wanted: Any) -> dict[str, Any]:
        """An account: `client_user_id`, `nickname`, `test_user`, `banned` (may be the reason), `deleted`."""
        return self._mint("users", email=email, **wanted)

    def mint_session(self, email: str | None = None, **wanted: Any) -> dict[str, Any]:
        """Its `access_token` and `refresh_token`, in any state.

        `surface` ("elixir", "junction"), `environment` ("development", "production"), `access_token` ("live", "expired"),
        `refresh_token` ("live", "spent"), `ended` (a cause, such as "reuse"), `user_id`.
        """
        return self._mint("sessions", email=email, **wanted)

    def mint_sign_in_token(self, email: str | None = None, **wanted: Any) -> str:
        """What a backend hands to its app; `state`: "live", "expired" or "used"."""
        token: str = self._mint("sign-in-tokens", email=email, **wanted)["sign_in_token"]
        return token

    def mint_qr(self, email: str | None = None, **wanted: Any) -> dict[str, Any]:
        """A `qr_value` to scan; `state`: "pending", "expired" or "used"."""
        return self._mint("qr", email=email, **wanted)

    def _mint(self, what: str, **wanted: Any) -> dict[str, Any]:
        given = {name: value for name, value in wanted.items() if value is not None}
        minted: dict[str, Any] = self._plane.call("POST", f"/_test/worlds/{self.team_id}/{what}", given)
        return minted

    def ban(self, user: str, reason: str = "") -> None:
        """Suspend the user of that id or address: every session ends, and signing in is refused with *reason*."""
        self._plane.call("POST", f"{self._user(user)}/ban", {"reason": reason})

    def unban(self, user: str) -> None:
        """Let the user sign in again; sessions that ended stay ended."""
        self._plane.call("POST", f"{self._user(user)}/unban")

    def delete(self, user: str) -> None:
        """Delete the user's account, which `undelete` takes back for seven days."""
        self._plane.call("DELETE", self._user(user))

    def undelete(self, user: str) -> None:
        self._plane.call("POST", f"{self._user(user, deleted=True)}/undelete")

    def _user(self, user: str, *, deleted: bool = False) -> str:
        """The admin API's path of the user of that id or address. Raises LookupError."""
        team = f"/admin/v1/teams/{self.team_id}/users"
        if "@" not in user:
            return f"{team}/{quote(user, safe='')}"
        found = self._plane.call("GET", team, search=user, deleted=deleted)["users"]
        for one in found:
            if (one["email"] or "").lower() == user.lower():
                return f"{team}/{one['id']}"
        raise LookupError(f"no {'deleted ' * deleted}user {user} in this world")

    def snapshot(self) -> str:
        """Remember all that is in the world, for `restore`."""
        taken: str = self._plane.call("POST", f"/_test/worlds/{self.team_id}/snapshot")["snapshot"]
        return taken

    def restore(self, snapshot: str) -> None:
        """Put the world back to exactly that; its clock and its mail too."""
        self._plane.call("POST", f"/_test/worlds/{self.team_id}/restore", {"snapshot": snapshot})
