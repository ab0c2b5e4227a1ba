"""Two hold one token, and only one of them is its owner: whoever comes second gives the theft away."""

from harness import Phone, Server


async def test_a_stolen_token_used_after_its_owner_moved_on_ends_the_session(server: Server) -> None:
    phone = await server.sign_in()
    thief = Phone(server, phone.key, dict(phone.bundle))
    server.clock.advance(seconds=3000)
    await phone.refresh()
    await phone.userinfo()
    server.clock.advance(seconds=600)
    refused = await thief.refresh()
    assert refused.json()["error"] == {"status": 400, "code": "INVALID_REFRESH_TOKEN"}
    assert (await phone.userinfo()).status_code == 400
    assert (await phone.refresh()).json()["error"]["code"] == "INVALID_REFRESH_TOKEN"


async def test_a_thief_who_refreshes_first_is_thrown_out_when_the_owner_comes_back(server: Server) -> None:
    phone = await server.sign_in()
    thief = Phone(server, phone.key, dict(phone.bundle))
    server.clock.advance(seconds=600)
    await thief.refresh()
    await thief.userinfo()
    server.clock.advance(seconds=600)
    assert (await phone.refresh()).status_code == 400
    assert (await thief.userinfo()).status_code == 400
    assert (await thief.refresh()).status_code == 400


async def test_the_owners_other_devices_stay_signed_in(server: Server) -> None:
    phone, tablet = await server.sign_in(), await server.sign_in()
    stolen = phone.refresh_token
    for _ in range(3):
        server.clock.advance(seconds=600)
        await phone.refresh()
    server.clock.advance(seconds=600)
    assert (await phone.refresh(stolen)).status_code == 400
    assert (await phone.userinfo()).status_code == 400
    assert (await tablet.userinfo()).status_code == 200
