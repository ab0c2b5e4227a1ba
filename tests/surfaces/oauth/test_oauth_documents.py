"""Metadata, public keys and revocations: what others fetch and keep."""

from __future__ import annotations

from typing import Any

import httpx
import jwt
import pytest

from backend import Backend, MobileApp, new_backend
from gatepass.client.verifier import OfflineVerifier, Rejected
from gatepass.core import teams
from gatepass.core.signing_keys import Ring
from harness import Server, serve

METADATA = "/.well-known/oauth-authorization-server"
JWKS = "/.well-known/jwks.json"
REVOCATIONS = "/.well-known/revocations"


async def get(server: Server, path: str, **headers: str) -> httpx.Response:
    return await server.client.get(path, headers=headers)


async def feed(server: Server) -> dict[str, Any]:
    """The list's claims, its signature checked with the published keys as a stranger would."""
    answer = await get(server, REVOCATIONS)
    assert answer.status_code == 200, answer.text
    header = jwt.get_unverified_header(answer.text)
    assert (header["alg"], header["typ"]) == ("ES256", "revocations+jwt")
    keys = jwt.PyJWKSet.from_dict((await get(server, JWKS)).json())
    options: Any = {"verify_exp": False, "verify_iat": False}
    claims: dict[str, Any] = jwt.decode(answer.text, keys[header["kid"]].key, algorithms=["ES256"], options=options)
    return claims


async def test_the_metadata_says_what_there_is_and_nothing_more(sqlite_url: str) -> None:
    async with serve(sqlite_url, public_url="https://auth.example.com/") as server:
        answer = await get(server, METADATA, host="evil.example", **{"x-forwarded-host": "evil.example"})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        assert answer.json() == {
            "issuer": "https://auth.example.com",
            "token_endpoint": "https://auth.example.com/oauth/token",
            "token_endpoint_auth_methods_supported": ["none"],
            "grant_types_supported": ["refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange"],
            "response_types_supported": [],
            "scopes_supported": ["user"],
            "revocation_endpoint": "https://auth.example.com/oauth/revoke",
            "revocation_endpoint_auth_methods_supported": ["none"],
            "introspection_endpoint": "https://auth.example.com/oauth/introspect",
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "Bearer"],
            "userinfo_endpoint": "https://auth.example.com/userinfo",
            "jwks_uri": "https://auth.example.com/.well-known/jwks.json",
            "revocations_uri": "https://auth.example.com/.well-known/revocations",
            "dpop_signing_alg_values_supported": ["ES256", "RS256", "EdDSA"],
        }


async def test_every_url_of_the_metadata_is_served(sqlite_server: Server) -> None:
    document = (await get(sqlite_server, METADATA)).json()
    for name, url in document.items():
        if name.endswith(("_endpoint", "_uri")):
            path = url.removeprefix(document["issuer"])
            statuses = {(await sqlite_server.client.request(how, path)).status_code for how in ("GET", "POST")}
            assert 404 not in statuses, name


async def test_an_issuer_with_a_path_has_its_metadata_behind_the_well_known_part(sqlite_url: str) -> None:
    async with serve(sqlite_url, public_url="https://example.com/auth") as server:
        for path in (METADATA, f"{METADATA}/auth", f"{METADATA}/auth/"):
            assert (await get(server, path)).json()["issuer"] == "https://example.com/auth"
        assert (await get(server, f"{METADATA}/other")).status_code == 404


async def test_nothing_of_openid_is_announced(sqlite_server: Server) -> None:
    assert (await get(sqlite_server, "/.well-known/openid-configuration")).status_code == 404


