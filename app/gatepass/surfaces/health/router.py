"""`/livez`: the process answers. `/readyz`: it can do its work; a failing part is named."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from gatepass.adapters import readiness
from gatepass.core.schema import SECOND
from gatepass.wiring import InRuntime

router = APIRouter(tags=["Health"])


class Live(BaseModel):
    """The process answers."""

    status: Literal["live"] = "live"


class Ready(BaseModel):
    """Every part by name: `ok`, or what is wrong with it. `outbox_age`: seconds that the oldest mail has waited."""

    status: Literal["ready", "degraded", "not ready"]
    database: str = Field("ok", examples=["ok"])
    schema_: str = Field("ok", alias="schema", examples=["ok"])
    signing_key: str = Field("ok", examples=["ok"])
    outbox: str = Field("ok", examples=["ok"])
    outbox_age: int = Field(0, examples=[0])


@router.get("/livez", response_model=Live, response_description=Live.__doc__ or "")
async def live(response: Response) -> Live:
    """Whether the process answers at all. Restart it when it does not."""
    response.headers["cache-control"] = "no-store"
    return Live()


@router.get(
    "/readyz",
    response_model=Ready,
    response_description=Ready.__doc__ or "",
    responses={
        503: {
            "model": Ready,
            "description": "Not ready; the parts say why.",
            "content": {
                "application/json": {
                    "example": {
                        "status": "not ready",
                        "database": "ok",
                        "schema": "stale: run gatepass migrate up",
                        "signing_key": "ok",
                        "outbox": "ok",
                        "outbox_age": 0,
                    }
                }
            },
        }
    },
)
async def ready(runtime: InRuntime, response: Response) -> Ready:
    """Whether this process can do its work: database, schema, signing key. Route no traffic here when it cannot.

    Mail that does not leave is `degraded`, and 200: all processes share one outbox, and who is signed in needs no mail.
    """
    found = await readiness.look(runtime.read)
    response.status_code = 503 if found.status == "not ready" else 200
    response.headers["cache-control"] = "no-store"
    return Ready.model_validate({"status": found.status, "outbox_age": found.outbox_age // SECOND, **found.wrong})
