"""The replay table of docs/contracts/rotation.md, row by row."""

from __future__ import annotations

import pytest

from gatepass.core import refresh_tokens, rotation
from gatepass.core.audit import Event
from gatepass.core.errors import (
    DpopRefused,
    RefreshTokenUnknown,
    SessionEnded,
    SessionExpired,
    TokenReused,
    Unavailable,
    UserBanned,
)
from gatepass.core.schema import DAY, SECOND
from gatepass.core.sessions import Audience, Cause, Surface
from harness import Server
from life import Life, begin


@pytest.fixture
async def life(server: Server) -> Life:
    return await begin(server)


async def rotated(life: Life, times: int, *, every: float = 3600) -> None:
    """Let the phone refresh *times* on schedule, starting with its first token."""
    for generation in range(times):
        life.wait(every)
        await life.refresh(generation)


# session ended, expired, or user gone


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause is not Cause.BANNED])
async def test_a_session_that_ended_refuses_by_its_cause(life: Life, cause: Cause) -> None:
    await life.end(cause)
    before = await life.row()
    with pytest.raises(SessionEnded) as refusal:
        await life.refresh(0)
    assert refusal.value.cause == cause
    assert await life.row() == before


async def test_a_ban_is_named_with_its_reason_while_it_stands(life: Life) -> None:
    await life.ban("cheating")
    with pytest.raises(UserBanned) as refusal:
        await life.refresh(0)
    assert refusal.value.reason == "cheating"
    await life.unban()
    with pytest.raises(SessionEnded) as ended:
        await life.refresh(0)
    assert ended.value.cause == Cause.BANNED


async def test_the_idle_limit_ends_a_session_at_its_very_instant(life: Life) -> None:
    life.wait(180 * DAY / SECOND - 0.001)
    await life.refresh(0)
    life.wait(180 * DAY / SECOND)
    for generation in (1, 0, 5):
        with pytest.raises(SessionExpired):
            await life.refresh(generation)
    assert (await life.row()).end_cause is None


async def test_the_absolute_limit_ends_a_session_however_busy_it_is(server: Server) -> None:
    life = await begin(server, surface=Surface.JUNCTION)
    for generation in range(5):
        life.wait(79 * DAY / SECOND)
        await life.refresh(generation)
    life.wait(5 * DAY / SECOND)
    with pytest.raises(SessionExpired):
        await life.refresh(5)


# other team, environment or surface


@pytest.mark.parametrize("foreign", ["team", "environment", "surface"])
async def test_a_foreign_caller_learns_nothing_and_ends_nothing(life: Life, foreign: str) -> None:
    other, _, _ = await life.server.new_team("Other")
    audience = {
        "team": Audience(Surface.ELIXIR, other.id, "development"),
        "environment": Audience(Surface.ELIXIR, life.server.team.id, "production"),
        "surface": Audience(Surface.JUNCTION, life.server.team.id, "development"),
    }[foreign]
    await rotated(life, 6)
    life.wait(3600)
    before = await life.row()
    for generation in (6, 5, 0, 9):
        with pytest.raises(RefreshTokenUnknown):
            await life.refresh(generation, audience=audience)
    assert await life.row() == before
    assert (await life.refresh(6)).generation == 7


# bound to a key


async def test_a_bound_session_without_a_proof_is_refused_and_stays_as_it_is(life: Life) -> None:
    await rotated(life, 3)
    await life.put(jkt="0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I")
    before = await life.row()
    with pytest.raises(DpopRefused):
        await life.refresh(3)
    for generation in (2, 0, 9):
        with pytest.raises(RefreshTokenUnknown):
            await life.refresh(generation)
    assert await life.row() == before


# current


async def test_a_current_token_that_lost_a_race_is_rotated_by_the_second_try(life: Life) -> None:
    """Nobody can win between the two statements of the slow path, for it holds the row: so it is entered directly."""
    token = refresh_tokens.parse(life.server.runtime.secret, life.token(0))
    grant = await life.server.runtime.transact(
        lambda unit: rotation._explain_or_forgive(unit, token, life.audience, None)
    )
    assert grant.generation == 1
    assert (await life.row()).generation == 1


async def test_the_current_token_twice_gives_one_successor(life: Life) -> None:
    first, second = await life.refresh(0), await life.refresh(0)
    assert first == second
    assert (await life.row()).generation == 1


# current - 1, inside the window


async def test_the_parent_inside_the_window_gets_the_same_successor_and_writes_nothing(life: Life) -> None:
    first = await life.refresh(0)
    after_rotation = await life.row()
    life.wait(30)
    again = await life.refresh(0)
    assert (again.session_id, again.generation) == (first.session_id, first.generation)
    assert again.issued_at == first.issued_at + 30 * SECOND
    assert await life.row() == after_rotation
    assert await life.events() == []


async def test_the_window_never_slides(life: Life) -> None:
    granted = await life.refresh(0)
    await life.use(granted)
    for _ in range(3):
        life.wait(10)
        await life.refresh(0)
    life.wait(1)
    with pytest.raises(TokenReused):
        await life.refresh(0)


async def test_inside_the_window_a_receipt_changes_nothing(life: Life) -> None:
    await life.use(await life.refresh(0))
    life.wait(30)
    assert (await life.refresh(0)).generation == 1


# current - 1, later, its successor known to have arrived


