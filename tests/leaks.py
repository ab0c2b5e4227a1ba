"""No secret leaves by a side door: every test run looks for the secrets it made in its logs, error bodies and headers.

A pytest plugin, named in conftest.py. While tests run it collects every secret that the server mints and
every one that a client sends or is answered with, and writes logs as production does. After each test it searches what
was logged and refused meanwhile, and fails the test that leaked. Log files of server processes are searched when the
process stops.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gatepass.adapters import logs
from gatepass.core import sign_in_tokens
from gatepass.core.access_tokens import Signer
from gatepass.core.mint import Mint
from gatepass.core.refresh_tokens import RefreshToken

WINDOW = 16
"""Characters of a secret that give it away, wherever they stand."""

_SHAPES = re.compile(
    r"(?:sk|pk|pub)_(?:(?:us|eu)_)?[A-Za-z0-9]{24,}"
    r"|jrt_[A-Za-z0-9_-]{48}"
    r"|(?<![0-9A-Fa-f])[0-9A-Fa-f]{72}(?![0-9A-Fa-f])"
    r"|eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"
    r"|eyJ[A-Za-z0-9+/]{200,}={0,2}"  # the blob around a sign-in token
    r"|REIKEY:[0-9A-Fa-f-]{36}"
)
"""What the server's secrets look like on the wire."""
_RUNS = re.compile(r"[A-Za-z0-9_+/:-]{16,}")
_CREDENTIALS = frozenset({"authorization", "dpop", "x-api-key", "x-vital-api-key", "x-management-key"})


class Secrets:
    """Every secret seen so far, kept as the stretches that give one away."""

    def __init__(self) -> None:
        self._stretches: set[str] = set()

    def add(self, secret: str) -> None:
        """Remember the end of *secret*, and its middle: of a JWT those of its signature, for the rest is no secret."""
        told = secret.rpartition(".")[2].rstrip("=")
        if len(told) >= 2 * WINDOW:
            middle = len(told) // 2
            self._stretches.update((told[-WINDOW:], told[middle - WINDOW // 2 : middle + WINDOW // 2]))

    def collect(self, text: str) -> None:
        """Remember whatever in *text* looks like a secret of ours."""
        for secret in _SHAPES.findall(text):
            self.add(secret)

    def in_(self, text: str) -> str | None:
        """The first stretch of a secret that stands in *text*."""
        for run in _RUNS.findall(text):
            for start in range(len(run) - WINDOW + 1):
                if (stretch := run[start : start + WINDOW]) in self._stretches:
                    return stretch
        return None


class Watch:
    """What a test process has minted, sent and said, and what it said since the last look."""

    def __init__(self) -> None:
        self.secrets = Secrets()
        self._said: list[tuple[str, str]] = []

    def listen(self, patch: pytest.MonkeyPatch) -> None:
        """To whoever mints, to every HTTP client of this process, and to the line that each log event becomes."""
        for owner, name in (
            (RefreshToken, "hex"),
            (RefreshToken, "jrt"),
            (sign_in_tokens, "sign"),
            (sign_in_tokens, "wrap"),
            (Mint, "alphanumeric"),
        ):
            patch.setattr(owner, name, _noting(getattr(owner, name), self.secrets.add))
        for name in ("elixir", "junction", "team"):
            signed = _noting(getattr(Signer, name), lambda token: self.secrets.add(token.text))
            patch.setattr(Signer, name, signed)
        for name in ("_as_json", "_as_line"):
            said = _noting(getattr(logs, name), lambda line: self._said.append(("a log line", line)))
            patch.setattr(logs, name, said)
        patch.setattr(httpx.Client, "send", self._sending(httpx.Client.send))
        patch.setattr(httpx.AsyncClient, "send", self._sending_async(httpx.AsyncClient.send))

    def read(self, log: Path) -> None:
        """Search the log of a server process next time."""
        self._said += ((log.name, line) for line in log.read_text(errors="replace").splitlines())

    def leaks(self) -> list[str]:
        """Where a secret stood in what was said since the last look."""
        said, self._said = self._said, []
        return [f"{where} gives {found!r} away: {text}" for where, text in said if (found := self.secrets.in_(text))]

    def _heard(self, request: httpx.Request, answer: httpx.Response) -> None:
        for name, value in request.headers.items():
            if name in _CREDENTIALS:
                self.secrets.collect(value)
        where = f"the answer {answer.status_code} to {request.method} {request.url.path}"
        self._said += ((f"a header of {where}", f"{name}: {value}") for name, value in answer.headers.items())
        if not hasattr(answer, "_content"):
            return  # a stream that the test reads by itself
        if answer.status_code < 400:
            self.secrets.collect(answer.text)
        else:
            self._said.append((f"the body of {where}", answer.text))

    def _sending(self, send: Callable[..., httpx.Response]) -> Callable[..., httpx.Response]:
        @functools.wraps(send)
        def sending(client: httpx.Client, request: httpx.Request, **how: Any) -> httpx.Response:
            answer = send(client, request, **how)
            self._heard(request, answer)
            return answer

        return sending

    def _sending_async(
        self, send: Callable[..., Awaitable[httpx.Response]]
    ) -> Callable[..., Awaitable[httpx.Response]]:
        @functools.wraps(send)
        async def sending(client: httpx.AsyncClient, request: httpx.Request, **how: Any) -> httpx.Response:
            answer = await send(client, request, **how)
            self._heard(request, answer)
            return answer

        return sending


def _noting(call: Callable[..., Any], note: Callable[[Any], None]) -> Callable[..., Any]:
    @functools.wraps(call)
    def noting(*arguments: Any, **named: Any) -> Any:
        result = call(*arguments, **named)
        note(result)
        return result

    return noting


WATCH = Watch()


def pytest_configure(config: pytest.Config) -> None:
    patch = pytest.MonkeyPatch()
    WATCH.listen(patch)
    config.add_cleanup(patch.undo)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Logs as `gatepass serve` writes them, for whatever the test before it did to them."""
    logs.configure("json")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None, Any, Any]:
    """A test that leaked fails, after everything it had is torn down."""
    result = yield
    if leaks := WATCH.leaks():
        pytest.fail("\n".join(leaks), pytrace=False)
    return result
