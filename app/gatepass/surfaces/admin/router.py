"""Routes under /admin/v1."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(prefix="/admin/v1", tags=["Admin"])
SECURITY_SCHEMES = {"AdminToken": {"type": "http", "scheme": "bearer"}}
