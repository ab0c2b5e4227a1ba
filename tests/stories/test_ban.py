"""A suspended account: told why, everywhere at once, and back again only through a new sign-in."""

from uuid import UUID

from gatepass.core import users
from harness import VERIFY, Phone, Server


async def ban(phone: Phone, reason: str) -> None:
    server, user_id = phone.server, UUID(phone.bundle["user"]["_id"])
    await server.runtime.transact(lambda unit: users.ban(unit, server.team.id, user_id, reason))


async def unban(phone: Phone) -> None:
    server, user_id = phone.server, UUID(phone.bundle["user"]["_id"])
    await server.runtime.transact(lambda unit: users.unban(unit, server.team.id, user_id))


async def test_a_ban_is_told_with_its_reason_wherever_the_phone_turns(server: Server) -> None:
    phone = await server.sign_in()
    code = await server.ask_for_code("ada@example.com")
    await ban(phone, "cheating")
    suspended = {"status": 400, "code": 1130, "message": "Account suspended", "banReason": "cheating"}
    assert (await phone.refresh()).json()["error"] == suspended
    assert (await phone.userinfo()).json()["error"] == suspended
    verified = await server.post(VERIFY, {"transactionId": code["transactionId"], "code": code["userCode"]})
    assert verified.json()["error"] == suspended


async def test_after_an_unban_the_old_session_stays_ended_and_a_new_sign_in_works(server: Server) -> None:
    phone = await server.sign_in()
    await ban(phone, "cheating")
    await unban(phone)
    assert (await phone.refresh()).json()["error"] == {"status": 400, "code": "INVALID_REFRESH_TOKEN"}
    assert (await phone.userinfo()).json()["error"]["code"] == 1000
    again = await server.sign_in()
    assert again.bundle["user"]["_id"] == phone.bundle["user"]["_id"]
    assert again.bundle["newAccount"] is False
    assert (await again.refresh()).status_code == 200


async def test_a_code_that_met_a_ban_is_spent(server: Server) -> None:
    """Single use is single use: the code that was right opens nothing later either."""
    phone = await server.sign_in()
    asked = await server.ask_for_code("ada@example.com")
    code = {"transactionId": asked["transactionId"], "code": asked["userCode"]}
    await ban(phone, "")
    assert (await server.post(VERIFY, code)).json()["error"]["code"] == 1130
    await unban(phone)
    assert (await server.post(VERIFY, code)).json()["error"]["code"] == 1000
