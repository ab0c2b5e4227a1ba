"""How near `gatepass dev` lets others come, and the chaos it can be asked for."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
import segno

import commands
from gatepass.cli import nearby
from gatepass.cli.output import Failure
from harness import LOGIN
from postgres import free_port


def listening(server: commands.Running) -> set[str]:
    """The addresses that the server's process listens on."""
    inodes = set()
    for link in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since it was listed
            inodes.add(str(link.readlink()).removeprefix("socket:[").removesuffix("]"))
    found = set()
    for name, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/{server.process.pid}/net/{name}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                raw = bytes.fromhex(fields[1].partition(":")[0])
                words = b"".join(raw[place : place + 4][::-1] for place in range(0, len(raw), 4))
                found.add(socket.inet_ntop(family, words))
    return found


@pytest.fixture
def own_address() -> str:
    """This host's address on a private network."""
    try:
        return nearby.lan_address(nearby.own_addresses())
    except Failure as missing:
        pytest.skip(str(missing))


def test_it_listens_on_loopback_alone(tmp_path: Path) -> None:
    with commands.dev(tmp_path, "--memory") as server:
        assert listening(server) == {"127.0.0.1"}


def test_lan_listens_on_one_private_address_and_says_how_to_get_there(tmp_path: Path, own_address: str) -> None:
    with commands.dev(tmp_path, "--memory", "--lan") as server:
        assert listening(server) == {own_address}
        assert own_address in server.url
        said = httpx.post(server.url + LOGIN, headers={"x-api-key": server.facts["publishable_key"]})
        assert said.json()["error"]["code"] == 1100, "devices call it by that address"
        assert httpx.get(f"{server.url}/livez", headers={"host": "evil.example"}).status_code == 404
        commands.until(lambda: "network-security-config" in server.out.read_text(), server)
        welcome = server.out.read_text()
    for hint in (f"Devices on this network reach {server.url}", "NSAllowsLocalNetworking", f"<domain>{own_address}"):
        assert hint in welcome
    assert "█" in welcome


def test_json_has_no_drawing_in_it(tmp_path: Path, own_address: str) -> None:
    with commands.dev(tmp_path, "--memory", "--lan", "--chaos", "--json") as server:
        commands.until(lambda: "CHAOS" in server.log, server)
        assert json.loads(server.out.read_text())["url"] == server.url


def test_the_drawing_is_the_base_url() -> None:
    url = "http://192.168.1.7:8000"
    drawn = [line for line in nearby.guidance(url).splitlines() if re.fullmatch(r"[ █▀▄]{20,}", line)]
    matrix = [list(row) for row in segno.make(url, micro=False).matrix]
    halves = {" ": (1, 1), "█": (0, 0), "▀": (0, 1), "▄": (1, 0)}
    rows = [[halves[character][half] for character in line] for line in drawn for half in (0, 1)]
    border = (len(rows[0]) - len(matrix)) // 2
    assert [row[border:-border] for row in rows[border : border + len(matrix)]] == matrix


@pytest.mark.parametrize(
    ("addresses", "taken"),
    [
        (["192.168.1.7"], "192.168.1.7"),
        (["10.1.2.3", "fd00::2"], "10.1.2.3"),
        (["203.0.113.7", "fd00::2"], "fd00::2"),
        (["203.0.113.7", "2001:db8::7"], None),
        (["127.0.0.1", "::1"], None),
        (["169.254.1.1", "fe80::1"], None),
        (["100.64.0.1"], None),
        ([], None),
    ],
)
def test_only_a_private_address_is_taken(addresses: list[str], taken: str | None) -> None:
    if taken is None:
        with pytest.raises(Failure, match="no private address"):
            nearby.lan_address(addresses)
    else:
        assert nearby.lan_address(addresses) == taken


