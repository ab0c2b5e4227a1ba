"""Signing one device out leaves the others alone, and the one it was for cannot come back."""

from harness import Server


async def test_signing_out_one_device_leaves_the_other_signed_in(server: Server) -> None:
    phone, tablet = await server.sign_in(), await server.sign_in()
    spent = phone.refresh_token
    await phone.refresh()
    assert (await phone.sign_out()).status_code == 200
    for token in (phone.refresh_token, spent):
        assert (await phone.refresh(token)).json()["error"] == {"status": 400, "code": "INVALID_REFRESH_TOKEN"}
    assert (await phone.userinfo()).json()["error"]["code"] == 1000
    assert (await phone.sign_out()).json()["error"]["code"] == 1000
    assert (await tablet.userinfo()).status_code == 200
    assert (await tablet.refresh()).status_code == 200


async def test_a_device_can_sign_out_with_a_token_that_has_just_run_out(server: Server) -> None:
    phone = await server.sign_in()
    server.clock.advance(seconds=2 * 3600)
    assert (await phone.userinfo()).status_code == 400
    assert (await phone.sign_out()).status_code == 200
    assert (await phone.refresh()).status_code == 400
