"""A team on a real server, as its customer knows it: an address, an id and a secret key."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx

import commands
from backend import USERS
from gatepass.core import api_keys, sign_in_jwt, teams
from gatepass.core.api_keys import Kind
from gatepass.core.unit import Unit
from gatepass.wiring import Runtime
from harness import SECRET, settings


@dataclass(frozen=True)
class Customer:
    """What a customer holds; the database's address is the operator's."""

    url: str
    team_id: UUID
    key: str
    database_url: str

    @property
    def tenant(self) -> str:
        return sign_in_jwt.tenant_of(self.team_id)

    def user(self, client_user_id: str) -> str:
        """A new user's id."""
        return str(self._post(USERS, {"client_user_id": client_user_id})["user_id"])

    def sign_in_token(self, user_id: str) -> str:
        """What the customer's backend hands to the app."""
        return str(self._post(f"{USERS}/{user_id}/sign_in_token", {})["sign_in_token"])

    def delete(self, user_id: str) -> None:
        httpx.delete(f"{self.url}{USERS}/{user_id}", headers=self._headers).raise_for_status()

    def service_account(self, directory: Path) -> str:
        """The team's exported signing key, as JSON."""
        exported = commands.run(
            "signing-keys",
            "export",
            "--team",
            str(self.team_id),
            cwd=directory,
            secret_key=SECRET,
            database_url=self.database_url,
        )
        assert exported.returncode == 0, exported.stderr
        return exported.stdout

    @property
    def _headers(self) -> dict[str, str]:
        return {"x-vital-api-key": self.key}

    def _post(self, path: str, body: dict[str, str]) -> dict[str, object]:
        answer = httpx.post(self.url + path, json=body, headers=self._headers)
        answer.raise_for_status()
        members: dict[str, object] = answer.json()
        return members


async def new_customer(url: str, database_url: str) -> Customer:
    """A fresh team of the server at *url*, in the database behind it."""

    async def make(unit: Unit) -> tuple[UUID, str]:
        team = await teams.create(unit, "Foreign")
        return team.id, (await api_keys.create(unit, team.id, Kind.SECRET)).text

    runtime = Runtime(settings(database_url))
    try:
        return Customer(url, *await runtime.transact(make), database_url)
    finally:
        await runtime.close()
