"""Faults on order: what goes wrong with which call of a world, and how often.

A list of faults belongs to one world and replaces the one before. Every fault counts the calls that it matches; the first
in the list that is due strikes. The same calls in the same order meet the same fate, chance included, under one seed.
"""

from __future__ import annotations

import random
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gatepass.core.mint import Mint
from gatepass.traffic.calls import Call

LONGEST = 600_000
"""ms."""

Kind = Literal["status", "commit_then_drop", "commit_then_503", "truncate", "hang", "delay", "duplicate"]


class _Ordered(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Match(_Ordered):
    """Which calls a fault is for. What is left out matches every call."""

    path: str | None = Field(None, description="A route's template, or a glob.", examples=["/sdk/auth/v2/session/*"])
    method: str | None = Field(None, examples=["POST"])
    user: str | None = Field(None, description="A user's id or e-mail address.")
    nth: int = Field(1, ge=1, description="The first matching call to strike, counted since the fault was set.")

    def fits(self, call: Call) -> bool:
        """Whether *call* is such a one, whatever its number."""
        return (
            (self.path is None or call.is_to(self.path))
            and (self.method is None or self.method.upper() == call.method)
            and (self.user is None or call.party.is_user(self.user))
        )


class Do(_Ordered):
    """What happens to the call.

    `status`: that answer, in the dialect's own words, and the call is never handled. All others handle it and commit:
    `commit_then_drop` breaks the connection, `commit_then_503` answers 503, `truncate` sends half of the body, `hang`
    nothing until the caller hangs up or *delay_ms* have passed, `delay` sends it *delay_ms* late, and `duplicate` handles
    the call a second time and sends the second answer, as a retrying proxy would.
    """

    kind: Kind
    status: int | None = Field(None, ge=400, le=599, description="For `status`.", examples=[429])
    delay_ms: int | None = Field(None, ge=0, le=LONGEST, description="Whatever is done is done that late.")
    retry_after: int | None = Field(None, ge=0, le=86_400, description="Seconds, for `status` and `commit_then_503`.")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.kind == "status") != (self.status is not None):
            raise ValueError("a status goes with the kind status, and only with it")
        if self.kind == "delay" and self.delay_ms is None:
            raise ValueError("a delay needs delay_ms")
        if self.retry_after is not None and self.kind not in ("status", "commit_then_503"):
            raise ValueError("retry_after goes with an answer")
        return self


class Fault(_Ordered):
    """One thing that goes wrong, once unless *times* says otherwise; 0 is without end."""

    match: Match = Match()
    do: Do
    times: int = Field(1, ge=0, description="How often it strikes; 0: without end.")
    probability: float = Field(1.0, gt=0, le=1, description="Of each matching call.")
    seed: int | None = Field(None, description="Makes the draws of `probability` repeatable.")


class Standing(Fault):
    """A fault that was set: *seen* calls matched it, *fired* of them were struck, *left* may be (null: without end)."""

    seen: int
    fired: int
    left: int | None


class Armed:
    """A fault and how far it has come."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.seen = self.fired = 0
        self._mint = Mint(random.Random(fault.seed) if fault.seed is not None else None)  # noqa: S311 - no secret

    def is_due(self, call: Call) -> bool:
        """Whether it would strike *call*, which is counted where it fits."""
        if not self.fault.match.fits(call):
            return False
        self.seen += 1
        if self.seen < self.fault.match.nth or self.left == 0:
            return False
        return self.fault.probability == 1 or self._mint.fraction() < self.fault.probability

    @property
    def left(self) -> int | None:
        return self.fault.times - self.fired if self.fault.times else None

    def standing(self) -> Standing:
        return Standing(**dict(self.fault), seen=self.seen, fired=self.fired, left=self.left)


class Faults:
    """The faults of one world, in order."""

    def __init__(self, *ordered: Fault) -> None:
        self.armed = [Armed(fault) for fault in ordered]

    def strike(self, call: Call) -> Do | None:
        """What happens to *call*, if anything; every fault that it fits counts it."""
        due = [armed for armed in self.armed if armed.is_due(call)]
        if not due:
            return None
        due[0].fired += 1
        return due[0].fault.do


CHAOS = Fault(do=Do(kind="commit_then_drop"), probability=0.03, times=0)
"""`gatepass dev --chaos`: this share of answers is lost after the commit, in every world."""
