"""The pytest plugin: a real Gatepass for the tests of a client, a fresh world for each of them (docs/testing.md).

Every pytest run beside an installed Gatepass loads this file, so it imports nothing but pytest until a fixture is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from gatepass.testing import Server, World


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("gatepass", "Gatepass, the auth server under your control")
    group.addoption("--gatepass-url", metavar="URL", help="use the running server there, such as `gatepass dev`")
    group.addoption("--gatepass-admin-token", metavar="TOKEN", help="that server's admin token")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "gatepass(seed=...): make this test's world the same on every run")
    if bool(config.getoption("--gatepass-url")) != bool(config.getoption("--gatepass-admin-token")):
        raise pytest.UsageError("--gatepass-url and --gatepass-admin-token go together")


@pytest.fixture(scope="session")
def gatepass_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A Gatepass server in a process of its own (one for each worker of xdist), or the one of --gatepass-url."""
    from gatepass.testing import Server, started

    url, token = (request.config.getoption(f"--gatepass-{name}") for name in ("url", "admin-token"))
    with Server({"url": url, "admin_token": token}) if url else started() as server:
        yield server


@pytest.fixture
def gatepass(request: pytest.FixtureRequest, gatepass_server: Server) -> Iterator[World]:
    """A fresh world: users, keys, mail, clock and faults of this test alone. Dropped afterwards."""
    marker = request.node.get_closest_marker("gatepass")
    with gatepass_server.world(**(marker.kwargs if marker else {})) as world:
        yield world
