"""The mishaps that a good mobile client survives. Each is one short play; what is judged stands in `Behaviour`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from gatepass.cli.checking.client import Client
from gatepass.cli.checking.stage import EMAIL, World
from gatepass.cli.checking.verdicts import Behaviour, Verdict

HOUR = 3600.0
EXPIRY = 2 * HOUR
"""Seconds after which every access token has run out."""
PARALLEL = 8
RETRY_AFTER = 2
"""Seconds."""
MOST_ATTEMPTS = 6
"""Refreshes for one call that fails."""
SHORTEST_PAUSE = 300
"""ms between two attempts at the least."""
_ENDED = {"elixir": "signed_out", "junction": "reauthenticate"}


@dataclass
class Play:
    """One client in one world."""

    name: str
    world: World
    client: Client
    verdicts: list[Verdict] = field(default_factory=list)

    def judge(self, behaviour: Behaviour, passed: bool, otherwise: str) -> None:
        """Write down whether the client showed *behaviour*; *otherwise* says what it did instead."""
        self.verdicts.append(Verdict.of(self.name, behaviour, passed, otherwise))

    def sign_in(self) -> dict[str, Any]:
        if self.world.dialect == "junction":
            token = self.world.sign_in_token()
            return self.client.ask("sign_in", sign_in_token=token, user_id=self.world.user)
        asked = self.client.ask("ask_for_code", email=EMAIL)
        return self.client.ask("sign_in", code=self.world.code()) if asked["ok"] else asked

    def begin(self, behaviour: Behaviour = Behaviour.ANSWERS) -> None:
        """Sign in and make one call."""
        signed_in = self.sign_in()
        answer = self.call() if signed_in["ok"] else signed_in
        self.judge(behaviour, bool(answer["ok"]), f"sign-in and a first call: {told(answer)}")

    def call(self) -> dict[str, Any]:
        """Have the client make one call as its user."""
        return self.client.ask("call")

    def call_again(self, pause: float = 0) -> dict[str, Any]:
        """The same, and once more *pause* seconds later where the client gave up for now, as an app would."""
        answer = self.call()
        if answer["ok"] or answer.get("error") != "unavailable":
            return answer
        time.sleep(pause)
        return self.call()

    def expire(self) -> int:
        """Let the access token run out; the mark behind which calls are looked at."""
        self.world.advance(EXPIRY)
        return self.world.mark()

    def await_call(self, after: int, wanted: Callable[[dict[str, Any]], bool]) -> bool:
        """Whether such a call arrives in time."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if any(wanted(call) for call in self.world.calls(after)):
                return True
            time.sleep(0.05)
        return False

    def is_refresh(self, call: dict[str, Any]) -> bool:
        return call["path"] in self.world.refresh_routes

    def judge_end(self, expected: str) -> None:
        """The session is over: see that the client says so, lets go of it, and signs in again."""
        first = self.call()
        self.judge(
            Behaviour.LEARNS_OF_THE_END,
            first.get("error") == expected,
            f"the call after the end: {told(first)}; expected the error {expected!r}",
        )
        mark = self.world.mark()
        self.call()
        status = self.client.ask("status").get("status")
        again = len(self.world.refreshes(mark))
        self.judge(
            Behaviour.DROPS_DEAD_TOKENS,
            not again and status != "signed_in",
            f"the dead refresh token was sent {again} more times, and the status is {status!r}",
        )


def told(answer: dict[str, Any]) -> str:
    """An answer in words, without anything that may be a secret."""
    return "ok" if answer["ok"] else f"error {str(answer.get('error'))[:60]!r}"


def judge_kept(play: Play, answer: dict[str, Any]) -> None:
    """The client was to come through signed in."""
    status = play.client.ask("status").get("status")
    play.judge(
        Behaviour.KEEPS_SESSION,
        bool(answer["ok"]) and status == "signed_in",
        f"the call afterwards: {told(answer)}; its status: {status!r}",
    )


def expired_access_token(play: Play) -> None:
    """An access token runs out."""
    play.begin()
    mark = play.expire()
    answer = play.call()
    count = len(play.world.refreshes(mark))
    play.judge(Behaviour.REFRESHES, bool(answer["ok"]) and count == 1, f"{told(answer)} after {count} refreshes")


def parallel_calls(play: Play) -> None:
    """Eight calls at once find that the access token has run out."""
    play.begin()
    mark = play.expire()
    play.world.order(*play.world.refresh_routes, kind="delay", times=0, delay_ms=300)
    answer = play.client.ask("calls", count=PARALLEL)
    count = len(play.world.refreshes(mark))
    play.judge(
        Behaviour.SINGLE_FLIGHT,
        bool(answer["ok"]) and count == 1,
        f"{told(answer)}, {count} refreshes for {PARALLEL} calls",
    )


def lost_answer(play: Play) -> None:
    """The server rotates, and its answer is lost."""
    play.begin()
    play.expire()
    play.world.fail_refreshes("commit_then_drop")
    judge_kept(play, play.call_again(1))


