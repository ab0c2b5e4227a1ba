"""Section 5: the sign-in token byte for byte (T1 to T9), and J8 that makes it."""

from __future__ import annotations

import base64
import json
import random
import re
from typing import Any
from uuid import UUID

import jwt
import pytest

from backend import EXCHANGE, TOKEN, USERS, Backend, new_backend
from gatepass.core import sign_in_jwt, sign_in_tokens, signing_keys, users
from gatepass.core.mint import Mint
from gatepass.core.sign_in_jwt import AUDIENCE, Issued
from gatepass.core.signing_keys import Ring, SigningKey
from gatepass.core.teams import Region, SignUp, Team, TeamEnvironment
from harness import Server

SEGMENT = re.compile(r"[A-Za-z0-9]+")
SERVICE = re.compile(r"id-signer-(prd|stg|dev|local)-(us|eu)@vital-id-\1-\2\.iam\.gserviceaccount\.com")


def team_of(mint: Mint, region: Region = Region.US, environment: TeamEnvironment = TeamEnvironment.SANDBOX) -> Team:
    return Team(
        id=mint.uuid4(),
        name="Acme",
        region=region,
        environment=environment,
        sign_up=SignUp.OPEN,
        code_length=None,
        accept_development_keys=True,
        account_pages=False,
        new_device_notices=False,
        colour=None,
        refuse_app_keys=False,
        owner_id=None,
        created_at=0,
        removed_at=None,
    )


def claims_of(mint: Mint, team: Team) -> Issued:
    """What `issue` records, without a database."""
    now, user_id = mint._source.randrange(1_700_000_000, 2_000_000_000), mint.uuid4()
    service = sign_in_jwt.service_account(team)
    claims = {
        "iss": service,
        "sub": service,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + 900,
        "jti": mint.alphanumeric(24),
        "uid": str(user_id),
        "tenant_id": sign_in_jwt.tenant_of(team.id),
        "claims": {"vital_team_id": str(team.id)},
    }
    return Issued(claims, team, user_id)


