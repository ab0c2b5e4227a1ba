"""What a request says of itself steers nothing: not who counts as its sender, not what is answered, not what is logged."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

import commands
from harness import ADMIN_TOKEN, LOGIN, NO_LIMITS, SECRET, Server, serve
from postgres import free_port

PROXY, STRANGER, PHONE = "10.0.0.1", "203.0.113.9", "198.51.100.7"
EVIL = "evil.example"
HEADS = [
    f"Host: {EVIL}",
    f"Host: {EVIL}\r\nX-Forwarded-Host: {EVIL}\r\nForwarded: host={EVIL};proto=https\r\nX-Forwarded-Proto: https",
    f"Host: x\r\nX-Original-URL: /{EVIL}\r\nX-Rewrite-URL: /{EVIL}\r\nReferer: https://{EVIL}/\r\nOrigin: https://{EVIL}",
    f'Host: x\r\nUser-Agent: {EVIL}","event":"request","level":"error\r\nAccept-Language: {EVIL}',
    f"Host: x\r\nX-Request-Id: {EVIL} {{}}",
    "Host: x\r\nX-Request-Id: " + "a" * 65,
    'Host: x\r\nX-Request-Id: "},{"',
    "Host: x\r\nX-Request-Id: \x1b[31mred",
    "Host: x\r\nX-Request-Id: caf\u00e9",
    "Host: x\r\nX-Request-Id: one\r\nX-Request-Id: two",
    f"Host: x\r\nCookie: a={EVIL}; b",
]
TARGETS = [
    "/.well-known/oauth-authorization-server",
    f"http://{EVIL}/.well-known/jwks.json",
    f"/v2/user/%0a%7B%22event%22%3A%22request%22%7D%0d%0a{EVIL}",
    f"/sdk/v2/userinfo?next=https://{EVIL}/%0d%0aSet-Cookie:x",
    f"//{EVIL}/..%2f",
    f"/admin/v1/teams/%1b%5b31m{EVIL}",
    "/",
]


async def asked(server: Server, peer: str, forwarded: str) -> int:
    """The status of a request for a code from the socket *peer*."""
    transport = httpx.ASGITransport(server.app, client=(peer, 4711))
    headers = {"x-api-key": server.development_key, "x-forwarded-for": forwarded}
    async with httpx.AsyncClient(transport=transport, base_url="http://gatepass.test") as client:
        return (await client.post(LOGIN, json={"email": "ada@example.com"}, headers=headers)).status_code


@pytest.mark.parametrize(
    ("peer", "forwarded", "sender"),
    [
        (PROXY, PHONE, PHONE),
        (PROXY, f"{STRANGER}, {PHONE}", PHONE),
        (PROXY, f"{STRANGER}, {PHONE}, 10.9.9.9", PHONE),
        (PROXY, f"{STRANGER}, nonsense, {PHONE}", PHONE),
        (PROXY, f"{PHONE}, nonsense", PROXY),
        (PROXY, "", PROXY),
        (STRANGER, PHONE, STRANGER),
        (STRANGER, f"{PHONE}, {PROXY}", STRANGER),
    ],
)
async def test_a_sender_is_the_rightmost_hop_that_is_no_proxy_of_ours(
    sqlite_url: str, peer: str, forwarded: str, sender: str
) -> None:
    """Who was counted as *sender* is put off the next time, by whichever way he comes; others are not."""
    async with serve(sqlite_url, trusted_proxies="10.0.0.0/8", limit_login_per_client="1/hour") as server:
        ask = partial(asked, server)

        assert await ask(peer, forwarded) == 200
        assert await ask(sender, "") == 429
        assert await ask(PROXY, sender) == 429
        assert await ask(PROXY, "192.0.2.200") == 200


@pytest.mark.parametrize(
    ("first", "second", "alike"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.7", "192.0.2.7", True),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.8", False),
    ],
    ids=["of one /64", "of another", "one IPv4 address in two spellings", "two of them"],
)
async def test_who_has_many_ipv6_addresses_has_one_budget(
    sqlite_url: str, first: str, second: str, alike: bool
) -> None:
    """A subscriber has 2^64 of them at least (RFC 6177): as many budgets would be no limit."""
    async with serve(sqlite_url, trusted_proxies="10.0.0.0/8", limit_login_per_client="1/hour") as server:
        ask = partial(asked, server)

        assert await ask(first, "") == 200
        assert await ask(PROXY, second) == (429 if alike else 200)
        assert await ask("::ffff:10.0.0.1", first) == 429


@pytest.fixture(params=["json", "console"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[commands.Running, int, str]]:
    """`gatepass serve`, its port and the form of its log."""
    port = free_port()
    given = {**NO_LIMITS, "secret_key": SECRET, "admin_token": ADMIN_TOKEN, "smtp_url": "smtp://127.0.0.1:9"}
    given |= {"database_url": f"sqlite:///{tmp_path / 'gatepass.db'}", "public_url": "https://auth.acme.example"}
    given |= {"log_format": request.param}
    told = {name: str(value) for name, value in given.items()}
    assert commands.run("migrate", "up", cwd=tmp_path, **told).returncode == 0
    with commands.serve(tmp_path, port, **told) as running:
        yield running, port, request.param


def said(port: int, target: str, head: str) -> bytes:
    """The whole answer to one request as it is on the wire."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
        line.sendall(f"GET {target} HTTP/1.1\r\n{head}\r\nConnection: close\r\n\r\n".encode("latin-1"))
        answer = b""
        while part := line.recv(65_536):
            answer += part
    return answer


def test_no_header_and_no_path_steers_an_answer_or_a_log(served: tuple[commands.Running, int, str]) -> None:
    running, port, form = served
    answers = [said(port, target, head) for target in TARGETS for head in HEADS]
    assert running.stop() == 0
    understood = [answer for answer in answers if b"\r\nx-request-id: " in answer.lower()]
    assert len(understood) > len(answers) * 2 // 3
    for answer in answers:
        assert EVIL.encode() not in answer
        assert b"\x1b" not in answer
        assert b"set-cookie" not in answer.lower()
    log = running.log
    assert EVIL not in log
    assert "\x1b" not in log
    lines = log.splitlines()
    if form == "json":
        events = [json.loads(line) for line in lines]
        assert sum(event["event"] == "request" for event in events) == len(understood)
        assert all(event["logger"] for event in events)
    else:
        assert sum(" gatepass.access: request " in line for line in lines) == len(understood)
