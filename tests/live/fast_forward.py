"""The production application under a clock that runs faster: for what takes hours, with nothing else changed."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from starlette.types import ASGIApp

from gatepass.adapters import logs
from gatepass.main import create_app, unfit
from gatepass.settings import load

ORIGIN, SPEED = "FAST_FORWARD_ORIGIN", "FAST_FORWARD_SPEED"


@dataclass(frozen=True)
class FastClock:
    """A clock that showed the true time at *origin* (epoch ms) and runs *speed* times as fast since."""

    origin: int
    speed: int

    def now(self) -> int:
        """Epoch ms."""
        return self.origin + (time.time_ns() // 1_000_000 - self.origin) * self.speed


def app() -> ASGIApp:
    """As `gatepass.main.from_environment`, under the clock that the environment describes."""
    settings = load()
    assert not unfit(settings)
    logs.configure(settings.log_format)
    clock = FastClock(int(os.environ[ORIGIN]), int(os.environ[SPEED]))
    return logs.AccessLog(create_app(settings, clock=clock))