def decoded(segment: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    return found


class KeyWithoutArithmetic:
    """A private key whose signature costs nothing: the first two segments do not depend on it."""

    def sign(self, *_: object) -> bytes:
        return b"signature"


def test_ten_thousand_random_tokens_are_readable_by_every_sdk() -> None:
    mint, cheap = Mint(random.Random(7)), KeyWithoutArithmetic()
    places = [(region, environment) for region in Region for environment in TeamEnvironment]
    for number in range(10_000):
        team = team_of(mint, *places[number % len(places)])
        kid = f"t{team.id.hex[:8]}{mint.bytes(4).hex()}"
        key = SigningKey(mint.uuid4(), Ring.SIGN_IN, team.id, 1, kid, cheap, None, {}, 0, 0, None)
        issued = claims_of(mint, team)
        user_token = sign_in_jwt.sign(issued, key)
        header, payload, signature = user_token.split(".")
        assert SEGMENT.fullmatch(header)
        assert SEGMENT.fullmatch(payload)
        assert signature
        assert decoded(header) == {"alg": "RS256", "typ": "JWT", "kid": kid}
        claims = decoded(payload)
        assert claims == issued.claims
        assert SERVICE.fullmatch(claims["iss"])
        assert (claims["sub"], str(UUID(claims["uid"]))) == (claims["iss"], claims["uid"])
        blob = sign_in_jwt.wrap(team, user_token)
        assert json.loads(base64.b64decode(blob, validate=True)) == {
            "public_key": f"pub_{team.id.hex[:8]}",
            "user_token": user_token,
        }


def test_a_value_that_would_need_a_dash_is_padded_away() -> None:
    mint = Mint(random.Random(7))
    team = team_of(mint)
    fresh = signing_keys.generate(Ring.SIGN_IN, team.id)
    private = signing_keys.load_pem_private_key(fresh.pem, password=None)
    key = SigningKey(mint.uuid4(), Ring.SIGN_IN, team.id, 1, fresh.kid, private, private.public_key(), {}, 0, 0, None)
    issued = claims_of(mint, team)
    paddings = set()
    for word in ("?", "a?", "ab?", "~", "a~", "ab~", ">", "a>", "ab>"):
        odd = Issued({**issued.claims, "tenant_id": word}, team, issued.user_id)
        header, payload, _ = sign_in_jwt.sign(odd, key).split(".")
        assert SEGMENT.fullmatch(header)
        assert SEGMENT.fullmatch(payload)
        claims = decoded(payload)
        paddings.add(claims.pop("pad", None))
        assert claims == odd.claims
    assert paddings > {None}, "a third of them fell on the one place that needs it"


@pytest.mark.parametrize(
    ("environment", "region", "where"),
    [
        (TeamEnvironment.PRODUCTION, Region.US, "prd-us"),
        (TeamEnvironment.SANDBOX, Region.EU, "stg-eu"),
        (TeamEnvironment.DEV, Region.US, "dev-us"),
        (TeamEnvironment.LOCAL, Region.EU, "local-eu"),
    ],
)
async def test_a_token_routes_the_sdk_to_its_environment(
    sqlite_server: Server, environment: TeamEnvironment, region: Region, where: str
) -> None:
    backend = await new_backend(sqlite_server, environment=environment, region=region)
    user = await backend.create_user()
    answer = await backend.call("POST", f"{USERS}/{user['user_id'].upper()}/sign_in_token", {})
    assert answer.json().keys() == {"user_id", "sign_in_token"}
    assert answer.json()["user_id"] == user["user_id"]
    outer = json.loads(base64.b64decode(answer.json()["sign_in_token"], validate=True))
    header, payload, _ = outer["user_token"].split(".")
    ring = await sqlite_server.runtime.keyring.keys(Ring.SIGN_IN, backend.team.id)
    assert decoded(header) == {"alg": "RS256", "typ": "JWT", "kid": ring[0].kid}
    claims = decoded(payload)
    service = f"id-signer-{where}@vital-id-{where}.iam.gserviceaccount.com"
    assert {name: claims[name] for name in ("iss", "sub", "aud", "uid", "tenant_id", "claims")} == {
        "iss": service,
        "sub": service,
        "aud": AUDIENCE,
        "uid": user["user_id"],
        "tenant_id": f"t-{backend.team.id.hex[:12]}",
        "claims": {"vital_team_id": str(backend.team.id)},
    }
    assert claims["exp"] - claims["iat"] == 900


async def test_the_blob_and_the_token_inside_open_the_same_session(backend: Backend) -> None:
    user = await backend.create_user()
    blob = await backend.sign_in_token(user["user_id"])
    inner = json.loads(base64.b64decode(blob))["user_token"]
    first, second = await backend.exchange(inner), await backend.exchange(blob)
    assert first.json()["refresh_token"] == second.json()["refresh_token"]


async def test_a_token_dies_with_the_key_that_minted_it(backend: Backend, server: Server) -> None:
    user = await backend.create_user()
    token = await backend.sign_in_token(user["user_id"])
    (key,) = (await server.client.get(f"/admin/v1/teams/{backend.team.id}/keys", headers=server.admin)).json()["keys"]
    revoked = await server.client.delete(f"/admin/v1/teams/{backend.team.id}/keys/{key['id']}", headers=server.admin)
    assert revoked.is_success
    assert (await backend.exchange(token)).json()["detail"]["error_type"] == "invalid_token"
    assert (await backend.call("GET", USERS)).status_code == 401, "and the key itself opens nothing from now on"


async def test_a_token_expires_after_fifteen_minutes(backend: Backend) -> None:
    user = await backend.create_user()
    token = await backend.sign_in_token(user["user_id"])
    late = await backend.sign_in_token(user["user_id"])
    backend.server.clock.advance(seconds=899)
    assert (await backend.exchange(token)).status_code == 200
    backend.server.clock.advance(seconds=1)
    assert (await backend.exchange(late)).json()["detail"]["error_type"] == "invalid_token"


async def test_a_backend_may_mint_tokens_by_itself_with_the_teams_key(backend: Backend) -> None:
    """As firebase-admin does: no `kid`, no `jti`, an hour at most."""
    runtime, user = backend.server.runtime, await backend.create_user()
    key = await runtime.keyring.signer(Ring.SIGN_IN, backend.team.id)
    now = runtime.clock.now() // 1000
    service = sign_in_jwt.service_account(backend.team)
    claims = {
        "iss": service,
        "sub": service,
        "aud": AUDIENCE,
        "uid": user["user_id"],
        "iat": now,
        "exp": now + 3600,
        "tenant_id": sign_in_jwt.tenant_of(backend.team.id),
        "claims": {"vital_team_id": str(backend.team.id)},
    }
    token = jwt.encode(claims, signing_keys.pem_of(key), "RS256")
    first = await backend.exchange(token)
    assert (first.status_code, first.json()["user_id"]) == (200, user["user_id"])
    assert (await backend.exchange(token)).json()["refresh_token"] == first.json()["refresh_token"]
    long = jwt.encode({**claims, "exp": now + 3601}, signing_keys.pem_of(key), "RS256")
    assert (await backend.exchange(long)).status_code == 400


async def test_a_token_of_another_team_names_its_own_ring(backend: Backend, server: Server) -> None:
    other = await new_backend(server)
    mine = await backend.create_user()
    await other.sign_in()
    key = await server.runtime.keyring.signer(Ring.SIGN_IN, other.team.id)
    issued = await server.runtime.transact(
        lambda unit: sign_in_tokens.issue(unit, backend.team, UUID(mine["user_id"]), key_id=None)
    )
    forged = sign_in_jwt.sign(issued, key)
    assert (await backend.exchange(forged)).json()["detail"]["error_type"] == "invalid_token"


async def test_a_banned_user_cannot_redeem_what_was_minted_before(backend: Backend, server: Server) -> None:
    user = await backend.create_user()
    token = await backend.sign_in_token(user["user_id"])
    await server.runtime.transact(lambda unit: users.ban(unit, backend.team.id, UUID(user["user_id"])))
    answer = await server.client.post(TOKEN, data={**EXCHANGE, "subject_token": token})
    assert answer.json()["detail"]["error_type"] == "invalid_token"
