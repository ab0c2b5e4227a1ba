"""Logs: one line per event on stderr, JSON or plain, nothing secret in it, every line of a request under its id.

Everything passes one pipe, also what uvicorn and other libraries say through `logging`: stamp, name, scrub, render. Only
the line of a request, which holds nothing that anyone chose, is spelled at once; those of one turn of the event loop are
written together.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from threading import RLock
from typing import Any, Literal

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gatepass.core.mint import Mint

EventDict = MutableMapping[str, Any]
Answered = Callable[[str, str | None, int, float], None]

REDACTED = "[redacted]"
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
HEADER = b"x-request-id"
WHOLE = 4096
"""Bytes that a pipe takes whole, whoever else writes to it (PIPE_BUF of Linux)."""

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_SECRET_WORDS = re.compile(
    r"tokens?|codes?|keys?|apikey|secrets?|authorization|bearer|jwt|passwords?|cookie|reikey|qr|credentials?"
)
_HARMLESS_WORDS = re.compile(r"ids?|at|ttl|count|kind|type|length|status|exit|error")
"""`key_id` names a key and `code_length` measures a code; neither is one."""
_SECRETS = re.compile(
    r"(?<![A-Za-z0-9])(?:sk|pk|pub|jrt)_[A-Za-z0-9_-]{8,}"  # API keys, Junction refresh tokens
    r"|eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"  # JWTs
    r"|(?<![0-9A-Fa-f])[0-9A-Fa-f]{72}(?![0-9A-Fa-f])"  # Elixir refresh tokens
    r"|REIKEY:[0-9A-Fa-f-]{32,36}"
    r"|(?<=://)[^\s/@]+:[^\s@]+(?=@)",  # user:password of a URL
    re.IGNORECASE,
)
_DEPTH = 6
"""Deeper values are dropped, whatever they hold."""

_request_id: ContextVar[str] = ContextVar("request_id")


def configure(log_format: Literal["json", "console"], *, level: int = logging.INFO) -> None:
    """Send every log of this process down the pipe, to stderr, from *level* on; libraries from `WARNING` on."""
    global _render, _level
    _render, _level = (_as_json if log_format == "json" else _as_line), level
    structlog.configure(
        processors=[_stamp, _name, structlog.processors.format_exc_info, _scrub, _render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Stderr,
        cache_logger_on_first_use=False,
    )
    logging.root.handlers = [_Funnel()]
    logging.root.setLevel(max(level, logging.WARNING))
    logging.getLogger("uvicorn").setLevel(level)


def route_of(scope: Scope) -> str | None:
    """The whole template of the route that took the request, and None where none did.

    `scope["route"]` knows a route of an included router by its last part; FastAPI keeps the whole elsewhere
    (tests/adapters/test_logs.py fails when that moves).
    """
    included = scope.get("fastapi", {}).get("effective_route_context")
    return getattr(included or scope.get("route"), "path", None)


def request_id() -> str:
    """The id of the request under way, empty outside of any."""
    return _request_id.get("")


class AccessLog:
    """Gives each request an id and leaves one line for it: the route's template, never the URL, status and duration.

    It wraps the whole application, so that a 500 has its line and its id too. The caller's own `X-Request-Id` is kept
    where it is one plain word. *answered* hears of each request: method, route, status, seconds.
    """

    def __init__(self, app: ASGIApp, *, mint: Mint | None = None, answered: Answered | None = None) -> None:
        self.app = app
        self._mint = mint or Mint()
        self._answered = answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = self._id_of(scope)
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (HEADER, request_id.encode())]
            await send(message)

        marker = _request_id.set(request_id)
        began = time.perf_counter()
        try:
            await self.app(scope, receive, noting)
        finally:
            seconds = time.perf_counter() - began
            method, route = scope["method"], route_of(scope)
            method = method if method in METHODS else "OTHER"
            if self._answered is not None:
                self._answered(method, route, status, seconds)
            _note_request(request_id, method, route, status, round(seconds * 1000, 1))
            _request_id.reset(marker)

    def _id_of(self, scope: Scope) -> str:
        for name, value in scope["headers"]:
            if name == HEADER and REQUEST_ID.fullmatch(value):
                given: str = value.decode()
                return given
        return self._mint.bytes(8).hex()


def _note_request(request_id: str, method: str, route: str | None, status: int, ms: float) -> None:
    """One line, spelled at once: every value in it is a number, a route's template or checked already.

    It is written when this turn of the event loop ends, with its neighbours; whatever else is said meanwhile, after it.
    """
    if _level > logging.INFO:
        return
    spell = _request_as_json if _render is _as_json else _request_as_event
    _unwritten.append(spell(request_id, method, route, status or None, ms, _now()))
    asyncio.get_running_loop().call_soon(_write_all)


def _request_as_json(request_id: str, method: str, route: str | None, status: int | None, ms: float, at: str) -> str:
    """What `_as_json` makes of the event below, at a tenth of the price; tests/adapters/test_logs.py compares them."""
    return (
        f'{{"level":"info","logger":"gatepass.access","request":"{request_id}","event":"request","method":"{method}",'
        f'"route":{_quoted(route)},"status":{status or "null"},"ms":{ms},"at":"{at}"}}\n'
    )


def _request_as_event(request_id: str, method: str, route: str | None, status: int | None, ms: float, at: str) -> str:
    event = {
        "level": "info",
        "logger": "gatepass.access",
        "request": request_id,
        "event": "request",
        "method": method,
        "route": route,
        "status": status,
        "ms": ms,
        "at": at,
    }
    return _render(None, "", event) + "\n"


def _now() -> str:
    """`2026-05-01T09:30:00.123456Z`."""
    second, micro = divmod(time.time_ns() // 1000, 1_000_000)
    return f"{_second(second)}.{micro:06d}Z"


@lru_cache(maxsize=4)
def _second(since_epoch: int) -> str:
    return datetime.fromtimestamp(since_epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _write_all() -> None:
    """Write what is waiting, oldest first, in pieces that a pipe takes whole: several processes may share one."""
    with _writing:
        while _unwritten:
            piece = _unwritten.popleft()
            while _unwritten and len(piece) + len(_unwritten[0]) <= WHOLE:
                piece += _unwritten.popleft()
            sys.stderr.write(piece)
            sys.stderr.flush()


class _Stderr:
    """Where rendered lines go: looked up at each write, for whoever captures stderr."""

    def __init__(self, name: str = "") -> None:
        self.name = name

    def _write(self, line: str) -> None:
        _unwritten.append(line + "\n")
        _write_all()

    debug = info = warning = error = critical = exception = msg = _write


class _Funnel(logging.Handler):
    """Hands the records of `logging` to the pipe."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            structlog.get_logger(record.name).log(record.levelno, record.getMessage(), exc_info=record.exc_info)
        except Exception:
            self.handleError(record)


