"""Tokens checked without asking anybody, against the server's real keys and its real list of the dead."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest

import forgeries
from backend import Backend, MobileApp, new_backend
from gatepass.client import AsyncOfflineVerifier, OfflineVerifier, Rejected
from gatepass.core import sessions, teams, user_deletion, users
from gatepass.core.schema import SECOND
from gatepass.core.sessions import Cause
from gatepass.core.signing_keys import DEPLOYMENT, Ring
from harness import Server
from network import Network
from proofs import Prover

FEED = "/.well-known/revocations"
JWKS = "/.well-known/jwks.json"


@dataclass
class Resource:
    """A customer's own API: it verifies what phones send it, and sometimes fetches a document."""

    backend: Backend
    network: Network
    verifier: AsyncOfflineVerifier = field(init=False)

    def __post_init__(self) -> None:
        self.verifier = self.another()

    def another(self, **options: Any) -> AsyncOfflineVerifier:
        """A verifier that has fetched nothing yet."""
        clock = self.server.clock
        return AsyncOfflineVerifier(
            self.server.runtime.policy.issuer,
            http=httpx.AsyncClient(transport=self.network),
            now=lambda: clock.now() / 1000,
            monotonic=lambda: clock.now() / 1000,
            **options,
        )

    @property
    def server(self) -> Server:
        return self.backend.server

    async def accepts(self, token: str) -> bool:
        try:
            await self.verifier.verify(token)
        except Rejected:
            return False
        return True


@pytest.fixture
async def resource(sqlite_server: Server) -> Resource:
    return Resource(await new_backend(sqlite_server), Network(sqlite_server.app))


@pytest.fixture
async def phone(resource: Resource) -> MobileApp:
    return await resource.backend.sign_in()


def token_of(phone: MobileApp) -> str:
    return str(phone.tokens["access_token"])


async def test_the_claims_of_a_good_token_are_handed_over(resource: Resource, phone: MobileApp) -> None:
    claims = await resource.verifier.verify(token_of(phone))
    assert (claims["sub"], claims["team_id"]) == (phone.user_id, str(resource.backend.team.id))


async def test_many_tokens_cost_two_documents(resource: Resource, phone: MobileApp) -> None:
    await asyncio.gather(*(resource.verifier.verify(token_of(phone)) for _ in range(50)))
    assert (resource.network.calls(JWKS), resource.network.calls(FEED)) == (1, 1)
    resource.server.clock.advance(seconds=6)
    assert await resource.accepts(token_of(phone))
    assert (resource.network.calls(JWKS), resource.network.calls(FEED)) == (1, 2)


async def end_by_admin(resource: Resource, phone: MobileApp) -> None:
    session = await phone.session()
    await resource.server.runtime.transact(lambda unit: sessions.end(unit, session.id, Cause.ADMIN))


async def delete_user(resource: Resource, phone: MobileApp) -> None:
    await resource.server.runtime.transact(
        lambda unit: user_deletion.delete_user(unit, resource.backend.team.id, UUID(phone.user_id))
    )


async def ban_user(resource: Resource, phone: MobileApp) -> None:
    await resource.server.runtime.transact(
        lambda unit: users.ban(unit, resource.backend.team.id, UUID(phone.user_id), "")
    )


async def remove_team(resource: Resource, phone: MobileApp) -> None:
    await resource.server.runtime.transact(lambda unit: teams.remove(unit, resource.backend.team.id))


async def sign_out(resource: Resource, phone: MobileApp) -> None:
    await resource.server.client.post("/v1/revoke", data={"token": phone.tokens["refresh_token"]})


@pytest.mark.parametrize("end", [end_by_admin, delete_user, ban_user, remove_team, sign_out])
async def test_the_dead_are_refused_within_the_age_of_the_list_and_the_living_are_not(
    resource: Resource, phone: MobileApp, end: Any
) -> None:
    other = await (await new_backend(resource.server)).sign_in()
    assert await resource.accepts(token_of(phone))
    await end(resource, phone)
    resource.server.clock.advance(seconds=5.001)
    with pytest.raises(Rejected, match="ended"):
        await resource.verifier.verify(token_of(phone))
    assert await resource.accepts(token_of(other))


