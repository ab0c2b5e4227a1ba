"""Test a client against a real Gatepass: a server of the test's own, and a world in it for each test.

The pytest plugin hands these out as the fixtures `gatepass_server` and `gatepass` (docs/testing.md); any other test
runner uses them as they are:

    with started() as server, server.world() as world:
        client = MyClient(world.url, world.publishable_key)

Nothing of the server is imported here: it runs in a process of its own.
"""

from gatepass.testing.control_plane import NothingArrived, Problem
from gatepass.testing.parts import Clock, Faults, Inbox, Message, Request, Requests
from gatepass.testing.server import CannotStart, Server, started
from gatepass.testing.world import World

__all__ = [
    "CannotStart",
    "Clock",
    "Faults",
    "Inbox",
    "Message",
    "NothingArrived",
    "Problem",
    "Request",
    "Requests",
    "Server",
    "World",
    "started",
]
