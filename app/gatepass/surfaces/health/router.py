"""`/livez`: the process answers. `/readyz`: it can do its work; a failing part is named."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from gatepass.adapters.migrations import is_current
from gatepass.core import outbox
from gatepass.core.errors import Unavailable
from gatepass.core.schema import MINUTE
from gatepass.core.unit import Unit
from gatepass.wiring import InRuntime

router = APIRouter(tags=["Health"])

STALE_OUTBOX = 5 * MINUTE
"""A mail waiting this long means that none leaves."""


class Live(BaseModel):
    """The process answers."""

    status: Literal["live"] = "live"


class Ready(BaseModel):
    """Every part by name: `ok`, or what is wrong with it. `outbox_age` in seconds."""

    status: Literal["ready", "not ready"]
    database: str
    schema_: str = Field(alias="schema")
    signing_key: str
    outbox: str
    outbox_age: int


@router.get("/livez", response_model=Live)
async def livez() -> Live:
    """Whether the process answers at all. Restart it when it does not."""
    return Live()


@router.get("/readyz", responses={503: {"model": Ready, "description": "Not ready; the parts say why."}})
async def readyz(runtime: InRuntime, response: Response) -> Ready:
    """Whether this process can do its work: database, schema, signing key, mail. Route no traffic here when it cannot."""
    parts = {"database": "ok", "schema": "ok", "signing_key": "ok", "outbox": "ok"}

    async def look(unit: Unit) -> int:
        if not await is_current(unit.db):
            parts["schema"] = "stale: run gatepass migrate up"
            return 0
        return await outbox.oldest_waiting(unit)

    age = 0
    try:
        age = await runtime.read(look)
    except Unavailable as error:
        parts["database"] = f"down: {error}"
    if age > STALE_OUTBOX:
        parts["outbox"] = "stuck: no mail leaves"
    ready = all(state == "ok" for state in parts.values())
    response.status_code = 200 if ready else 503
    response.headers["cache-control"] = "no-store"
    return Ready.model_validate({"status": "ready" if ready else "not ready", "outbox_age": age // 1000, **parts})
