"""No secret leaves by a side door: every test run looks for the secrets it made wherever none may stand.

A pytest plugin, named in conftest.py. While tests run it collects every secret that the server mints or is shown and
every one that a client sends or is answered with, and writes logs as production does. After each test it searches what
was logged, recorded, measured and refused meanwhile, and fails the test that leaked. Logs of server processes are
searched when the process stops, and also for anything that merely looks like a secret: others may have sent it there.

A new kind of secret is a line in `_sources`: where it passes through, and whether it is `long` (16 characters of it give
it away anywhere, for the whole run) or a `word` (short, or chosen by a person: found only whole, and only while it
lives).
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from gatepass.adapters import logs
from gatepass.core import audit, browser_sessions, dpop, operators, outbox, sign_in_jwt
from gatepass.core.access_tokens import Signer
from gatepass.core.mint import Mint
from gatepass.core.refresh_tokens import RefreshToken

FEWEST_LETTERS = 8
"""Different characters that a secret has at least."""
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
_PHRASE = 11
"""Characters from which a short secret is found inside other text."""
_CODES = re.compile(r'"(?:userCode|code)"\s*:\s*"([0-9]{5,10})"')
"""E-mail codes in answers: of a development key's sign-in, and of the mails that test mode shows."""
_RUNS = re.compile(r"[A-Za-z0-9_+/:-]{16,}")
_WORDS = re.compile(r"[0-9A-Za-z]+(?:\.[0-9]+)*")
_NO_WORDS = re.compile(
    r"\d{4}-\d\d-\d\d[T ][0-9:.,]+Z?"  # instants
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # ids
    r"|(?<=://)[\w.-]+:\d+"  # ports
    r"|(?<=process \[)\d+"
    r"|(?<=^content-length: )\d+|(?<=^retry-after: )\d+"
)
"""Numbers that are a code only by chance."""
_SHOWN = re.compile(r"\bcode \d{5,10} for ")
_CONSOLE = "gatepass.inbox"
"""The one logger that shows codes, to the developer of a server in test mode."""
_CREDENTIALS = frozenset({"authorization", "dpop", "x-api-key", "x-vital-api-key", "x-management-key"})
_COOKIE = re.compile(r"=[^;]*")
"""A cookie's value, which stands where it has to."""
_METRICS = "/metrics"
_TEST_PLANE = "/_test/"
"""Its refusals tell a test what came instead, mails with their codes too."""


class Secrets:
    """Long secrets, kept as the stretches that give one away."""

    def __init__(self) -> None:
        self._stretches: set[str] = set()

    def add(self, secret: str) -> None:
        """Remember the end of *secret*, and its middle: of a JWT those of its signature, for the rest is no secret.

        What a test wrote by repeating one letter has the form of a secret, and is none.
        """
        told = secret.rpartition(".")[2].rstrip("=")
        if len(told) >= 2 * WINDOW and len(set(told)) >= FEWEST_LETTERS:
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


class Words:
    """Short secrets: a code, which by chance is part of much, only as a word of its own; a password wherever it stands."""

    def __init__(self) -> None:
        self._words: set[str] = set()
        self._phrases: set[str] = set()

    def add(self, secret: str) -> None:
        if len(secret) >= _PHRASE:
            self._phrases.add(secret)
        elif secret:
            self._words.add(secret)

    def forget(self) -> None:
        self._words.clear()
        self._phrases.clear()

    def in_(self, text: str) -> str | None:
        """A secret that stands in *text*."""
        if phrase := next((phrase for phrase in self._phrases if phrase in text), None):
            return phrase
        if not self._words:
            return None
        told = _NO_WORDS.sub("", _SHOWN.sub("", text, count=1) if _CONSOLE in text else text)
        return next((word for word in _WORDS.findall(told) if word in self._words), None)