def lost_answer_and_killed(play: Play) -> None:
    """The app is killed while the answer is on its way, and opened again an hour later."""
    play.begin()
    mark = play.expire()
    play.world.fail_refreshes("hang", times=0)
    play.client.send("call")
    play.judge(Behaviour.REFRESHES, play.await_call(mark, play.is_refresh), "no refresh arrived")
    play.client.restart()
    play.world.heal()
    play.world.advance(HOUR)
    answer = play.call_again(1)
    play.judge(Behaviour.SURVIVES_RESTART, bool(answer["ok"]), f"the call after the restart: {told(answer)}")


def server_error(play: Play) -> None:
    """The token endpoint answers 503 for a while."""
    play.begin()
    mark = play.expire()
    play.world.fail_refreshes("status", times=0, status=503)
    play.call()
    tried = play.world.refreshes(mark)
    gaps = [later["at"] - earlier["at"] for earlier, later in pairwise(tried)]
    play.judge(
        Behaviour.BACKS_OFF,
        0 < len(tried) <= MOST_ATTEMPTS and all(gap >= SHORTEST_PAUSE for gap in gaps),
        f"{len(tried)} attempts for one call, {gaps} ms apart",
    )
    play.world.heal()
    judge_kept(play, play.call_again(1))


def too_many_requests(play: Play) -> None:
    """The token endpoint asks for two seconds of patience."""
    play.begin()
    mark = play.expire()
    play.world.fail_refreshes("status", status=429, retry_after=RETRY_AFTER)
    answer = play.call_again(RETRY_AFTER)
    tried = play.world.refreshes(mark)
    waited = tried[1]["at"] - tried[0]["at"] if len(tried) > 1 else None
    play.judge(
        Behaviour.HONOURS_RETRY_AFTER,
        waited is not None and waited >= RETRY_AFTER * 1000 - 50,
        f"asked to wait {RETRY_AFTER} s, it tried again after {waited} ms",
    )
    judge_kept(play, answer)


def phone_clock_ahead(play: Play) -> None:
    """The phone's clock is a day ahead of the server's."""
    play.world.advance(-24 * HOUR)
    play.begin()
    mark = play.world.mark()
    answers = [play.call() for _ in range(2)]
    count = len(play.world.refreshes())
    play.judge(
        Behaviour.COUNTS_FROM_ARRIVAL,
        all(answer["ok"] for answer in answers) and not count and play.world.mark() > mark,
        f"{', '.join(map(told, answers))}; {count} refreshes with a fresh access token",
    )


def killed_while_using(play: Play) -> None:
    """The app is killed at the very first use of a new access token."""
    play.begin()
    mark = play.expire()
    play.world.order("*", kind="delay", times=0, delay_ms=1000)
    play.client.send("call")

    def uses_the_new(call: dict[str, Any]) -> bool:
        return call["generation"] == 1 and not play.is_refresh(call)

    arrived = play.await_call(mark, uses_the_new)
    play.client.restart()
    play.world.heal()
    play.world.advance(EXPIRY)
    answer = play.call_again(1)
    play.judge(
        Behaviour.STORES_BEFORE_USING,
        arrived and bool(answer["ok"]),
        f"after the restart: {told(answer)}" if arrived else "no call came with a new access token",
    )


def stolen_token(play: Play) -> None:
    """A thief uses an old refresh token, and the server ends the session."""
    play.begin()
    play.expire()
    play.call()
    play.world.advance(120)
    play.world.steal(generation=0)
    play.judge_end(_ENDED[play.world.dialect])
    play.begin(Behaviour.RECOVERS)


def ban(play: Play) -> None:
    """The user is banned in the middle of a session, and let in again later."""
    play.begin()
    play.world.ban()
    play.expire()
    play.judge_end({"elixir": "banned", "junction": "signed_out"}[play.world.dialect])
    play.world.unban()
    play.begin(Behaviour.RECOVERS)


def deletion_and_undo(play: Play) -> None:
    """The user is deleted, and the deletion is undone."""
    play.begin()
    play.world.delete()
    play.expire()
    play.judge_end("signed_out")
    play.world.undo_delete()
    play.begin(Behaviour.RECOVERS)


def signing_key_rotation(play: Play) -> None:
    """The server signs with a new key from now on."""
    play.begin()
    play.world.rotate_signing_keys()
    before = play.call()
    time.sleep(2.2)
    play.expire()
    after = play.call()
    play.judge(Behaviour.OPAQUE, bool(before["ok"] and after["ok"]), f"before: {told(before)}, after: {told(after)}")


Scenario = Callable[[Play], None]
EVERYWHERE: tuple[Scenario, ...] = (
    expired_access_token,
    parallel_calls,
    lost_answer,
    lost_answer_and_killed,
    server_error,
    too_many_requests,
    phone_clock_ahead,
    killed_while_using,
    stolen_token,
    ban,
)
SCENARIOS: dict[str, tuple[Scenario, ...]] = {
    "elixir": EVERYWHERE,
    "junction": (*EVERYWHERE, deletion_and_undo, signing_key_rotation),
}
