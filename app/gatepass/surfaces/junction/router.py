"""Every route of the Junction dialect, the more particular paths first."""

from __future__ import annotations

from fastapi import APIRouter

from gatepass.surfaces.junction import health, management, token, users

router = APIRouter()
for theme in (token, management, health, users):
    router.include_router(theme.router)