class Watch:
    """What a test process has minted, sent and said, and what it said since the last look."""

    def __init__(self, secrets: Secrets | None = None, words: Words | None = None) -> None:
        self.secrets = secrets or Secrets()
        self.words = words or Words()
        self._lives: list[Words] = [self.words]
        self.said: list[tuple[str, str]] = []
        self._found: list[str] = []

    def listen(self, patch: pytest.MonkeyPatch) -> None:
        """To whatever holds a secret, to every HTTP client of this process, and to all that is said."""
        for owner, name, heard in (*self._sources(), *self._places()):
            patch.setattr(owner, name, _noting(getattr(owner, name), heard))
        for client in (httpx.Client, httpx.AsyncClient):
            patch.setattr(
                client, "send", _noting(client.send, lambda answer, given: self._heard(given["request"], answer))
            )

    def _sources(self) -> Iterator[tuple[Any, str, Callable[[Any, dict[str, Any]], None]]]:
        """Where secrets pass through: in the result of a call, or in what it is given."""

        def long(result: str, _: dict[str, Any]) -> None:
            self.secrets.add(result)

        yield RefreshToken, "hex", long
        yield RefreshToken, "jrt", long
        yield sign_in_jwt, "sign", long
        yield sign_in_jwt, "wrap", long
        yield Mint, "alphanumeric", long  # API keys
        for name in ("elixir", "junction", "team"):
            yield Signer, name, lambda token, _: self.secrets.add(token.text)
        yield dpop, "prove", lambda _, given: self.secrets.add(given["request"].proof)
        yield outbox, "write", lambda _, given: self._queued(given["mail"])
        yield browser_sessions, "_open", lambda _, given: self.secrets.add(given["value"])  # cookies
        for name in ("hash_password", "check_password"):
            yield operators, name, lambda _, given: self.word(given["password"])

    def _places(self) -> Iterator[tuple[Any, str, Callable[[Any, dict[str, Any]], None]]]:
        """Where none may stand, besides the answers."""
        for name in ("_as_json", "_as_line"):
            yield logs, name, lambda line, _: self.said.append(("a log line", line))
        yield audit, "row", lambda _, given: self.said.append(("an audit event", repr(given["detail"])))

    def _queued(self, mail: outbox.Mail) -> None:
        if isinstance(mail, outbox.CodeMail):
            self.word(mail.code)

    def word(self, secret: str) -> None:
        """Remember a short secret until the test ends, and for every server process until that one stops."""
        for words in self._lives:
            words.add(secret)

    @contextmanager
    def reading(self, log: Path) -> Iterator[None]:
        """Search the log of a server process that runs inside the block, once it ends."""
        words = Words()
        self._lives.append(words)
        try:
            yield
        finally:
            self._lives.remove(words)
            for line in log.read_text(errors="replace").splitlines():
                shaped = _SHAPES.search(line)
                if found := self.secrets.in_(line) or words.in_(line) or (shaped and shaped[0]):
                    self._found.append(f"{log.name} gives {found!r} away: {line}")

    def leaks(self) -> list[str]:
        """Where a secret stood in what was said since the last look; what is short is forgotten by now."""
        said, self.said = self.said, []
        found, self._found = self._found, []
        for where, text in said:
            if secret := self.secrets.in_(text) or self.words.in_(text):
                found.append(f"{where} gives {secret!r} away: {text}")
        self.words.forget()
        return found

    def _heard(self, request: httpx.Request, answer: httpx.Response) -> None:
        for name, value in request.headers.items():
            if name in _CREDENTIALS:
                self.secrets.collect(value)
        where = f"the answer {answer.status_code} to {request.method} {request.url.path}"
        for name, value in answer.headers.multi_items():
            told = _COOKIE.sub("=", value, count=1) if name == "set-cookie" else value
            self.said.append((f"a header of {where}", f"{name}: {told}"))
        if not hasattr(answer, "_content"):
            return  # a stream that the test reads by itself
        if answer.status_code < 400 and request.url.path != _METRICS:
            self.secrets.collect(answer.text)
            for code in _CODES.findall(answer.text):
                self.word(code)
        elif not request.url.path.startswith(_TEST_PLANE):
            self.said.append((f"the body of {where}", answer.text))


def _noting(call: Callable[..., Any], note: Callable[[Any, dict[str, Any]], None]) -> Callable[..., Any]:
    """*call*, whose result and arguments, by name, are handed to *note*."""
    signature = inspect.signature(call)

    def given(arguments: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
        bound = signature.bind(*arguments, **named)
        bound.apply_defaults()
        return bound.arguments

    if inspect.iscoroutinefunction(call):

        @functools.wraps(call)
        async def noting(*arguments: Any, **named: Any) -> Any:
            result = await call(*arguments, **named)
            note(result, given(arguments, named))
            return result

    else:

        @functools.wraps(call)
        def noting(*arguments: Any, **named: Any) -> Any:
            result = call(*arguments, **named)
            note(result, given(arguments, named))
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
