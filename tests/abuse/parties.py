"""Two customers of one server and two users of one customer: what each of them holds, and what each thing is called."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
from routes import FORM, JSON, Route, headers_of

from backend import new_backend, sessions_of
from gatepass.core.teams import Team
from harness import ACCOUNT_QR, ADMIN_TOKEN, REIKEY, Phone, Server

SAMPLES: dict[str, Any] = {
    "org": "acme", "env": "sandbox", "region": "eu", "environment": "production", "provider": "apple_health_kit",
    "resource": "sleep", "name": "Acme", "kind": "publishable", "reason": "", "roles": [], "wallets": [],
    "test_user": False, "nickname": "ada", "picture": "https://example.com/x.png", "email_verified": True,
    "fallback_time_zone": "Europe/Lisbon", "fallback_birth_date": "1990-01-01", "ingestion_start": "2026-01-01",
    "ingestion_end": "2026-12-31", "token_type_hint": "access_token", "ring": "sign-in", "at_once": False,
    "locale": "en", "deviceModel": "Pixel 9", "deviceUniqueIdentifier": "phone-1", "sign_up": "open", "code_length": 6,
    "accept_development_keys": True, "account_pages": True, "new_device_notices": True, "colour": "#336699",
    "refuse_app_keys": False, "returnSecureToken": True, "grant_type": "refresh_token", "language": "en",
    "subject_token_type": "urn:junction:sign-in-token",
}  # fmt: skip
"""Of what names no object, something good to send where it is required."""


@dataclass(frozen=True)
class Party:
    """One caller: credentials by security scheme, and objects by the name that routes give them."""

    server: Server
    team: Team
    credentials: dict[str, str]
    objects: dict[str, str]

    async def call(self, route: Route, way: frozenset[str], values: dict[str, str], **more: Any) -> httpx.Response:
        """*route* with this party's credentials of that *way*, and *values* for what it is about."""
        headers: dict[str, str] = {}
        for scheme in way:
            headers |= headers_of(scheme, self.credentials[scheme])
        query = {name: values[name] for name in route.in_query if name in values}
        if route.media is not None and "content" not in more:
            more |= body_of(route, values)
        return await self.server.client.request(
            route.method, route.target({**SAMPLES, **values}), params=query, headers=headers, **more
        )


def body_of(route: Route, values: dict[str, str], **fragments: str) -> dict[str, Any]:
    """A body with *values*, what else is required, and *fragments* of JSON as they are."""
    members = {
        name: values.get(name, SAMPLES.get(name)) for name in route.in_body if name in values or name in route.required
    }
    if route.media == FORM:
        return {"data": members}
    spelt = {name: json.dumps(value) for name, value in members.items()} | fragments
    content = "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in spelt.items()) + "}"
    return {"content": content.encode()} if route.media == JSON else {}


async def join(server: Server, team: Team | None = None, *, name: str) -> Party:
    """A user of *team*, by default of a new one, who has one of everything."""
    client = server.client
    if team is None:
        team, key, _ = await server.new_team(name)
    else:
        key = server.development_key
    backend = await new_backend(server, team=team)
    app = await backend.sign_in((await backend.create_user(name))["user_id"])
    await app.read()
    asked = await server.post("/sdk/auth/v2/signin/otp-login", {"email": f"{name}@example.com"}, key=key)
    body = {"transactionId": asked.json()["data"]["transactionId"], "code": asked.json()["data"]["userCode"]}
    phone = Phone(server, key, (await server.post("/sdk/auth/v2/signin/otp-verify", body, key=key)).json()["data"])
    player = (await phone.userinfo()).json()["data"]["sub"]
    admin = f"/admin/v1/teams/{team.id}"
    await client.patch(f"{admin}/users/{player}", json={"test_user": True}, headers=server.admin)
    pending = (await server.post("/sdk/auth/v2/signin/otp-login", {"email": f"{name}@example.com"}, key=key)).json()
    shown = (await client.post(ACCOUNT_QR, headers=phone.bearer)).json()["data"]
    reikey = (await client.get(f"{REIKEY}?playerId={player}", headers={"x-api-key": key})).json()["data"]["reikey"]
    keys = (await client.get(f"{admin}/keys", headers=server.admin)).json()["keys"]
    token = (await client.post(f"{admin}/access_tokens", headers=server.admin)).json()["access_token"]
    (session, *_) = await sessions_of(server, app.user_id)
    return Party(
        server,
        team,
        {
            "ApiKey": key,
            "AccessToken": phone.bundle["token"],
            "TeamKey": backend.key,
            "SecretKey": backend.key,
            "TeamToken": token,
            "UserToken": app.tokens["access_token"],
            "UserAccessToken": app.tokens["access_token"],
            "AdminToken": ADMIN_TOKEN,
            "ManagementKey": ADMIN_TOKEN,
        },
        {
            "team_id": str(team.id),
            "user_id": app.user_id,
            "owner_id": app.user_id,
            "client_user_id": name,
            "email": f"{name}@example.com",
            "session_id": str(session.id),
            "key_id": keys[0]["id"],
            "key": f"imported-{name}-{uuid4()}",
            "playerId": player,
            "reikey": reikey,
            "qr_id": shown["qrId"],
            "qrValue": shown["qrValue"],
            "transactionId": pending["data"]["transactionId"],
            "code": pending["data"]["userCode"],
            "refreshToken": phone.refresh_token,
            "refresh_token": app.tokens["refresh_token"],
            "token": app.tokens["access_token"],
            "idToken": app.tokens["access_token"],
            "subject_token": await backend.sign_in_token(app.user_id),
            "tenantId": f"t-{team.id.hex[:12]}",
        },
    )


def nobodys() -> dict[str, str]:
    """Of each object one that there is not, in the same form."""
    ids = ("team_id", "user_id", "owner_id", "session_id", "key_id", "playerId", "reikey", "qr_id", "transactionId")
    return {
        **{name: str(uuid4()) for name in ids},
        "client_user_id": f"nobody-{uuid4()}",
        "email": f"nobody-{uuid4()}@example.com",
        "key": f"imported-{uuid4()}",
        "qrValue": f"REIKEY:{uuid4()}",
        "code": "000000",
        "refreshToken": UUID(int=0).hex + "0" * 40,
        "refresh_token": "jrt_" + "A" * 48,
        "token": "jrt_" + "A" * 48,
        "idToken": "e30.e30.e30",
        "subject_token": "e30.e30.e30",
        "tenantId": "t-000000000000",
    }
