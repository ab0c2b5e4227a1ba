"""The replay rule once more, written from the table of docs/contracts/rotation.md and from nothing else.

Small, pure and slow to change: the machine in test_rotation_machine.py compares it with the core. Instants in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

WINDOW = 30
GRACE = 30
SKEW = 60
BUDGET = 3
IDLE = 180 * 86400


class Answer(Enum):
    """What a presented refresh token gets."""

    SUCCESSOR = "successor"
    COME_BACK = "come back"
    REUSE = "reuse"
    ENDED = "ended"
    EXPIRED = "expired"
    BANNED = "banned"


@dataclass
class Model:
    """One session, its user, and how many late replays each of its last eight generations saw (0 or 1)."""

    opened_at: float
    generation: int = 0
    rotated_at: float = 0
    receipt_at: float | None = None
    late: list[bool] = field(default_factory=lambda: [False])
    expires_at: float = 0
    ended_by: str | None = None
    banned: bool = False

    def __post_init__(self) -> None:
        self.rotated_at = self.opened_at
        self.expires_at = self.opened_at + IDLE

    @property
    def late_bits(self) -> int:
        """The newest generation is bit 0."""
        return sum(1 << age for age, late in enumerate(reversed(self.late[-8:])) if late)

    def present(self, generation: int, now: float, *, hung_up: bool = False) -> Answer:
        """Read the table from the top; the first row that fits decides."""
        if self.ended_by is not None:
            return Answer.BANNED if self.ended_by == "banned" and self.banned else Answer.ENDED
        if now >= self.expires_at:
            return Answer.EXPIRED
        inside = -SKEW <= now - self.rotated_at <= WINDOW
        back = self.generation - generation
        if back == 0:
            return self._move_to(generation + 1, now, [*self.late, False])
        if back < 0:
            return self._move_to(generation + 1, now, [False])
        if back == 1 and inside:
            return Answer.SUCCESSOR
        if back == 1 and not self._has_arrived(now):
            forgiven = [*self.late[:-1], True]
            if sum(forgiven[-8:]) <= BUDGET:
                self.late = forgiven
                self.expires_at = now + IDLE
                return Answer.SUCCESSOR
        elif 2 <= back <= 4 and (inside or now < self.rotated_at):
            return Answer.COME_BACK
        if not hung_up:
            self.ended_by = "reuse"
        return Answer.REUSE

    def _move_to(self, generation: int, now: float, late: list[bool]) -> Answer:
        self.generation, self.rotated_at, self.receipt_at, self.late = generation, now, None, late
        self.expires_at = now + IDLE
        return Answer.SUCCESSOR

    def _has_arrived(self, now: float) -> bool:
        return self.receipt_at is not None and now - self.receipt_at > GRACE

    def use(self, generation: int, now: float) -> bool:
        """An access token of *generation* is used: whether it is accepted."""
        if self.ended_by is not None or self.banned or now >= self.expires_at:
            return False
        if generation == self.generation and self.receipt_at is None:
            self.receipt_at = now
        return True

    def end(self, cause: str) -> None:
        self.ended_by = self.ended_by or cause
