"""What test mode signs is worth nothing in production, on the same database and under the same secret; nor vice versa."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from fastapi import Request, Response
from plane import Plane, in_test_mode

from gatepass.core import access_tokens, api_keys
from gatepass.core.access_tokens import TEST_CLAIM, AccessToken
from gatepass.core.errors import AccessTokenInvalid
from gatepass.core.sessions import Surface
from gatepass.core.signing_keys import Ring
from gatepass.core.unit import Unit
from harness import Server, serve
from life import begin


async def token_of(server: Server, surface: Surface) -> AccessToken:
    """An access token of a session that *server* can see."""
    grant = (await begin(server, surface=surface)).opened
    if surface is Surface.ELIXIR:
        return server.runtime.signer.elixir(grant)
    return server.runtime.signer.junction(grant, await server.runtime.keyring.signer(Ring.ACCESS))


async def accept(server: Server, surface: Surface, token: AccessToken, key: str) -> access_tokens.Bearer:
    """The bearer, as *server* reads *token*. Raises AccessTokenInvalid."""
    keys = await server.runtime.keyring.verifiers(Ring.ACCESS)

    async def work(unit: Unit) -> access_tokens.Bearer:
        if surface is Surface.ELIXIR:
            return await access_tokens.authenticate(unit, token.text, await api_keys.authenticate_app(unit, key))
        return await access_tokens.authenticate_user(unit, token.text, keys)

    return await server.runtime.read(work)


@pytest.mark.parametrize("surface", list(Surface))
async def test_each_mode_refuses_the_others_tokens(database_url: str, surface: Surface) -> None:
    async with serve(database_url) as production, in_test_mode(database_url) as plane:
        tested = plane.server
        for minting, other in ((tested, production), (production, tested)):
            token = await token_of(minting, surface)
            assert await accept(minting, surface, token, minting.development_key)
            with pytest.raises(AccessTokenInvalid):
                await accept(other, surface, token, minting.development_key)


@pytest.mark.parametrize("surface", list(Surface))
async def test_the_mark_is_refused_whatever_key_is_named(sqlite_url: str, surface: Surface) -> None:
    """The claim alone would do: had somebody taken over the names of the keys, it would still be there."""
    async with serve(sqlite_url) as production, in_test_mode(sqlite_url) as plane:
        runtime, grant = production.runtime, (await begin(production, surface=surface)).opened
        marked = access_tokens.Signer(runtime.secret, plane.server.runtime.policy, runtime.mint)
        if surface is Surface.ELIXIR:
            headers, claims = _parts(marked.elixir(grant))
            key: Any = runtime.secret.team_keys("elixir-access-token", grant.team_id.bytes)[0]
            headers["kid"] = headers["kid"].removeprefix("test-")
        else:
            signing = await runtime.keyring.signer(Ring.ACCESS)
            headers, claims = _parts(marked.junction(grant, signing))
            key = signing.private
        assert claims[TEST_CLAIM] is True
        text = jwt.encode(claims, key, headers["alg"], headers=headers)
        with pytest.raises(AccessTokenInvalid, match="of another mode"):
            await accept(production, surface, AccessToken(text, 0, 0), production.development_key)


def _parts(token: AccessToken) -> tuple[dict[str, Any], dict[str, Any]]:
    claims: dict[str, Any] = jwt.decode(token.text, options={"verify_signature": False})
    return jwt.get_unverified_header(token.text), claims


@pytest.mark.parametrize("surface", list(Surface))
async def test_a_test_token_says_so_in_its_header_and_claims(sqlite_plane: Plane, surface: Surface) -> None:
    header, claims = _parts(await token_of(sqlite_plane.server, surface))
    assert header["kid"].startswith("test-")
    assert claims[TEST_CLAIM] is True


async def test_the_key_set_of_test_mode_names_its_keys_as_its_tokens_do(sqlite_plane: Plane) -> None:
    header, _ = _parts(await token_of(sqlite_plane.server, Surface.JUNCTION))
    keys = (await sqlite_plane.client.get("/.well-known/jwks.json")).json()["keys"]
    assert header["kid"] in {key["kid"] for key in keys}
    assert all(key["kid"].startswith("test-") for key in keys)
    listed = (await sqlite_plane.client.get("/admin/v1/signing-keys", headers=sqlite_plane.server.admin)).json()
    assert header["kid"] in {key["kid"] for key in listed["signing_keys"] if key["ring"] == "access"}


async def test_a_team_token_of_test_mode_is_refused_in_production(sqlite_url: str) -> None:
    async with serve(sqlite_url) as production, in_test_mode(sqlite_url) as plane:
        runtime, now = plane.server.runtime, plane.clock.now()
        token = runtime.signer.team(plane.server.team, await runtime.keyring.signer(Ring.ACCESS), now)
        for server, accepted in ((plane.server, True), (production, False)):
            keys = await server.runtime.keyring.verifiers(Ring.ACCESS)
            if accepted:
                assert access_tokens.team_named_by(server.runtime.policy, token.text, keys, now) == plane.server.team.id
            else:
                with pytest.raises(AccessTokenInvalid):
                    access_tokens.team_named_by(server.runtime.policy, token.text, keys, now)


async def test_every_answer_of_test_mode_says_so_faults_of_ours_too(sqlite_plane: Plane) -> None:
    async def breaks(_: Request) -> Response:
        raise RuntimeError

    sqlite_plane.server.app.add_route("/v1/breaks", breaks)
    for path, status in (("/livez", 200), ("/nowhere", 404), ("/_test/worlds/x/clock", 401), ("/v1/breaks", 500)):
        answer = await sqlite_plane.client.get(path)
        assert (answer.status_code, answer.headers["x-gatepass-test-mode"]) == (status, "1")


async def test_no_answer_of_production_does(sqlite_server: Server) -> None:
    for path in ("/livez", "/nowhere", "/_test/worlds"):
        assert "x-gatepass-test-mode" not in (await sqlite_server.client.get(path)).headers