@pytest.mark.parametrize(("path", "age"), [(METADATA, 3600), (JWKS, 300), (REVOCATIONS, 5)])
async def test_a_document_is_cacheable_and_not_sent_twice(server: Server, path: str, age: int) -> None:
    answer = await get(server, path)
    etag = answer.headers["etag"]
    assert answer.headers["cache-control"] == f"public, max-age={age}"
    for known in (etag, f'"other", {etag}', "*", etag.removeprefix("W/"), f"W/{etag.removeprefix('W/')}"):
        again = await get(server, path, **{"if-none-match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert (await get(server, path, **{"if-none-match": '"other"'})).status_code == 200


async def test_a_stranger_verifies_an_access_token_with_the_published_keys(backend: Backend) -> None:
    app = await backend.sign_in()
    keys = jwt.PyJWKSet.from_dict((await get(backend.server, JWKS)).json())
    token = app.tokens["access_token"]
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(
        token,
        key.key,
        algorithms=["ES256"],
        audience="junction-api",
        options={"verify_exp": False, "verify_iat": False},
    )
    assert (claims["iss"], claims["sub"]) == ("http://127.0.0.1:8000", app.user_id)


async def test_the_key_set_holds_public_members_of_the_access_ring_alone(backend: Backend) -> None:
    await backend.sign_in()
    for key in (await get(backend.server, JWKS)).json()["keys"]:
        assert set(key) == {"kty", "crv", "x", "y", "alg", "use", "kid"}


async def test_a_rotated_key_is_published_before_the_first_token_it_signs(server: Server) -> None:
    keyring = server.runtime.keyring

    async def published() -> set[str]:
        return {key["kid"] for key in (await get(server, JWKS)).json()["keys"]}

    etag = (await get(server, JWKS)).headers["etag"]
    old = (await keyring.signer(Ring.ACCESS)).kid
    new = (await keyring.rotate(Ring.ACCESS)).kid
    assert {old, new} <= await published()
    assert (await get(server, JWKS, **{"if-none-match": etag})).status_code == 200
    assert (await keyring.signer(Ring.ACCESS)).kid == old
    server.clock.advance(seconds=600)
    assert (await keyring.signer(Ring.ACCESS)).kid == new
    assert {old, new} <= await published()
    server.clock.advance(seconds=3600 + 121)
    assert new in await published()
    assert old not in await published()


# Revocations.


async def test_the_feed_is_empty_claims_and_all(server: Server) -> None:
    claims = await feed(server)
    now = server.clock.now() // 1000
    assert list(claims) == ["iss", "iat", "exp", "since", "sessions", "users", "teams"]
    assert (claims["iss"], claims["iat"]) == ("http://127.0.0.1:8000", now)
    assert 120 <= claims["exp"] - now <= 180
    assert now - 3662 <= claims["since"] <= now - 3660


async def test_who_signs_out_is_listed_within_a_second(backend: Backend) -> None:
    app = await backend.sign_in()
    session = str((await app.session()).id)
    etag = (await get(backend.server, REVOCATIONS)).headers["etag"]
    await backend.server.client.post("/oauth/revoke", data={"token": app.tokens["refresh_token"]})
    backend.server.clock.advance(seconds=1)
    answer = await get(backend.server, REVOCATIONS, **{"if-none-match": etag})
    assert answer.status_code == 200
    assert session in (await feed(backend.server))["sessions"]


async def test_a_deleted_user_and_a_removed_team_are_listed(backend: Backend) -> None:
    app = await backend.sign_in()
    await backend.call("DELETE", f"/v2/user/{app.user_id}")
    claims = await feed(backend.server)
    assert claims["users"][app.user_id] == backend.server.clock.now() // 1000
    assert str((await app.session()).id) in claims["sessions"]


async def test_the_same_list_keeps_its_tag_for_a_minute_and_is_then_signed_anew(server: Server) -> None:
    server.clock.advance(ms=60_000 - server.clock.now() % 60_000)
    first = await get(server, REVOCATIONS)
    server.clock.advance(seconds=59)
    assert (await get(server, REVOCATIONS)).text == first.text
    server.clock.advance(seconds=1)
    later = await get(server, REVOCATIONS)
    assert later.headers["etag"] != first.headers["etag"]
    assert jwt.decode(later.text, options={"verify_signature": False})["exp"] > server.clock.now() // 1000


async def test_two_processes_tag_the_same_list_alike(server: Server) -> None:
    url = server.runtime.settings.database_url.get_secret_value()
    async with serve(url, clock=server.clock) as other:
        assert (await get(other, REVOCATIONS)).headers["etag"] == (await get(server, REVOCATIONS)).headers["etag"]


def offline(server: Server, documents: dict[str, httpx.Response]) -> OfflineVerifier:
    """A resource server that fetched these documents just now."""

    def answer(request: httpx.Request) -> httpx.Response:
        fetched = documents[request.url.path]
        return httpx.Response(fetched.status_code, content=fetched.content)

    http = httpx.Client(transport=httpx.MockTransport(answer))
    return OfflineVerifier("http://127.0.0.1:8000", http=http, now=lambda: server.clock.now() / 1000)


async def sign_out(backend: Backend, app: MobileApp) -> None:
    await backend.server.client.post("/oauth/revoke", data={"token": app.tokens["access_token"]})


async def delete_the_user(backend: Backend, app: MobileApp) -> None:
    await backend.call("DELETE", f"/v2/user/{app.user_id}")


async def remove_the_team(backend: Backend, app: MobileApp) -> None:
    await backend.server.runtime.transact(lambda unit: teams.remove(unit, backend.team.id))


@pytest.mark.parametrize("end", [sign_out, delete_the_user, remove_the_team])
async def test_the_reference_verifier_drops_a_token_whose_session_ended(backend: Backend, end: Any) -> None:
    app, other, server = await backend.sign_in(), await (await new_backend(backend.server)).sign_in(), backend.server

    async def documents() -> dict[str, httpx.Response]:
        return {path: await get(server, path) for path in (JWKS, REVOCATIONS)}

    before = offline(server, await documents())
    assert before.verify(app.tokens["access_token"])["sub"] == app.user_id
    await end(backend, app)
    server.clock.advance(seconds=1)
    after = offline(server, await documents())
    with pytest.raises(Rejected, match="ended"):
        after.verify(app.tokens["access_token"])
    assert after.verify(other.tokens["access_token"])["sub"] == other.user_id


async def test_a_token_that_still_lives_is_never_older_than_the_list(backend: Backend) -> None:
    app, server = await backend.sign_in(), backend.server
    server.clock.advance(seconds=app.tokens["expires_in"] + 59)
    documents = {path: await get(server, path) for path in (JWKS, REVOCATIONS)}
    assert offline(server, documents).verify(app.tokens["access_token"])["sub"] == app.user_id


async def test_a_second_server_starts_with_the_first_ones_keys(backend: Backend) -> None:
    app = await backend.sign_in()
    url = backend.server.runtime.settings.database_url.get_secret_value()
    async with serve(url, clock=backend.server.clock) as other:
        answer = await other.client.get("/userinfo", headers=app.bearer)
        assert (answer.status_code, answer.json()["sub"]) == (200, app.user_id)
        assert (await new_backend(other)).team.id != backend.team.id
