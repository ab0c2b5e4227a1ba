"""Logs: one line per event, nothing secret in it."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from gatepass.adapters import logs
from harness import LOGIN, USERINFO, serve


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    logging.getLogger("uvicorn").setLevel(logging.NOTSET)


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Any:
    """The JSON lines written since the last look."""
    logs.configure("json")

    def read() -> list[dict[str, Any]]:
        caught = capsys.readouterr()
        assert caught.out == ""
        return [json.loads(line) for line in caught.err.splitlines()]

    return read


TOKEN = "9b1c4e7a0d2f4c6e8a0b1d3f5a7c9e0b2d4f6a8c0e1b3d5f7a9c1e3b5d7f9a0c11223344"
SECRETS = [
    f"sk_eu_{'x' * 40}",
    f"pk_us_{'x' * 40}",
    f"pub_{'x' * 40}",
    f"jrt_{'x' * 48}",
    TOKEN,
    "eyJhbGciOiJIUzUxMiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl",
    "REIKEY:2f0d8f7e-54b7-4f0e-9d0d-6f3a2c1b0a99",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_what_looks_like_a_secret_is_removed_wherever_it_stands(lines: Any, secret: str) -> None:
    log = structlog.get_logger("test")
    log.info(
        f"said {secret}, twice: ({secret})", why=f"x={secret}", deep={"a": [{secret: secret}]}, other=Exception(secret)
    )
    try:
        raise ValueError(secret)
    except ValueError:
        log.exception("failed")
    logging.getLogger("library").warning("it was %s", secret)
    found = lines()
    assert len(found) == 3
    assert secret.lower() not in json.dumps(found).lower()
    assert found[0]["event"] == f"said {logs.REDACTED}, twice: ({logs.REDACTED})"


def test_a_password_in_a_url_is_removed(lines: Any) -> None:
    structlog.get_logger().info("connecting to postgresql://ada:sek/ret@host/db")
    structlog.get_logger().info("connecting to smtp://ada:sekret@host:25")
    told = [line["event"] for line in lines()]
    assert told[1] == f"connecting to smtp://{logs.REDACTED}@host:25"
    assert not any("ret@" in event for event in told)


@pytest.mark.parametrize(
    "name",
    [
        "token",
        "refreshToken",
        "access_token",
        "code",
        "userCode",
        "x-api-key",
        "secret_key",
        "Authorization",
        "PASSWORD",
        "qrValue",
    ],
)
def test_a_value_named_like_a_secret_is_removed(lines: Any, name: str) -> None:
    structlog.get_logger().info("seen", **{name: "482193"}, inner={name: 482193})
    (line,) = lines()
    assert line[name] == logs.REDACTED
    assert "482193" not in json.dumps(line)


@pytest.mark.parametrize(
    "name", ["key_id", "code_length", "status_code", "token_kind", "token_type", "qr_id", "route", "error"]
)
def test_a_value_that_merely_talks_about_secrets_stays(lines: Any, name: str) -> None:
    structlog.get_logger().info("code 482193 for ada@example.com", **{name: "6"})
    (line,) = lines()
    assert line[name] == "6"
    assert line["event"] == "code 482193 for ada@example.com"


HOSTILE = "one\ntwo\r\x1b[31m\u2028three\x00\ud800"


def test_hostile_text_stays_on_its_line(lines: Any, capsys: pytest.CaptureFixture[str]) -> None:
    structlog.get_logger().info(HOSTILE, path=HOSTILE, deep={HOSTILE: HOSTILE})
    logging.getLogger("uvicorn.error").info(HOSTILE)
    assert [line["event"] for line in lines()] == [HOSTILE, HOSTILE]
    logs.configure("console")
    structlog.get_logger().info(HOSTILE, path=HOSTILE, deep={HOSTILE: HOSTILE})
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert said.rstrip("\n").isprintable()


def test_on_the_console_a_traceback_cannot_pass_for_another_event(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("console")
    try:
        raise ValueError("\n12:00:00 info    gatepass: all is well")
    except ValueError:
        structlog.get_logger("gatepass").exception("failed")
    first, *rest = capsys.readouterr().err.splitlines()
    assert first.endswith("error   gatepass: failed")
    assert rest
    assert all(line.startswith("    | ") for line in rest)


async def request(sqlite_url: str, method: str, path: str, **more: Any) -> httpx.Response:
    """One request through the access log to a whole server."""
    async with serve(sqlite_url) as server:
        transport = httpx.ASGITransport(logs.AccessLog(server.app), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://gatepass.test") as client:
            answer = await client.request(method, path, **more)
    await asyncio.sleep(0)  # the turn of the loop in which the line is written
    return answer


async def test_a_request_leaves_one_line_with_its_route_and_never_its_url(lines: Any, sqlite_url: str) -> None:
    secret = "2f0d8f7e-54b7-4f0e-9d0d-6f3a2c1b0a99"
    await request(sqlite_url, "GET", f"/sdk/auth/v2/session/reikey/{secret}/?code=482193")
    said = lines()
    (access,) = [line for line in said if line["logger"] == "gatepass.access"]
    assert access["route"] == "/sdk/auth/v2/session/reikey/{reikey}"
    assert (access["method"], access["status"]) == ("GET", 400)
    assert access["ms"] >= 0
    assert secret not in json.dumps(said)
    assert "482193" not in json.dumps(said)


async def test_a_path_that_is_no_route_is_not_told(lines: Any, sqlite_url: str) -> None:
    await request(sqlite_url, "GET", "/nowhere/sekret")
    (access,) = lines()
    assert (access["route"], access["status"]) == (None, 404)


async def test_every_line_of_a_request_has_the_id_that_the_answer_names(lines: Any, sqlite_url: str) -> None:
    answer = await request(sqlite_url, "GET", USERINFO, headers={"x-request-id": "from-the-proxy.1"})
    assert answer.headers["x-request-id"] == "from-the-proxy.1"
    said = lines()
    assert {line["event"] for line in said} == {"refused", "request"}
    assert {line["request"] for line in said} == {"from-the-proxy.1"}


@pytest.mark.parametrize("given", ["", "a b", "a" * 65, 'x"', "x\ty", "ü"])
async def test_an_id_that_is_no_plain_word_is_replaced(lines: Any, sqlite_url: str, given: str) -> None:
    answer = await request(sqlite_url, "POST", LOGIN, headers={"x-request-id": given.encode()})
    made = answer.headers["x-request-id"]
    assert made != given
    assert len(made) == 16
    assert {line["request"] for line in lines()} == {made}


async def test_a_mistake_of_ours_has_its_line_and_its_id_too(lines: Any) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("broken")

    app = logs.AccessLog(broken)
    with pytest.raises(RuntimeError):
        await app({"type": "http", "method": "GET", "headers": []}, None, None)  # type: ignore[arg-type]
    await asyncio.sleep(0)
    (access,) = lines()
    assert (access["event"], access["status"]) == ("request", None)


async def test_a_route_of_an_included_router_is_told_whole(lines: Any, sqlite_url: str) -> None:
    await request(sqlite_url, "GET", "/admin/v1/signing-keys")
    assert {line["route"] for line in lines()} == {"/admin/v1/signing-keys"}


@pytest.mark.parametrize("route", ["/v2/user/{user_id}", None, 'a "quoted" one'])
@pytest.mark.parametrize("status", [200, None])
def test_the_line_of_a_request_is_spelled_as_every_event_is(route: str | None, status: int | None) -> None:
    logs.configure("json")
    told = "a-request.1", "GET", route, status, 12.3, "2026-05-01T09:30:00.000001Z"
    assert logs._request_as_json(*told) == logs._request_as_event(*told)


async def test_lines_of_one_turn_leave_in_their_order_and_in_pieces_that_a_pipe_takes_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logs.configure("json")
    written: list[str] = []

    class Pipe(io.StringIO):
        def write(self, text: str) -> int:
            written.append(text)
            return len(text)

    async def empty(scope: Any, receive: Any, send: Any) -> None:
        pass

    monkeypatch.setattr("sys.stderr", Pipe())
    app = logs.AccessLog(empty)
    for number in range(60):
        headers = [(logs.HEADER, b"%d" % number)]
        await app({"type": "http", "method": "GET", "headers": headers}, None, None)  # type: ignore[arg-type]
        if number == 39:
            structlog.get_logger("test").info("said in between")
    assert len(written) < 10
    await asyncio.sleep(0)
    monkeypatch.undo()
    said = [json.loads(line) for line in "".join(written).splitlines()]
    assert [line.get("request", line["event"]) for line in said] == [
        *map(str, range(40)),
        "said in between",
        *map(str, range(40, 60)),
    ]
    assert all(piece.endswith("\n") and len(piece) <= logs.WHOLE for piece in written)


PACKAGE = Path(logs.__file__).parents[1]
PAST_THE_PIPE = re.compile(
    r"\bprint\(|sys\.std(err|out)|structlog\.configure|logging\.(basicConfig|getLogger|StreamHandler|FileHandler|info|warning|error)"
    r"|warnings\.warn|traceback\.print"
)


def test_the_server_speaks_through_the_one_pipe_alone() -> None:
    """Whatever is logged passes the redaction, for there is no other way out: no module but this one knows stderr.

    Commands, which speak to whoever typed them, and the tools for tests and clients stand outside of the server.
    """
    outside = ("cli", "client", "testing")
    past = [
        f"{path.relative_to(PACKAGE)}:{number}"
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).parts[0] not in outside and path.name != "logs.py"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if PAST_THE_PIPE.search(line)
    ]
    assert past == []
    assert len(PAST_THE_PIPE.findall(Path(logs.__file__).read_text())) > 3, (
        "a pattern that finds nothing proves nothing"
    )
