"""`/livez`: the process answers. `/readyz`: it can do its work; a failing part is named."""

from __future__ import annotations

import asyncio
from typing import Literal

import structlog
from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from gatepass.adapters.migrations import is_behind
from gatepass.core import outbox, signing_keys
from gatepass.core.errors import Unavailable
from gatepass.core.schema import MINUTE, SECOND
from gatepass.core.server_secret import SealBroken
from gatepass.core.signing_keys import DEPLOYMENT, Ring
from gatepass.core.unit import Unit
from gatepass.wiring import InRuntime, Runtime

router = APIRouter(tags=["Health"])
log = structlog.get_logger("gatepass")

PATIENCE = 2.0
"""Seconds a database may take to answer one question."""
STUCK_OUTBOX = 5 * MINUTE
"""A mail waiting this long means that none leaves."""


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
    wrong, age = await _look(runtime)
    status = "ready" if not wrong else "degraded" if wrong.keys() == {"outbox"} else "not ready"
    response.status_code = 503 if status == "not ready" else 200
    response.headers["cache-control"] = "no-store"
    return Ready.model_validate({"status": status, "outbox_age": age // SECOND, **wrong})


async def _look(runtime: Runtime) -> tuple[dict[str, str], int]:
    """The parts that fail, each with what is wrong, and the age in ms of the oldest mail. Never raises, never hangs.

    The words are ours: a driver's message may name a host.
    """

    async def ask(unit: Unit) -> int | None:
        if await is_behind(unit.db):
            return None
        await signing_keys.keys_of(unit, Ring.ACCESS, DEPLOYMENT)
        return await outbox.oldest_waiting(unit)

    # Not wait_for: it would wait for the cancelled question to clean up, and a hanging database lets nothing finish.
    question = asyncio.ensure_future(runtime.read(ask))
    answered, _ = await asyncio.wait({question}, timeout=PATIENCE)
    if not answered:
        question.add_done_callback(lambda late: late.cancelled() or late.exception())
        question.cancel()
        return {"database": f"hanging: no answer in {PATIENCE:.0f} s"}, 0
    try:
        age = question.result()
    except Unavailable as error:
        log.warning("not_ready", reason=str(error))
        return {"database": "down: out of reach"}, 0
    except SealBroken:
        return {"signing_key": "sealed: no secret in GATEPASS_SECRET_KEY opens it; list the earlier one too"}, 0
    except Exception:
        log.exception("not_ready")
        return {"database": "down: it refuses us; the log says why"}, 0
    if age is None:
        return {"schema": "stale: run gatepass migrate up"}, 0
    return ({"outbox": "stuck: no mail leaves"} if age > STUCK_OUTBOX else {}), age
