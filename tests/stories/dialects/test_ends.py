"""Everything that ends a session, felt on its next call and on its next refresh, and by no other device."""

from __future__ import annotations

from uuid import UUID

from dialects import OK, Device, Dialect, Outcome, row_of

from gatepass.core import sessions, user_deletion, users
from gatepass.core.sessions import Cause


async def hears(phone: Device, outcome: Outcome) -> None:
    """Its next call and its next refresh both say so, and keep saying so."""
    said = [await phone.call(), await phone.refresh(), await phone.call(), await phone.refresh()]
    assert said == [phone.dialect.called[outcome], phone.dialect.refreshed[outcome]] * 2


async def test_a_token_that_comes_back_after_its_successor_was_used_ends_the_session(dialect: Dialect) -> None:
    phone, tablet = await dialect.sign_in(), await dialect.sign_in()
    stolen = phone.refresh_token
    assert [await phone.refresh(), await phone.call()] == [OK, OK]
    dialect.server.clock.advance(seconds=31)
    assert await phone.refresh(stolen) == dialect.refreshed[Outcome.ENDED]
    await hears(phone, Outcome.ENDED)
    assert [await tablet.call(), await tablet.refresh()] == [OK, OK]


async def test_a_thief_who_was_first_is_thrown_out_by_the_owners_next_refresh(dialect: Dialect) -> None:
    phone = await dialect.sign_in()
    thief = Device(dialect, phone.user_id, phone.refresh_token, phone.access_token)
    assert [await thief.refresh(), await thief.call()] == [OK, OK]
    dialect.server.clock.advance(seconds=31)
    assert await phone.refresh() == dialect.refreshed[Outcome.ENDED]
    await hears(thief, Outcome.ENDED)


async def test_a_ban_reaches_every_device_and_after_it_a_new_sign_in_works(dialect: Dialect) -> None:
    phone, tablet = await dialect.sign_in(), await dialect.sign_in()
    team_id, user_id = dialect.server.team.id, UUID(phone.user_id)
    await dialect.server.runtime.transact(lambda unit: users.ban(unit, team_id, user_id, "cheating"))
    await hears(phone, Outcome.BANNED)
    await hears(tablet, Outcome.BANNED)
    await dialect.server.runtime.transact(lambda unit: users.unban(unit, team_id, user_id))
    assert (await phone.refresh())[0] == 400, "the old session stays ended"
    again = await dialect.sign_in()
    assert again.user_id == phone.user_id
    assert [await again.call(), await again.refresh()] == [OK, OK]


async def test_a_deleted_users_sessions_end_and_an_undo_brings_back_the_user_not_the_sessions(dialect: Dialect) -> None:
    phone = await dialect.sign_in()
    team_id, user_id = dialect.server.team.id, UUID(phone.user_id)
    await dialect.server.runtime.transact(lambda unit: user_deletion.delete_user(unit, team_id, user_id))
    await hears(phone, Outcome.DELETED)
    await dialect.server.runtime.transact(lambda unit: user_deletion.undelete_user(unit, team_id, user_id=user_id))
    await hears(phone, Outcome.DELETED)
    again = await dialect.sign_in()
    assert again.user_id == phone.user_id
    assert [await again.call(), await again.refresh()] == [OK, OK]


async def test_signing_out_ends_one_device_and_leaves_the_other(dialect: Dialect) -> None:
    phone, tablet = await dialect.sign_in(), await dialect.sign_in()
    assert await phone.sign_out() == OK
    await hears(phone, Outcome.ENDED)
    assert [await tablet.call(), await tablet.refresh()] == [OK, OK]


async def test_an_administrator_ends_one_session(dialect: Dialect) -> None:
    phone = await dialect.sign_in()
    row = await row_of(phone)
    await dialect.server.runtime.transact(lambda unit: sessions.end(unit, row.id, Cause.ADMIN))
    await hears(phone, Outcome.ENDED)


async def test_a_session_that_nobody_used_for_its_idle_life_has_expired(dialect: Dialect) -> None:
    phone = await dialect.sign_in()
    dialect.server.clock.advance(seconds=181 * 86400)
    assert await phone.call() == dialect.called[Outcome.STALE]
    assert await phone.refresh() == dialect.refreshed[Outcome.ENDED]
