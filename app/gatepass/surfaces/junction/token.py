"""The token endpoint: a sign-in token becomes a session, a refresh token its successor (contract junction, section 6).

And the way out: revocation (RFC 7009). Nobody needs a credential here, the token is one.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gatepass import grants
from gatepass.core import rotation
from gatepass.grants import FormRefused
from gatepass.surfaces.junction import answers, wire
from gatepass.surfaces.junction.documentation import documented_form
from gatepass.wiring import first, read_body, runtime_of

router = APIRouter(tags=["Junction: tokens"])

_TOKEN = documented_form(
    answers.TokenAnswer, grant_type=True, subject_token_type=False, subject_token=False, refresh_token=False
)


@router.post("/auth/v1/token", name="answer_token_under_auth", **_TOKEN)
@router.post("/v1/token", **_TOKEN)
async def answer_token(request: Request) -> Response:
    """Exchange a sign-in token for a session, or refresh one (J9). Both paths do the same."""
    runtime = runtime_of(request)
    fields = await _form(request)
    tokens = await grants.answer(runtime, fields, runtime.caller(request))
    answer = {
        "access_token": tokens.access.text,
        "refresh_token": tokens.refresh,
        "token_type": "Bearer",
        "expires_in": tokens.expires_in,
    }
    if tokens.exchanged:
        answer["issued_token_type"] = grants.ACCESS_TOKEN_TYPE
    return wire.respond(200, {**answer, "user_id": str(tokens.grant.user_id)})


@router.post("/v1/revoke", **documented_form(answers.Nothing, token=True, token_type_hint=False))
async def revoke(request: Request) -> Response:
    """Sign out: end the session that a refresh token names (RFC 7009). A token that names none is no error."""
    runtime = runtime_of(request)
    fields = await _form(request)
    if "token" not in fields:
        raise FormRefused("token is missing")
    await runtime.transact(
        lambda unit: rotation.revoke(unit, fields["token"], grants.AUDIENCE), caller=runtime.caller(request)
    )
    return wire.respond(200, answers.Nothing())


async def _form(request: Request) -> dict[str, str]:
    body = await read_body(request, grants.FORM_LIMIT)
    return grants.read_form(first(request, b"content-type"), body)
