"""A device that signs in for the first time is told of by mail, and only such a one."""

from __future__ import annotations

import httpx
import pytest

from gatepass.adapters.worker import Worker
from gatepass.core import outbox, teams, user_listing, users
from gatepass.core.addresses import Address
from gatepass.core.inbox import Message
from gatepass.core.schema import DAY
from gatepass.core.unit import Unit
from harness import ACCOUNT_QR, QR_VERIFY, VERIFY, Phone, Server

PHONE = {"deviceModel": "Pixel 9", "deviceUniqueIdentifier": "b6c7e8f1-pixel"}
TABLET = {"deviceModel": "Galaxy Tab", "deviceUniqueIdentifier": "0a1b2c3d-tablet"}


@pytest.fixture
async def told(server: Server) -> Server:
    """A server whose team has account pages."""
    await set_team(server, account_pages=True)
    return server


async def set_team(server: Server, **changes: object) -> None:
    server.team = await server.runtime.transact(lambda unit: teams.change(unit, server.team.id, **changes))
    server.runtime.forget()


async def notices(server: Server) -> list[Message]:
    """The mails that hold no code."""
    return [mail for mail in await server.deliver() if mail.code is None]


async def test_a_second_device_is_told_of_once(told: Server) -> None:
    await told.sign_in(**PHONE)
    assert await notices(told) == []

    await told.sign_in(**TABLET)
    (notice,) = await notices(told)
    assert notice.to == "ada@example.com"
    assert notice.subject == "New sign-in to your Acme account"
    assert "Device: Galaxy Tab" in notice.text
    assert "Address: 192.0.2.1" in notice.text
    assert "http://127.0.0.1:8000/account" in notice.text
    assert notice.transaction_id is None

    await told.sign_in(**TABLET)
    await told.sign_in(**PHONE)
    assert len(await notices(told)) == 1


async def test_a_known_device_is_known_wherever_it_is(told: Server) -> None:
    await told.sign_in(**PHONE)
    asked = await told.ask_for_code("ada@example.com")
    transport = httpx.ASGITransport(told.app, client=("198.51.100.9", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://gatepass.test") as elsewhere:
        body = {"transactionId": asked["transactionId"], "code": asked["userCode"], **PHONE}
        answer = await elsewhere.post(VERIFY, json=body, headers={"x-api-key": told.development_key})
    assert answer.status_code == 200
    assert await notices(told) == []


@pytest.mark.parametrize("device", [{}, {"deviceUniqueIdentifier": "n/a"}, {"deviceUniqueIdentifier": "0" * 32}])
async def test_a_device_that_does_not_name_itself_goes_by_its_address(told: Server, device: dict[str, str]) -> None:
    await told.sign_in(**device)
    await told.sign_in(**device)
    assert await notices(told) == []
    asked = await told.ask_for_code("ada@example.com")
    transport = httpx.ASGITransport(told.app, client=("198.51.100.9", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://gatepass.test") as elsewhere:
        body = {"transactionId": asked["transactionId"], "code": asked["userCode"], **device}
        await elsewhere.post(VERIFY, json=body, headers={"x-api-key": told.development_key})
    (notice,) = await notices(told)
    assert "Device: a device that gave no name" in notice.text
    assert "Address: 198.51.100.9" in notice.text


async def test_a_device_is_forgotten_after_ninety_days(told: Server) -> None:
    await told.sign_in(**PHONE)
    told.clock.advance(ms=90 * DAY)
    await told.sign_in(**PHONE)
    assert len(await notices(told)) == 1


async def test_a_device_that_scanned_a_qr_is_told_of(told: Server) -> None:
    phone = await told.sign_in(**PHONE)
    shown = (await told.client.post(ACCOUNT_QR, headers=phone.bearer)).json()["data"]
    answer = await told.post(QR_VERIFY, {"qrValue": shown["qrValue"], **TABLET}, headers={"accept-language": "de"})
    assert answer.status_code == 200
    (notice,) = await notices(told)
    assert notice.subject == "Neue Anmeldung bei Ihrem Konto für Acme"
    assert "Gerät: Galaxy Tab" in notice.text


async def test_the_first_sign_in_of_an_account_made_beforehand_is_no_news(told: Server) -> None:
    address = Address.parse("eve@example.com")
    await told.runtime.transact(lambda unit: users.create(unit, told.team.id, address=address))
    await told.sign_in("eve@example.com", **PHONE)
    assert await notices(told) == []
    await told.sign_in("eve@example.com", **TABLET)
    assert len(await notices(told)) == 1


@pytest.mark.parametrize("setting", ["account_pages", "new_device_notices"])
async def test_a_team_that_wants_no_notices_sends_none(told: Server, setting: str) -> None:
    await set_team(told, **{setting: False})
    await told.sign_in(**PHONE)
    await told.sign_in(**TABLET)
    assert await notices(told) == []


async def test_a_notice_speaks_the_language_that_its_reader_chose(told: Server) -> None:
    phone = await told.sign_in(**PHONE)
    await choose(told, phone, "fr")
    await told.sign_in(**TABLET)
    (notice,) = await notices(told)
    assert notice.subject == "Nouvelle connexion à votre compte Acme"


async def test_a_code_speaks_the_chosen_language_too(told: Server) -> None:
    phone = await told.sign_in(**PHONE)
    await choose(told, phone, "pt-BR")
    await told.post("/sdk/auth/v2/signin/otp-login", {"email": "ada@example.com", "locale": "de"})
    assert any("código de login" in mail.subject for mail in await told.deliver())


async def choose(server: Server, phone: Phone, language: str) -> None:
    user_id = (await phone.userinfo()).json()["data"]["sub"]

    async def work(unit: Unit) -> None:
        found, _ = await user_listing.list_page(unit, server.team.id, search=user_id)
        await users.change(unit, server.team.id, found[0].id, language=language)

    await server.runtime.transact(work)


async def test_a_hostile_device_is_text_in_its_notice(told: Server) -> None:
    await told.sign_in(**PHONE)
    await told.sign_in(deviceModel="<b>482193</b> https://evil.example\r\nBcc: x", deviceUniqueIdentifier="evil-0001")
    (notice,) = await notices(told)
    assert "<b>482" not in notice.html
    assert "482193" not in notice.text + notice.html
    assert "//evil" not in notice.text + notice.html
    assert notice.to == "ada@example.com"


async def test_what_is_no_mail_at_all_is_settled_and_holds_up_nobody(told: Server) -> None:

    async def spoil(unit: Unit) -> None:
        for document in (b"[]", b'{"kind": "new_device"}', b'{"kind": "other", "to": "x"}', b"null"):
            await unit.db.execute(
                outbox.outbox.insert().values(
                    id=unit.mint.uuid7(unit.now),
                    team_id=told.team.id,
                    state="pending",
                    deliver=True,
                    sealed=unit.secret.seal("outbox", document),
                    created_at=unit.now,
                    expires_at=unit.now + DAY,
                    due_at=unit.now,
                    tries=0,
                )
            )

    await told.runtime.transact(spoil)
    worker = Worker(told.runtime.transact, told.app.state.postman, told.runtime.outbox_waits)
    assert await worker.drain() == 0
    assert await told.runtime.read(outbox.oldest_waiting) == 0
