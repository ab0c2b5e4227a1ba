"""What the navigation shows: the console's rooms, and the rooms of one team."""

from __future__ import annotations

from dataclasses import dataclass

from gatepass.pages import Site


@dataclass(frozen=True, slots=True)
class Room:
    """One entry of the navigation. *path* is below `/console`, or below a team's own path."""

    path: str
    label: str
    icon: str
    test_mode_only: bool = False


ROOMS: tuple[Room, ...] = (
    Room("", "Home", "home"),
    Room("/teams", "Teams", "team"),
    Room("/worlds", "Worlds", "device", test_mode_only=True),
    Room("/signing-keys", "Signing keys", "key"),
    Room("/audit", "Audit log", "list"),
    Room("/operators", "Operators", "lock"),
)
"""The console's own."""

TEAM_ROOMS: tuple[Room, ...] = (
    Room("", "Overview", "chart"),
    Room("/users", "Users", "user"),
    Room("/keys", "Keys", "key"),
    Room("/app-keys", "Keys in apps", "alert"),
    Room("/mails", "Mails", "mail"),
    Room("/inbox", "Inbox", "inbox", test_mode_only=True),
    Room("/world", "World", "device", test_mode_only=True),
    Room("/try", "Try it", "code"),
    Room("/settings", "Settings", "settings"),
)
"""Every team's."""

site = Site("gatepass.surfaces.console", "console")
site.environment.globals |= {"rooms": ROOMS, "team_rooms": TEAM_ROOMS}
