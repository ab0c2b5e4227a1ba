"""A customer's backend and its users: create, read, change, delete, vouch for (contract junction, J1 to J8)."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.convertors import PathConvertor, register_url_convertor

from gatepass.core import sign_in_jwt, sign_in_tokens, user_deletion, user_listing, users
from gatepass.core.errors import ClientUserIdTaken, Conflict, Forbidden, UserDeleted
from gatepass.core.ids import find_id
from gatepass.core.sign_in_jwt import Issued
from gatepass.core.signing_keys import Ring
from gatepass.core.unit import Unit
from gatepass.core.users import User
from gatepass.surfaces.junction import answers, wire
from gatepass.surfaces.junction.calls import Call, InCall, TeamCredential, call_of
from gatepass.surfaces.junction.documentation import documented
from gatepass.surfaces.junction.refusals import (
    DeletedBefore,
    NameTaken,
    NobodyResolved,
    NobodyToChange,
    NothingToPatch,
    UserDisabled,
    changing,
)


class Rest(PathConvertor):
    """The rest of a path, line breaks included, which a customer's id may well hold."""

    regex = r"(?s:.*)"


register_url_convertor("rest", Rest())
router = APIRouter(prefix="/v2/user", tags=["Junction: users"])


@router.post("", **documented(answers.UserObject, ClientUserIdTaken, body=wire.NewUser))
async def create_user(call: InCall) -> Response:
    """Create a user (J1). A name that a living user has is answered with that user's id: go on with it."""

    async def work(unit: Unit, by: TeamCredential) -> User:
        body = wire.parse(wire.NewUser, call.body)
        return await users.create(unit, by.team.id, client_user_id=body.client_user_id, profile=body.profile())

    return wire.respond(200, answers.UserObject.of(await call.for_team(work)))


@router.get("", **documented(answers.UserPage, query=wire.Page))
async def list_users(call: InCall) -> Response:
    """A page of users, newest first (J2)."""

    async def work(unit: Unit, by: TeamCredential) -> answers.UserPage:
        page = wire.parse_query(wire.Page, call.request.query_params)
        found, total = await user_listing.list_page(unit, by.team.id, offset=page.offset, limit=page.limit)
        listed = [answers.UserObject.of(user) for user in found]
        return answers.UserPage(users=listed, total=total, offset=page.offset, limit=page.limit)

    return wire.respond(200, await call.for_team(work, writes=False))


@router.post("/undo_delete", **documented(answers.Done, Conflict, NobodyToChange, query=wire.UndoDelete))
async def undo_delete(call: InCall) -> Response:
    """Bring a user back within seven days of its deletion, without its sessions (J7). A JSON body does as well."""

    async def work(unit: Unit, by: TeamCredential) -> None:
        wanted = wire.parse_query(wire.UndoDelete, call.request.query_params)
        if wanted.is_empty:
            wanted = wire.parse_optional(wire.UndoDelete, call.body)
        if wanted.is_empty:
            raise wire.BodyRefused(wire.problem("missing", "Field required", "query", "user_id"))
        user_id = wire.id_in(wanted.user_id) if wanted.user_id is not None else None
        with changing():
            await user_deletion.undelete_user(
                unit, by.team.id, user_id=user_id, client_user_id=wanted.client_user_id if user_id is None else None
            )

    await call.for_team(work)
    return wire.respond(200, answers.Done())


@router.get("/resolve/{client_user_id:rest}", **documented(answers.UserObject, NobodyResolved))
async def resolve_user(call: InCall, client_user_id: str) -> Response:
    """Read a user by the customer's own id, which takes the rest of the path (J4)."""

    async def work(unit: Unit, by: TeamCredential) -> User:
        name = wire.client_user_id_in(call.request.scope["raw_path"])
        user = await users.find_by_client_user_id(unit, by.team.id, name) if name is not None else None
        if user is None:
            raise NobodyResolved("user")
        return user

    return wire.respond(200, answers.UserObject.of(await call.for_team(work, writes=False)))


@router.get("/{user_id}", **documented(answers.UserObject, UserDeleted, own=True))
async def read_user(call: InCall, user_id: str) -> Response:
    """Read one user (J3); a user's own token does."""
    return wire.respond(200, answers.UserObject.of(await call.user(user_id)))


@router.patch(
    "/{user_id}",
    **documented(None, NothingToPatch, NobodyToChange, DeletedBefore, NameTaken, body=wire.PatchUser, status=204),
)
async def patch_user(call: InCall, user_id: str) -> Response:
    """Change a user's name or profile; what is left out stays, null clears (J5)."""

    async def work(unit: Unit, by: TeamCredential) -> None:
        this = wire.id_in(user_id)
        changes = wire.parse(wire.PatchUser, call.body).changes()
        if not changes:
            raise NothingToPatch("", "changes nothing")
        try:
            with changing():
                await users.get_undeleted(unit, by.team.id, this)
                await users.change(unit, by.team.id, this, **changes)
        except ClientUserIdTaken as taken:
            raise NameTaken(taken.user_id, taken.created_at) from taken

    await call.for_team(work)
    return Response(status_code=204, headers={"cache-control": "no-store"})


@router.delete("/{user_id}", **documented(answers.Done, NobodyToChange, DeletedBefore))
async def delete_user(call: InCall, user_id: str) -> Response:
    """Delete a user: sessions and sign-in tokens end now, the data seven days later (J6)."""

    async def work(unit: Unit, by: TeamCredential) -> None:
        this = wire.id_in(user_id)
        with changing():
            await user_deletion.delete_user(unit, by.team.id, this)

    await call.for_team(work)
    return wire.respond(200, answers.Done())


@router.post("/{user_id}/sign_in_token", **documented(answers.SignInToken, UserDisabled, UserDeleted))
async def create_sign_in_token(call: InCall, user_id: str) -> Response:
    """Vouch for a user: a token for the app to sign in with, once, within minutes (J8)."""

    async def work(unit: Unit, by: TeamCredential) -> Issued:
        this = wire.id_in(user_id)
        try:
            return await sign_in_tokens.issue(unit, by.team, this, key_id=by.key_id)
        except Forbidden as disabled:
            raise UserDisabled(str(disabled)) from disabled

    issued = await _vouch(call, user_id)
    if issued is None:
        issued = await call.for_team(work)
    key = await call.runtime.keyring.signer(Ring.SIGN_IN, issued.team.id)
    user_token = await call.runtime.signatures.sign(issued, key)
    sign_in_token = sign_in_jwt.wrap(issued.team, user_token)
    return wire.respond(200, answers.SignInToken(user_id=str(issued.user_id), sign_in_token=sign_in_token))


async def _vouch(call: Call, user_id: str) -> Issued | None:
    """The short way, shared with whoever else asks right now; None for whatever needs a closer look."""
    this = find_id(user_id)
    if this is None or call.key is None or call.caller.sdk:
        return None
    runtime, by = call.runtime, await call.team_named()
    record = sign_in_tokens.vouching(runtime.mint, runtime.policy, runtime.clock.now(), by.team.id, this, by.key_id)
    return record.issued_by(by.team) if await runtime.hot.vouch(record) else None


async def serve_user(request: Request) -> Response:
    """J3 for the fast lane."""
    return await read_user(await call_of(request, wire.BODY_LIMIT), request.path_params["user_id"])


async def serve_sign_in_token(request: Request) -> Response:
    """J8 for the fast lane."""
    return await create_sign_in_token(await call_of(request, wire.BODY_LIMIT), request.path_params["user_id"])
