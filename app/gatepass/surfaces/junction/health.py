"""Calls of the health SDK, answered so that it stays calm: no data plane is attached (contract junction, J10, J11, J14)."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from gatepass.core import limits
from gatepass.core.errors import TooManyRequests
from gatepass.core.limits import Budget, Rate
from gatepass.core.schema import HOUR
from gatepass.core.unit import Unit
from gatepass.core.users import User
from gatepass.surfaces.junction import answers, wire
from gatepass.surfaces.junction.calls import Call, Credential, InCall, call_of, reached
from gatepass.surfaces.junction.documentation import documented
from gatepass.surfaces.junction.uploads import content_of

router = APIRouter(prefix="/v2", tags=["Junction: health data"])

UPLOAD_LIMIT = 4 * 1024 * 1024
"""Bytes on the wire."""
INFLATED_LIMIT = 32 * 1024 * 1024
"""Bytes once inflated."""
REFRESHES = (Rate(8, HOUR),)


async def _upload(request: Request) -> Call:
    return await call_of(request, UPLOAD_LIMIT)


InUpload = Annotated[Call, Depends(_upload)]


@router.get("/user/providers/{user_id}", **documented(answers.Providers, own=True))
async def list_providers(call: InCall, user_id: str) -> Response:
    """A user's connected providers: none (J10)."""
    await call.user(user_id)
    return wire.respond(200, answers.Providers())


@router.post(
    "/user/refresh/{user_id}",
    **documented(answers.NotRefreshed, TooManyRequests, own=True, query=wire.Refresh, status=400),
)
async def refresh_user(call: InCall, user_id: str) -> Response:
    """Fetch a user's data from its providers, which has none (J11). Eight times an hour."""

    async def work(unit: Unit, user: User) -> User:
        wire.parse_query(wire.Refresh, call.request.query_params)
        await limits.spend(unit, Budget("junction_refresh_per_user", REFRESHES, str(user.id)))
        return user

    user = await call.for_user(user_id, work, writes=True)
    return wire.respond(400, answers.NotRefreshed(user_id=str(user.id)))


@router.post("/link/provider/manual/{provider}", **documented(answers.Done, body=wire.LinkManual, own=True))
async def link_manual_provider(call: InCall, provider: str) -> Response:
    """Link a provider that lives on the phone, such as Apple's or Google's health store (J14)."""

    async def work(unit: Unit, by: Credential) -> None:
        content = b"".join(content_of(call.request, call.body, wire.BODY_LIMIT))
        body = wire.parse_optional(wire.LinkManual, content)
        if body.user_id is not None:
            await reached(unit, by, body.user_id, "body")

    await call.run(work)
    return wire.respond(200, answers.Done())


@router.post("/user/{user_id}/sdk_sync_state/{provider}", **documented(answers.SyncState, own=True))
async def read_sync_state(call: InUpload, user_id: str, provider: str) -> Response:
    """Whether the phone may upload: not for the next four hours (J14)."""
    await _drop(call, user_id)
    return wire.respond(200, answers.SyncState())


@router.post("/user/{user_id}/sdk_start_historical_stage/{provider}", **documented(answers.Nothing, own=True))
async def start_historical_stage(call: InUpload, user_id: str, provider: str) -> Response:
    """Taken note of (J14)."""
    await _drop(call, user_id)
    return wire.respond(200, answers.Nothing())


@router.post("/user/{user_id}/sdk_sync_progress/{provider}", **documented(answers.Nothing, own=True))
async def report_sync_progress(call: InUpload, user_id: str, provider: str) -> Response:
    """Taken note of (J14)."""
    await _drop(call, user_id)
    return wire.respond(200, answers.Nothing())


@router.post("/summary/{resource}/{user_id}", **documented(answers.Nothing, own=True))
async def upload_summary(call: InUpload, resource: str, user_id: str) -> Response:
    """Dropped (J14)."""
    await _drop(call, user_id)
    return wire.respond(200, answers.Nothing())


@router.post("/timeseries/{user_id}/{resource}", **documented(answers.Nothing, own=True))
async def upload_timeseries(call: InUpload, user_id: str, resource: str) -> Response:
    """Dropped (J14)."""
    await _drop(call, user_id)
    return wire.respond(200, answers.Nothing())


async def _drop(call: Call, user_id: str) -> None:
    """Check who uploads and that the upload is whole, and let go of it."""
    await call.user(user_id)
    content = content_of(call.request, call.body, INFLATED_LIMIT)
    await asyncio.to_thread(deque, content, 0)
