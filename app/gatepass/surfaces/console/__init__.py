"""The operators' console: pages for the people who run this deployment.

One room is one module with its routes and its templates; `rooms.py` lists what the navigation shows. Every room but the
door asks for an operator first (`access.py`).
"""

from fastapi import APIRouter

from gatepass.surfaces.console import home, keys, operators, own_access, sessions, signing_in, teams, users
from gatepass.surfaces.console.refusals import spell

router = APIRouter(include_in_schema=False)
for _room in (signing_in, home, teams, keys, users, sessions, operators, own_access):
    router.include_router(_room.router)

__all__ = ["router", "spell"]
