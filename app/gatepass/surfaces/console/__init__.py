"""The operators' console: pages for the people who run this deployment.

One room is one module with its routes and its templates; `rooms.py` lists what the navigation shows. Every room but the
door asks for an operator first (`access.py`).
"""

from fastapi import APIRouter

from gatepass.surfaces.console import (
    app_keys,
    audit,
    home,
    inbox,
    keys,
    mails,
    operators,
    own_access,
    sessions,
    signing_in,
    signing_keys,
    teams,
    try_it,
    users,
    worlds,
)
from gatepass.surfaces.console.refusals import spell

router = APIRouter(include_in_schema=False)
for _room in (
    *(signing_in, home, worlds, signing_keys, audit, operators, own_access),
    *(teams, users, sessions, keys, app_keys, mails, inbox, try_it),
):
    router.include_router(_room.router)

__all__ = ["router", "spell"]
