"""What happens to a session on a phone, told once with each way to sign in where both have it."""

import pytest
from app.client import Client, ElixirClient, JunctionClient, SignedOut, TryLater

from gatepass.testing import World

ADA = "ada@example.com"
REFRESH = {"phone": "/sdk/auth/v2/session/refresh", "companion": "/v1/token"}
both = pytest.mark.parametrize("name", ["phone", "companion"])


@pytest.fixture
def client(name: str, request: pytest.FixtureRequest) -> Client:
    return request.getfixturevalue(name)


def test_a_code_from_the_mail_signs_in(phone: ElixirClient) -> None:
    assert phone.profile()["email"] == ADA


def test_a_wrong_code_does_not(gatepass: World) -> None:
    client = ElixirClient(gatepass.url, gatepass.publishable_key)
    client.ask_for_code(ADA)
    mail = gatepass.inbox.wait(to=ADA)
    with pytest.raises(SignedOut):
        client.sign_in(mail.transaction_id, "000000" if mail.code != "000000" else "111111")
    client.close()


def test_a_sign_in_token_signs_in_though_the_answer_is_lost(gatepass: World) -> None:
    gatepass.faults.lose_answer("/v1/token")
    client = JunctionClient(gatepass.url)
    client.sign_in(gatepass.mint_sign_in_token(ADA))
    client.renew()
    assert [one.fault for one in gatepass.requests.to("/v1/token")] == ["commit_then_drop", None, None]
    client.close()


@both
def test_a_lost_answer_signs_nobody_out(client: Client, name: str, gatepass: World) -> None:
    before = client.store["refresh"]
    gatepass.faults.lose_answer(REFRESH[name])
    client.renew()
    assert client.store["refresh"] != before
    client.renew()


@both
@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_signs_nobody_out(client: Client, name: str, status: int, gatepass: World) -> None:
    gatepass.faults.answer(status, REFRESH[name], retry_after=1)
    with pytest.raises(TryLater):
        client.renew()
    client.renew()


def test_an_expired_access_token_is_renewed_unseen(phone: ElixirClient, gatepass: World) -> None:
    before = phone.store["access"]
    gatepass.clock.advance(days=1)
    assert phone.profile()["email"] == ADA
    assert phone.store["access"] != before


@both
def test_a_year_in_a_drawer_ends_the_session(client: Client, gatepass: World) -> None:
    gatepass.clock.advance(days=400)
    with pytest.raises(SignedOut):
        client.renew()
    assert client.store == {}


def test_a_ban_ends_the_session_and_says_why(phone: ElixirClient, gatepass: World) -> None:
    gatepass.ban(ADA, "Chargeback")
    with pytest.raises(SignedOut, match="Chargeback"):
        phone.renew()


def test_who_is_unbanned_signs_in_again(phone: ElixirClient, gatepass: World) -> None:
    gatepass.ban(ADA)
    with pytest.raises(SignedOut):
        phone.renew()
    gatepass.unban(ADA)
    last = gatepass.inbox.wait(to=ADA)
    phone.ask_for_code(ADA)
    mail = gatepass.inbox.wait(to=ADA, after=last)
    phone.sign_in(mail.transaction_id, mail.code)
    assert phone.profile()["email"] == ADA