@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("localhost", True),
        ("app.localhost", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("10.0.2.2", True),
        ("172.31.255.255", True),
        ("192.168.0.1", True),
        ("fd12::1", True),
        ("gatepass", True),
        ("auth.example.com", False),
        ("gatepass.local", False),
        ("172.32.0.1", False),
        ("8.8.8.8", False),
        ("0.0.0.0", False),
        ("169.254.169.254", False),
        ("2001:db8::1", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
def test_near_is_what_no_stranger_can_reach(host: str, near: bool) -> None:
    assert nearby.is_near(host) is near


def test_a_container_listens_on_all_its_addresses_for_its_neighbours(tmp_path: Path) -> None:
    with commands.dev(tmp_path, "--memory", "--container", public_url="http://gatepass:8000") as server:
        assert server.url == "http://gatepass:8000"
        assert listening(server) == {"0.0.0.0"}


def asking(port: int) -> Callable[[str], int]:
    return lambda host: httpx.get(f"http://127.0.0.1:{port}/livez", headers={"host": host}).status_code


def test_a_container_answers_to_its_neighbours_names(tmp_path: Path) -> None:
    port = free_port()
    with commands.dev(tmp_path, "--memory", "--container", "--port", str(port)) as server:
        assert server.url == f"http://127.0.0.1:{port}"
        status = asking(port)
        assert {status(host) for host in ("gatepass", "auth:8000", "172.17.0.3", "localhost:49153", "[::1]")} == {200}
        assert {status(host) for host in ("evil.example", "8.8.8.8", "evil.example:8000", "")} == {404}


@pytest.mark.parametrize("public_url", ["https://auth.example.com", "http://8.8.8.8:8000", "http://gatepass.local"])
def test_a_container_for_strangers_is_refused_before_it_listens(tmp_path: Path, public_url: str) -> None:
    said = commands.run("dev", "--port", "0", "--memory", "--container", cwd=tmp_path, public_url=public_url)
    assert (said.returncode, said.stdout) == (2, "")
    assert public_url in said.stderr
    assert "next: name a loopback or private address" in said.stderr


def test_the_env_file_counts_too(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("GATEPASS_PUBLIC_URL=https://auth.example.com\n")
    said = commands.run("dev", "--port", "0", "--memory", "--container", cwd=tmp_path)
    assert said.returncode == 2


def test_lan_and_container_contradict_each_other(tmp_path: Path) -> None:
    said = commands.run("dev", "--lan", "--container", cwd=tmp_path)
    assert said.returncode == 2
    assert "give one of the two" in said.stderr


def test_chaos_is_announced_and_loses_answers_of_worlds_alone(tmp_path: Path) -> None:
    with commands.dev(tmp_path, "--memory", "--chaos") as server:
        commands.until(lambda: "CHAOS: 3% of all answers are lost" in server.log, server)
        headers = {"x-api-key": server.facts["publishable_key"]}
        with httpx.Client(base_url=server.url) as client:

            def ask_often() -> None:
                for number in range(400):  # of which none is lost once in 200,000
                    asked = {"email": f"user{number}@example.com"}
                    assert client.post(LOGIN, json=asked, headers=headers).status_code == 200

            with pytest.raises(httpx.ReadError):
                ask_often()
            assert {client.get("/livez").status_code for _ in range(100)} == {200}
        admin = {"authorization": f"Bearer {server.facts['admin_token']}"}
        journal = httpx.get(f"{server.url}/_test/worlds/{server.facts['team_id']}/requests", headers=admin).json()
        assert (journal[-1]["fault"], journal[-1]["status"]) == ("commit_then_drop", 200)


def test_no_chaos_comes_unasked(tmp_path: Path) -> None:
    with commands.dev(tmp_path, "--memory") as server:
        commands.until(lambda: "Ctrl-C" in server.out.read_text(), server)
        assert "CHAOS" not in server.log + server.out.read_text()
        assert ip_address(server.url.split("/")[2].split(":")[0]).is_loopback
