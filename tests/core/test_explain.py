"""Why was I signed out? Every cause has its sentence, and the timeline tells what happened."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from uuid import UUID, uuid4

import jwt
import pytest
from sqlalchemy import delete, update

from gatepass.core import explain as explain_module
from gatepass.core import sessions, users
from gatepass.core.audit import Event
from gatepass.core.errors import NotFound
from gatepass.core.explain import Explanation, explain, span
from gatepass.core.refresh_tokens import RefreshToken
from gatepass.core.schema import DAY, HOUR, MINUTE, SECOND
from gatepass.core.sessions import Cause
from gatepass.core.unit import Unit
from harness import ACCOUNT_QR, QR_VERIFY, REFRESH, Phone, Server


def session_of(phone: Phone) -> UUID:
    return UUID(jwt.decode(phone.bundle["token"], options={"verify_signature": False})["sid"])


async def explained(server: Server, phone: Phone) -> Explanation:
    return await server.runtime.read(lambda unit: explain(unit, session_of(phone)))


def events(explanation: Explanation) -> list[str]:
    return [moment.event for moment in explanation.timeline]


async def test_an_open_session_sends_the_reader_to_the_phone(server: Server) -> None:
    phone = await server.sign_in(deviceModel="Pixel 9")
    server.clock.advance(seconds=3600)
    told = await explained(server, phone)
    assert told.summary.startswith(
        "The session is open, last refreshed 1 hour ago and good for another 179 days 23 hours;"
    )
    assert [moment.words for moment in told.timeline] == ["Opened with an e-mailed code on Pixel 9."]
    assert told.timeline[0].at == told.session.opened_at


async def test_a_sign_out_is_told_as_asked_for(server: Server) -> None:
    phone = await server.sign_in()
    await phone.sign_out()
    told = await explained(server, phone)
    assert told.summary.startswith("The device signed itself out")
    assert events(told) == ["session_opened", "session_ended"]
    assert told.timeline[-1].words == "Ended: the device signed out."


async def test_reuse_after_a_receipt_tells_how_long_its_successor_had_been_in_use(server: Server) -> None:
    phone = await server.sign_in()
    spent = phone.refresh_token
    await phone.refresh()
    await phone.userinfo()
    server.clock.advance(seconds=90)
    assert (await phone.refresh(spent)).status_code == 400
    told = await explained(server, phone)
    assert "a refresh token that was spent already came back 1 minute 30 seconds after its successor" in told.summary
    assert events(told) == ["session_opened", "session_ended"]


async def test_reuse_of_an_old_generation_tells_how_old_it_was(server: Server) -> None:
    phone = await server.sign_in()
    spent = phone.refresh_token
    for _ in range(3):
        server.clock.advance(seconds=3600)
        await phone.refresh()
    server.clock.advance(seconds=3600)
    await phone.refresh(spent)
    told = await explained(server, phone)
    assert "a refresh token 3 generations old came back, which no phone that merely lost an answer" in told.summary


async def test_a_used_up_budget_tells_of_every_recovery_before_it(server: Server) -> None:
    phone = await server.sign_in()
    for _ in range(4):
        kept = phone.refresh_token
        await phone.refresh()
        server.clock.advance(seconds=3600)
        last = await phone.refresh(kept)
    assert last.status_code == 400
    told = await explained(server, phone)
    assert "the recoveries allowed for lost answers were used up" in told.summary
    assert events(told) == ["session_opened", *["refresh_recovered"] * 3, "session_ended"]
    assert told.timeline[1].words == "A lost answer was recovered: generation 1 was handed out again."


async def test_a_ban_is_told_with_its_reason_until_it_is_lifted(server: Server) -> None:
    phone = await server.sign_in()
    user_id = (await explained(server, phone)).session.user_id
    await server.runtime.transact(lambda unit: users.ban(unit, server.team.id, user_id, "cheating"))
    assert "The account is suspended (cheating)" in (await explained(server, phone)).summary
    await server.runtime.transact(lambda unit: users.unban(unit, server.team.id, user_id))
    assert "the suspension has been lifted since" in (await explained(server, phone)).summary


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (Cause.ADMIN, "An administrator ended the session"),
        (Cause.USER_DELETED, "The account was deleted"),
        (Cause.TEAM_GONE, "The team was removed"),
        (Cause.EXPIRED, "The session expired: "),
    ],
)
async def test_each_other_cause_has_its_own_sentence(server: Server, cause: Cause, words: str) -> None:
    phone = await server.sign_in()
    await server.runtime.transact(lambda unit: sessions.end(unit, session_of(phone), cause))
    told = await explained(server, phone)
    assert told.summary.startswith(words)
    assert told.timeline[-1].event == "session_ended"


async def test_an_idle_session_tells_how_long_the_phone_stayed_away(server: Server) -> None:
    phone = await server.sign_in()
    server.clock.advance(seconds=181 * 86400)
    told = await explained(server, phone)
    assert told.summary.startswith("The session expired: the phone did not refresh for 180 days;")
    assert events(told) == ["session_opened", "session_expired"]
    assert told.timeline[-1].at == told.session.idle_expires_at


async def test_an_absolute_limit_is_told_as_such(server: Server) -> None:
    phone = await server.sign_in()

    async def limit(unit: Unit) -> None:
        await unit.db.execute(
            update(sessions.sessions)
            .where(sessions.sessions.c.id == session_of(phone))
            .values(absolute_expires_at=unit.now + DAY)
        )

    await server.runtime.transact(limit)
    server.clock.advance(seconds=2 * 86400)
    told = await explained(server, phone)
    assert "no session of its kind lives longer than 1 day" in told.summary


async def test_a_session_opened_by_qr_names_the_one_that_showed_it(server: Server) -> None:
    shower = await server.sign_in()
    shown = await server.client.post(ACCOUNT_QR, headers=shower.bearer, json={})
    scanned = await server.post(QR_VERIFY, {"qrValue": shown.json()["data"]["qrValue"], "deviceModel": "iPad"})
    scanner = Phone(server, server.development_key, scanned.json()["data"])
    assert (await explained(server, scanner)).timeline[0].words == (
        f"Opened with a QR value that another device showed, shown by session {session_of(shower)} on iPad."
    )
    assert events(await explained(server, shower)) == ["session_opened", "qr_shown"]


async def test_a_phone_ahead_of_a_restored_database_is_told_as_adopted(server: Server) -> None:
    phone = await server.sign_in()
    ahead = RefreshToken(session_of(phone), 7).hex(server.runtime.secret)
    assert (await server.post(REFRESH, {"refreshToken": ahead})).status_code == 200
    told = await explained(server, phone)
    assert events(told) == ["session_opened", "generation_adopted"]
    assert "(generation 7 against 0)" in told.timeline[-1].words


async def test_a_session_of_another_team_or_a_purged_one_is_not_found(server: Server) -> None:
    phone = await server.sign_in()
    with pytest.raises(NotFound):
        await server.runtime.read(lambda unit: explain(unit, session_of(phone), team_id=uuid4()))

    async def purge(unit: Unit) -> None:
        await unit.db.execute(delete(sessions.sessions).where(sessions.sessions.c.id == session_of(phone)))

    await server.runtime.transact(purge)
    with pytest.raises(NotFound):
        await explained(server, phone)


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (0, "less than a second"),
        (-5, "less than a second"),
        (SECOND, "1 second"),
        (HOUR + 20 * MINUTE + 3 * SECOND, "1 hour 20 minutes"),
        (3 * DAY + 5 * SECOND, "3 days"),
    ],
)
def test_a_duration_is_said_in_its_two_largest_units(ms: int, words: str) -> None:
    assert span(ms) == words


def test_whatever_is_written_about_a_session_has_its_words_in_the_timeline() -> None:
    """Also what is added to the events tomorrow: every call that records an event with a session is found in the source."""
    told = set(explain_module._WORDS) | {Event.SESSION_OPENED, Event.SESSION_ENDED}
    recorded = set()
    for path in Path(explain_module.__file__).parent.glob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if not isinstance(call, ast.Call) or not ast.unparse(call.func).endswith("record"):
                continue
            if ast.unparse(call.func) == "_record" or any(one.arg == "session_id" for one in call.keywords):
                recorded |= {Event[name] for name in re.findall(r"Event\.([A-Z_]+)", ast.unparse(call))}
    assert recorded >= {Event.SESSION_ENDED, Event.REFRESH_RECOVERED, Event.GENERATION_ADOPTED, Event.REUSE_UNHEARD}
    assert recorded - told == set()
