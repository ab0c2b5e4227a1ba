"""The main job: a phone signs in by e-mail and stays signed in."""

from harness import LOGIN, REFRESH, VERIFY, Server


async def test_a_phone_signs_in_by_mail_and_stays_signed_in(server: Server) -> None:
    asked = await server.post(LOGIN, {"email": "ada@example.com"}, key=server.production_key)
    assert asked.json().keys() == {"code", "success", "data"}
    assert asked.json()["data"].keys() == {"transactionId"}
    (mail,) = await server.deliver()

    verified = await server.post(
        VERIFY, {"transactionId": mail.transaction_id, "code": mail.code}, key=server.production_key
    )
    assert verified.status_code == 200
    bundle = verified.json()["data"]
    assert bundle["newAccount"] is True

    for _ in range(3):
        server.clock.advance(seconds=3600)
        answer = await server.post(REFRESH, {"refreshToken": bundle["refreshToken"]}, key=server.production_key)
        assert answer.status_code == 200
        assert answer.json()["data"]["refreshToken"] != bundle["refreshToken"]
        bundle = answer.json()["data"]