async def test_a_listed_user_is_refused_even_where_the_session_is_not_listed(
    resource: Resource, phone: MobileApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list names both; a verifier that reads only one of them would miss what a cut-off list leaves out."""
    from gatepass.core import revocations

    content = revocations.content_of
    monkeypatch.setattr(revocations, "content_of", lambda found: {**content(found), "sessions": []})
    await delete_user(resource, phone)
    with pytest.raises(Rejected, match="ended"):
        await resource.verifier.verify(token_of(phone))


async def test_a_new_session_of_a_user_who_was_unbanned_is_accepted(resource: Resource, phone: MobileApp) -> None:
    await ban_user(resource, phone)
    await resource.server.runtime.transact(
        lambda unit: users.unban(unit, resource.backend.team.id, UUID(phone.user_id))
    )
    resource.server.clock.advance(seconds=2)
    again = await resource.backend.sign_in(phone.user_id)
    assert (await resource.accepts(token_of(again)), await resource.accepts(token_of(phone))) == (True, False)


async def test_a_token_older_than_a_cut_off_list_is_not_vouched_for(
    resource: Resource, phone: MobileApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatepass.core.revocations.MOST", 1)
    for name in ("a", "b", "c"):
        resource.server.clock.advance(seconds=60)
        await sign_out(resource, await resource.backend.sign_in((await resource.backend.create_user(name))["user_id"]))
    with pytest.raises(Rejected, match="introspection"):
        await resource.verifier.verify(token_of(phone))


async def test_an_outage_of_the_list_is_ridden_out_for_a_while_and_not_longer(
    resource: Resource, phone: MobileApp
) -> None:
    assert await resource.accepts(token_of(phone))
    resource.network.fate = lambda request: 503 if request.url.path == FEED else "arrive"
    resource.server.clock.advance(seconds=60)
    assert await resource.accepts(token_of(phone))
    tried = resource.network.calls(FEED)
    assert await resource.accepts(token_of(phone))
    assert resource.network.calls(FEED) == tried, "one try a second, whoever asks"
    resource.server.clock.advance(ms=1)
    with pytest.raises(Rejected, match="could not be fetched"):
        await resource.verifier.verify(token_of(phone))
    resource.network.fate = lambda _: "arrive"
    resource.server.clock.advance(seconds=1)
    assert await resource.accepts(token_of(phone))


@pytest.mark.parametrize("path", [FEED, JWKS])
async def test_a_verifier_that_never_saw_the_documents_trusts_nothing(
    resource: Resource, phone: MobileApp, path: str
) -> None:
    resource.network.fate = lambda request: "lose answer" if request.url.path == path else "arrive"
    assert not await resource.accepts(token_of(phone))


async def test_a_list_past_its_own_life_says_nothing_any_more(resource: Resource, phone: MobileApp) -> None:
    verifier = resource.another(feed_grace=3600.0)
    await verifier.verify(token_of(phone))
    resource.network.fate = lambda request: 503 if request.url.path == FEED else "arrive"
    resource.server.clock.advance(seconds=120)
    await verifier.verify(token_of(phone))
    resource.server.clock.advance(seconds=61)
    with pytest.raises(Rejected, match="could not be fetched"):
        await verifier.verify(token_of(phone))


async def test_a_new_signing_key_is_found_and_the_old_one_still_verifies(resource: Resource, phone: MobileApp) -> None:
    assert await resource.accepts(token_of(phone))
    old = token_of(phone)
    await resource.server.runtime.keyring.rotate(Ring.ACCESS, DEPLOYMENT, at_once=True)
    resource.server.clock.advance(seconds=6)
    assert (await phone.refresh()).status_code == 200
    new = token_of(phone)
    assert jwt.get_unverified_header(new)["kid"] != jwt.get_unverified_header(old)["kid"]
    assert (await resource.accepts(new), await resource.accepts(old)) == (True, True)
    assert resource.network.calls(JWKS) == 2


async def test_made_up_key_ids_do_not_make_it_fetch_for_each(resource: Resource, phone: MobileApp) -> None:
    assert await resource.accepts(token_of(phone))
    header, claims = forgeries.parts_of(token_of(phone))
    resource.server.clock.advance(seconds=6)
    for number in range(20):
        forged = forgeries.signed({**header, "kid": f"made-up-{number}"}, claims, Prover(resource.server.clock).private)
        assert not await resource.accepts(forged)
    assert resource.network.calls(JWKS) == 2


async def test_a_token_is_good_for_its_leeway_and_not_longer(resource: Resource, phone: MobileApp) -> None:
    exp = jwt.decode(token_of(phone), options={"verify_signature": False})["exp"] * SECOND
    resource.server.clock.advance(ms=exp + 60 * SECOND - 1 - resource.server.clock.now())
    assert await resource.accepts(token_of(phone))
    resource.server.clock.advance(ms=1)
    with pytest.raises(Rejected, match="expired"):
        await resource.verifier.verify(token_of(phone))


async def test_every_forgery_is_refused(resource: Resource, phone: MobileApp) -> None:
    token = token_of(phone)
    assert await resource.accepts(token)
    key = await resource.server.runtime.keyring.signer(Ring.ACCESS)
    jwk = (await resource.server.client.get(JWKS)).json()["keys"][0]
    forged = [
        *forgeries.with_a_foreign_key(token),
        *forgeries.with_the_public_key_as_secret(token, key.private.public_key(), jwk),
        *forgeries.with_the_right_key(token, key.private),
    ]
    assert len(forged) > 50
    accepted = {name: text for name, text in forged if await resource.accepts(text)}
    assert accepted.keys() <= {"exp huge", "exp a century on"}, "by the right key; only the list bounds their life"
    header, claims = forgeries.parts_of(token)
    for changed in ({"iss": "https://other.example"}, {"scope": "team"}, {"sid": 1}, {"team_id": None}, {"sub": None}):
        assert not await resource.accepts(forgeries.signed(header, {**claims, **changed}, key.private)), changed
    resource.server.clock.advance(seconds=3663)
    assert [name for name, text in accepted.items() if await resource.accepts(text)] == []


async def test_no_other_token_of_the_server_passes_for_an_access_token(resource: Resource, phone: MobileApp) -> None:
    sign_in_token = await resource.backend.sign_in_token(phone.user_id)
    elixir = await resource.server.sign_in()
    management = {"authorization": resource.server.admin["authorization"]}
    team = await resource.server.client.post(
        f"/admin/v1/teams/{resource.backend.team.id}/access_tokens", headers=management
    )
    for other in (
        sign_in_token,
        str(elixir.bundle["token"]),
        elixir.refresh_token,
        str(phone.tokens["refresh_token"]),
        str(team.json()["access_token"]),
        (await resource.server.client.get(FEED)).text,
    ):
        assert not await resource.accepts(other)


async def test_an_access_token_does_not_pass_for_the_list(resource: Resource, phone: MobileApp) -> None:
    class Liar(Network):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path == FEED:
                return httpx.Response(200, text=token_of(phone), request=request)
            return await super().handle_async_request(request)

    resource.network = Liar(resource.server.app)
    with pytest.raises(Rejected, match="could not be fetched"):
        await resource.another().verify(token_of(phone))


async def test_a_bound_token_is_good_only_with_the_key_that_was_proven(resource: Resource) -> None:
    prover = Prover(resource.server.clock)
    user_id = (await resource.backend.create_user())["user_id"]
    token = await resource.backend.sign_in_token(user_id)
    proof = prover.prove("POST", f"{resource.server.runtime.policy.issuer}/oauth/token")
    answer = await resource.backend.exchange(token, path="/oauth/token", dpop=proof)
    bound = answer.json()["access_token"]
    assert (await resource.verifier.verify(bound, jkt=prover.jkt))["sub"] == user_id
    for jkt in (None, Prover(resource.server.clock).jkt):
        with pytest.raises(Rejected, match="bound"):
            await resource.verifier.verify(bound, jkt=jkt)


async def test_a_proof_for_a_token_that_is_bound_to_nothing_is_refused(resource: Resource, phone: MobileApp) -> None:
    with pytest.raises(Rejected, match="bound"):
        await resource.verifier.verify(token_of(phone), jkt=Prover(resource.server.clock).jkt)


async def test_threads_verify_alike(resource: Resource, phone: MobileApp) -> None:
    documents = {path: await resource.server.client.get(path) for path in (JWKS, FEED)}
    served = httpx.MockTransport(lambda request: httpx.Response(200, content=documents[request.url.path].content))
    now = resource.server.clock.now() / 1000
    verifier = OfflineVerifier(
        resource.server.runtime.policy.issuer, http=httpx.Client(transport=served), now=lambda: now
    )
    assert verifier.verify(token_of(phone))["sub"] == phone.user_id
    with pytest.raises(Rejected):
        verifier.verify(f"{token_of(phone)}==")
