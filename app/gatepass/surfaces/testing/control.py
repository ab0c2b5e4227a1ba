"""Faults and the journal over the control plane: order, look, wait."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Query, Response
from fastapi.responses import JSONResponse

from gatepass.core import teams
from gatepass.traffic import InTraffic
from gatepass.traffic.faults import Fault, Standing
from gatepass.traffic.journal import KEPT, Recorded, Unmatched
from gatepass.wiring import InRuntime

router = APIRouter(tags=["Test mode"])

MOST_FAULTS = 100
LONGEST_WAIT = 60.0
"""Seconds."""

Path = Annotated[str | None, Query(description="A route's template, or a glob.")]
Method = Annotated[str | None, Query(description="In either case.")]
After = Annotated[int, Query(description="A call's id: only calls behind it.")]


async def _world(team_id: UUID, runtime: InRuntime) -> UUID:
    return (await runtime.read(lambda unit: teams.get(unit, team_id))).id


InWorld = Annotated[UUID, Depends(_world)]
"""The team in the path. Raises NotFound."""


@router.get("/worlds/{team_id}/faults")
async def list_faults(world: InWorld, traffic: InTraffic) -> list[Standing]:
    """The faults that were set, how many calls each has seen, how often it fired and how often it still may."""
    return [armed.standing() for armed in traffic.faults(world).armed]


@router.put("/worlds/{team_id}/faults")
async def order_faults(
    world: InWorld, traffic: InTraffic, faults: Annotated[list[Fault], Body(max_length=MOST_FAULTS)]
) -> list[Standing]:
    """Let these things go wrong, in this order, instead of those set before."""
    return [armed.standing() for armed in traffic.order(world, faults).armed]


@router.delete("/worlds/{team_id}/faults", status_code=204, response_class=Response)
async def clear_faults(world: InWorld, traffic: InTraffic) -> None:
    """Let nothing more go wrong."""
    traffic.order(world, [])


@router.get("/worlds/{team_id}/requests")
async def list_requests(
    world: InWorld, traffic: InTraffic, path: Path = None, method: Method = None, after: After = 0
) -> list[Recorded]:
    """The world's latest calls, oldest first, without their secrets."""
    return traffic.journal(world).select(path=path, method=method, after=after)


@router.get("/worlds/{team_id}/requests/wait", response_model=list[Recorded])
async def wait_for_requests(
    world: InWorld,
    traffic: InTraffic,
    path: Path = None,
    method: Method = None,
    after: After = 0,
    count: Annotated[int, Query(ge=1, le=KEPT)] = 1,
    timeout: Annotated[float, Query(ge=0, le=LONGEST_WAIT, description="Seconds.")] = 10,  # noqa: ASYNC109 - the client's
) -> Response | list[Recorded]:
    """The same once there are *count* of them; 408 with what did arrive when they are not in time."""
    found = await traffic.journal(world).wait(count, timeout, path=path, method=method, after=after)
    if len(found) >= count:
        return found
    arrived = found or traffic.journal(world).select(after=after)
    body = {
        "status": 408,
        "title": "Request Timeout",
        "detail": f"{len(found)} of {count} such calls arrived within {timeout:g} s",
        "arrived": [one.model_dump(mode="json") for one in arrived],
    }
    return JSONResponse(body, 408, {"cache-control": "no-store"}, media_type="application/problem+json")


@router.get("/requests/unmatched")
async def list_unmatched(traffic: InTraffic) -> list[Unmatched]:
    """The calls that no route took or no world sent, oldest first, with the routes that they may have meant."""
    return traffic.missed()
