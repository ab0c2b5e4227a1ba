"""My Account: pages for the users of a team that has them.

A user signs in with an e-mailed code, as a phone does, and finds the QR code that signs in another device, the devices
that are signed in, what happened lately, and a name and a language to choose.
"""

from fastapi import APIRouter

from gatepass.surfaces.account import activity, devices, profile, security, signing_in
from gatepass.surfaces.account.refusals import spell

router = APIRouter(include_in_schema=False)
for _room in (security, devices, activity, profile, signing_in):
    router.include_router(_room.router)

__all__ = ["router", "spell"]
