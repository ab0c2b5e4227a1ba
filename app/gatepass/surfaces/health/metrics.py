"""`/metrics`: what a Prometheus scrapes, with the admin token as its bearer."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from gatepass.adapters import metrics
from gatepass.core import outbox
from gatepass.core.errors import Unavailable
from gatepass.core.schema import SECOND
from gatepass.wiring import InRuntime, Runtime, require_admin

router = APIRouter()

PATIENCE = 2.0
"""Seconds for the database to tell the age of the outbox; a scrape must not hang with it."""


_REFUSED = {
    401: ("The bearer is not the admin token.", "Unauthorized"),
    403: ("The deployment has set no admin token.", "Forbidden"),
}


def _problem(status: int, about: str, title: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"status": {"type": "integer"}, "title": {"type": "string"}}}
    example = {"status": status, "title": title}
    return {"description": about, "content": {"application/problem+json": {"schema": schema, "example": example}}}


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    response_description="Prometheus' text format, or OpenMetrics where that is asked for.",
    responses={
        200: {
            "content": {
                "text/plain": {"example": "# TYPE gatepass_codes_sent_total counter\ngatepass_codes_sent_total 12.0\n"}
            }
        },
        **{status: _problem(status, *told) for status, told in _REFUSED.items()},
    },
    openapi_extra={"security": [{"AdminToken": []}]},
)
async def scrape(request: Request, runtime: InRuntime) -> Response:
    """The numbers of all processes of this `gatepass serve`. Raises Forbidden, AccessTokenInvalid."""
    require_admin(request, runtime)
    seen, processes = runtime.metrics.everyone()
    age = await _outbox_age(runtime)
    accept = request.headers.get("accept", "")
    body, content_type = metrics.exposition(seen, processes=processes, outbox_age=age, accept=accept)
    return Response(body, headers={"content-type": content_type, "cache-control": "no-store"})


async def _outbox_age(runtime: Runtime) -> float | None:
    """Seconds; None where the database does not answer."""
    question = asyncio.ensure_future(runtime.read(outbox.oldest_waiting))
    answered, _ = await asyncio.wait(
        {question}, timeout=PATIENCE
    )  # wait_for would wait for a hanging database to let go
    if not answered:
        question.add_done_callback(lambda late: late.cancelled() or late.exception())
        question.cancel()
        return None
    try:
        return question.result() / SECOND
    except Unavailable:
        return None
