"""Phones, thieves, operators and clocks in any order: the core does what the table says, and keeps its promises."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gatepass.core.errors import (
    AccessTokenDead,
    AccessTokenExpired,
    SessionEnded,
    SessionExpired,
    TokenReused,
    Unavailable,
    UserBanned,
)
from gatepass.core.sessions import Cause, Grant
from harness import Server, serve
from life import Life, begin
from replay_model import Answer, Model

T = TypeVar("T")

ANSWERS = {
    Unavailable: Answer.COME_BACK,
    TokenReused: Answer.REUSE,
    SessionEnded: Answer.ENDED,
    SessionExpired: Answer.EXPIRED,
    UserBanned: Answer.BANNED,
}
PROFILES = {
    "sqlite": settings(max_examples=50, stateful_step_count=40),
    "postgresql": settings(max_examples=40, stateful_step_count=40),
}
WAITS = st.sampled_from([0.001, 1, 10, 29.999, 30, 30.001, 60, 600, 3600, 86400, 60 * 86400, -1, -59, -61])


class World:
    """One server for all examples of a test, on an event loop of its own."""

    def __init__(self, database_url: str) -> None:
        self.runner = asyncio.Runner()
        self._serving: AbstractAsyncContextManager[Server] = serve(database_url, elixir_access_ttl=2_000_000)
        self.server = self.run(self._serving.__aenter__())
        self.lives = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def new_life(self) -> Life:
        """A session of a user of its own."""
        self.lives += 1
        return self.run(begin(self.server, email=f"phone-{self.lives}@example.com"))

    def close(self) -> None:
        self.run(self._serving.__aexit__(None, None, None))
        self.runner.close()


class Machine(RuleBasedStateMachine):
    """What both machines share: a session, the time, and the row compared with the model after every step."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.life = self.world.new_life()
        self.model = Model(self.now)

    @property
    def now(self) -> float:
        return self.world.server.clock.now() / 1000

    def refresh(self, generation: int, *, hung_up: bool = False) -> tuple[Answer, Grant | None]:
        """Present a token to the core."""
        try:
            return Answer.SUCCESSOR, self.world.run(self.life.refresh(generation, hung_up=hung_up))
        except tuple(ANSWERS) as refusal:
            return ANSWERS[type(refusal)], None

    @invariant()
    def the_row_is_what_the_model_says(self) -> None:
        """Also: the window never slides, for only a rotation moves `rotated_at`."""
        row, model = self.world.run(self.life.row()), self.model
        stored = (row.generation, row.rotated_at, row.receipt_at, row.late_replays, row.idle_expires_at, row.end_cause)
        assert stored == (
            model.generation,
            round(model.rotated_at * 1000),
            None if model.receipt_at is None else round(model.receipt_at * 1000),
            model.late_bits,
            round(model.expires_at * 1000),
            model.ended_by,
        )


class AnyoneAtAll(Machine):
    """Whoever holds whichever token presents it whenever it likes."""

    grants = Bundle("grants")

    @initialize(target=grants)
    def sign_in(self) -> Grant:
        return self.life.opened

    @rule(target=grants, grant=grants, hung_up=st.sampled_from([False, False, False, True]), lost=st.booleans())
    def present(self, grant: Grant, *, hung_up: bool, lost: bool) -> Any:
        """Any known token; the answer may be lost, and then nobody knows its tokens."""
        was_closed, parent = self.model.ended_by is not None, self.model.generation - 1
        since, far = self.now - self.model.rotated_at, grant.generation < parent - 3
        expected = self.model.present(grant.generation, self.now, hung_up=hung_up)
        answer, granted = self.refresh(grant.generation, hung_up=hung_up)
        assert answer is expected
        if was_closed:
            assert granted is None, "a closed session never yields a token"
        elif answer is not Answer.EXPIRED and grant.generation < parent and (since > 30 or far):
            assert answer is Answer.REUSE, "older than the parent, after the window: always closes"
        if granted is None:
            return multiple()
        assert granted.generation == self.model.generation, "one live generation"
        return multiple() if lost else granted

    @rule(target=grants, ahead=st.integers(0, 3))
    def lose_commits(self, ahead: int) -> Grant:
        """The database is restored from an older copy: somebody holds a token from its future."""
        return self.life.opened._replace(generation=self.model.generation + ahead)

    @rule(grant=grants)
    def use(self, grant: Grant) -> None:
        """Call an endpoint with the access token of a grant."""
        expected = self.model.use(grant.generation, self.now)
        try:
            self.world.run(self.life.use(grant._replace(issued_at=self.world.server.clock.now())))
        except (AccessTokenDead, UserBanned):
            assert not expected
        else:
            assert expected

    @rule(seconds=WAITS)
    def wait(self, seconds: float) -> None:
        self.life.wait(seconds)

    @rule()
    @precondition(lambda self: self.model.generation > 2)
    def sign_out(self) -> None:
        self.world.run(self.life.end(Cause.SIGNED_OUT))
        self.model.end("signed_out")

    @rule()
    @precondition(lambda self: self.model.generation > 2)
    def ban(self) -> None:
        self.world.run(self.life.ban())
        self.model.banned = True
        self.model.end("banned")

    @rule()
    @precondition(lambda self: self.model.banned)
    def unban(self) -> None:
        self.world.run(self.life.unban())
        self.model.banned = False


class HonestPhone(Machine):
    """One device that loses at most three answers in eight generations, and is never signed out."""

    def __init__(self) -> None:
        super().__init__()
        self.held = self.life.opened
        self.asked = False
        self.lost = [False]

    @rule(lose=st.booleans())
    def refresh_on_schedule(self, *, lose: bool) -> None:
        """The first use of a token makes a generation; losing its answer is affordable three times in eight."""
        if not self.asked:
            self.lost.append(False)
        lose = lose and sum([*self.lost[-8:-1], True]) <= 3
        expected = self.model.present(self.held.generation, self.now)
        answer, granted = self.refresh(self.held.generation)
        assert answer is expected is Answer.SUCCESSOR
        assert granted is not None
        if lose:
            self.lost[-1] = self.asked = True
        else:
            self.held, self.asked = granted, False

    @rule()
    def use(self) -> None:
        try:
            self.world.run(self.life.use(self.held))
        except AccessTokenExpired:
            return
        self.model.use(self.held.generation, self.now)

    @rule(seconds=st.sampled_from([0.5, 29, 31, 3600, 7 * 86400, 170 * 86400]))
    def wait(self, seconds: float) -> None:
        """Never as long as the idle life since the last answer of the server."""
        if self.now + seconds < self.model.expires_at:
            self.life.wait(seconds)


@pytest.mark.parametrize("kind", [AnyoneAtAll, HonestPhone])
async def test_every_history_goes_as_the_table_says(database_url: str, kind: type[Machine]) -> None:
    """In a thread, because Hypothesis drives its machines synchronously and each World brings its own event loop."""
    await asyncio.to_thread(_run, database_url, kind)


def _run(database_url: str, kind: type[Machine]) -> None:
    world = World(database_url)
    profile = settings(
        PROFILES[database_url.partition(":")[0]],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(type(kind.__name__, (kind,), {"world": world}), settings=profile)
    finally:
        world.close()