async def test_a_spent_token_whose_successor_arrived_ends_the_session(life: Life) -> None:
    granted = await life.refresh(0)
    await life.use(granted)
    life.wait(30.001)
    with pytest.raises(TokenReused):
        await life.refresh(0)
    row = await life.row()
    assert (row.ended_at, row.end_cause) == (life.server.clock.now(), Cause.REUSE)
    assert await life.events() == [(Event.SESSION_ENDED, {"cause": "reuse", "presented": 0})]
    with pytest.raises(SessionEnded):
        await life.refresh(1)


# current - 1, later, no receipt or a fresh one


async def test_a_lost_answer_is_recovered_and_counted(life: Life) -> None:
    await life.refresh(0)
    life.wait(7 * DAY / SECOND)
    recovered = await life.refresh(0)
    assert recovered.generation == 1
    row = await life.row()
    assert row.late_replays == 0b1
    assert row.idle_expires_at == life.server.clock.now() + 180 * DAY
    assert row.rotated_at == life.server.clock.now() - 7 * DAY
    assert await life.events() == [(Event.REFRESH_RECOVERED, {"generation": 1})]


async def test_a_receipt_of_the_last_30_seconds_may_be_a_siblings(life: Life) -> None:
    granted = await life.refresh(0)
    life.wait(1800)
    await life.use(granted)
    life.wait(30)
    assert (await life.refresh(0)).generation == 1
    life.wait(0.001)
    with pytest.raises(TokenReused):
        await life.refresh(0)


async def test_one_generation_recovered_many_times_counts_once(life: Life) -> None:
    await life.refresh(0)
    for _ in range(5):
        life.wait(3600)
        assert (await life.refresh(0)).generation == 1
    assert (await life.row()).late_replays == 0b1


async def lose(life: Life, generation: int) -> None:
    """Refresh, lose the answer, and ask again an hour later."""
    await life.refresh(generation)
    life.wait(3600)
    await life.refresh(generation)


async def test_the_fourth_loss_within_eight_generations_is_reuse(life: Life) -> None:
    for generation in range(3):
        await lose(life, generation)
    assert (await life.row()).late_replays == 0b111
    with pytest.raises(TokenReused):
        await lose(life, 3)
    assert (await life.row()).end_cause is Cause.REUSE


async def test_losses_older_than_eight_generations_are_forgotten(life: Life) -> None:
    for generation in range(3):
        await lose(life, generation)
    for generation in range(3, 8):
        await life.refresh(generation)
    assert (await life.row()).late_replays == 0b1110_0000
    await lose(life, 8)
    assert (await life.row()).late_replays == 0b1100_0001


# current - 2 ... current - 4, inside the window; any other older one


@pytest.mark.parametrize("back", [2, 3, 4])
async def test_a_slow_sibling_inside_the_window_is_asked_to_come_back(life: Life, back: int) -> None:
    await rotated(life, 6)
    life.wait(30)
    before = await life.row()
    with pytest.raises(Unavailable) as refusal:
        await life.refresh(6 - back)
    assert refusal.value.retry_after >= 1
    assert await life.row() == before
    assert await life.events() == []


@pytest.mark.parametrize(("back", "later"), [(2, 30.001), (4, 30.001), (5, 0), (6, 0)])
async def test_any_other_older_token_ends_the_session(life: Life, back: int, later: float) -> None:
    await rotated(life, 6)
    life.wait(later)
    with pytest.raises(TokenReused):
        await life.refresh(6 - back)
    assert (await life.row()).end_cause is Cause.REUSE


# above current


async def test_a_token_from_the_future_is_followed_with_a_fresh_budget_and_an_alarm(life: Life) -> None:
    """A failover or a restored backup lost commits that phones had seen."""
    await lose(life, 0)
    assert (await life.refresh(9)).generation == 10
    row = await life.row()
    assert (row.generation, row.late_replays, row.receipt_at) == (10, 0, None)
    assert row.rotated_at == life.server.clock.now()
    assert (await life.events())[-1] == (Event.GENERATION_ADOPTED, {"stored": 1, "presented": 9})
    assert (await life.refresh(9)).generation == 10
    assert (await life.refresh(10)).generation == 11


# before reuse ends a session; clocks that differ


async def test_a_caller_who_hung_up_is_refused_without_ending_the_session(life: Life) -> None:
    await rotated(life, 6)
    life.wait(3600)
    with pytest.raises(TokenReused):
        await life.refresh(0, hung_up=True)
    assert (await life.row()).ended_at is None
    assert [event for event, _ in await life.events()] == [Event.REUSE_UNHEARD]
    assert (await life.refresh(6)).generation == 7


async def test_a_host_up_to_a_minute_behind_is_still_inside_the_window(life: Life) -> None:
    await rotated(life, 3)
    life.wait(-60)
    assert (await life.refresh(2)).generation == 3
    with pytest.raises(Unavailable):
        await life.refresh(1)
    assert (await life.row()).late_replays == 0


async def test_a_host_further_behind_forgives_by_the_budget_and_ends_nothing(life: Life) -> None:
    await rotated(life, 3)
    life.wait(-60.001)
    assert (await life.refresh(2)).generation == 3
    assert (await life.row()).late_replays == 0b1
    with pytest.raises(Unavailable):
        await life.refresh(1)
    assert (await life.row()).ended_at is None