def _stamp(_logger: Any, _method: str, event: EventDict) -> EventDict:
    event["at"] = _now()
    return event


def _name(logger: Any, method: str, event: EventDict) -> EventDict:
    event["level"] = "error" if method == "exception" else method
    event["logger"] = logger.name
    if current := request_id():
        event["request"] = current
    return event


def _scrub(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """The one point of redaction: by the name of a value, and by its shape."""
    return {name: redacted(name, value) for name, value in event.items()}


def redacted(name: str, value: Any, depth: int = 0) -> Any:
    """*value*, called *name*, without its secrets: a secret's name hides all of it, a secret's shape that part of it."""
    if value is None or value is True or value is False:
        return value
    if is_secret_name(name):
        return REDACTED
    if isinstance(value, int | float):
        return value
    if isinstance(value, str):
        return _SECRETS.sub(REDACTED, value)
    if depth == _DEPTH:
        return REDACTED
    if isinstance(value, Mapping):
        return {_SECRETS.sub(REDACTED, str(key)): redacted(str(key), item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(name, item, depth + 1) for item in value]
    return _SECRETS.sub(REDACTED, str(value))


def is_secret_name(name: str) -> bool:
    """Whether a value of this name is a secret: `refreshToken` and `api_key` are, `key_id` and `code_length` are not."""
    if name in _judged:
        return _judged[name]
    words = [word.lower() for word in _WORD.findall(name)]
    verdict = any(map(_SECRET_WORDS.fullmatch, words)) and not any(map(_HARMLESS_WORDS.fullmatch, words))
    if len(_judged) < 1000:
        _judged[name] = verdict
    return verdict


_judged: dict[str, bool] = {}


def _as_json(_logger: Any, _method: str, event: EventDict) -> str:
    return _encode(event)


def _as_line(_logger: Any, _method: str, event: EventDict) -> str:
    """`12:41:33 info    gatepass.access  request  method=GET status=200`; a traceback follows, indented."""
    at, level, name = event.pop("at"), event.pop("level"), event.pop("logger")
    said, traceback = event.pop("event", ""), event.pop("exception", "")
    event.pop("exc_info", None)
    rest = "".join(f" {_plain(key)}={_plain(value)}" for key, value in event.items() if value is not None)
    trail = "".join(f"\n    | {_printable(line)}" for line in traceback.splitlines())
    return f"{at[11:19]} {level:<7} {name}: {_printable(str(said))}{rest}{trail}"


def _plain(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if text.isprintable() and " " not in text and text else json.dumps(text)


def _printable(text: str) -> str:
    return text if text.isprintable() else json.dumps(text)[1:-1]


_encode = json.JSONEncoder(separators=(",", ":")).encode
_quoted = lru_cache(maxsize=1024)(_encode)
_unwritten: deque[str] = deque()
"""Lines on their way out, each with its end."""
_writing = RLock()
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_render: Callable[[Any, str, EventDict], str] = _as_line
_level = logging.INFO
