"""The operators themselves: inviting, letting in again, shutting out."""

from __future__ import annotations

from fastapi import APIRouter, Response

from gatepass.core import operators
from gatepass.core.errors import Conflict, InputRefused, NotFound
from gatepass.core.operators import Link, Operator
from gatepass.core.unit import Unit
from gatepass.surfaces.console.access import AtDesk, Desk, id_in_path
from gatepass.surfaces.console.refusals import spelling

router = APIRouter(prefix="/console/operators")


@router.get("")
async def list_all(desk: AtDesk) -> Response:
    """Every operator; the form to invite another."""
    return await _list(desk)


async def _list(desk: Desk, problem: str | None = None, status: int = 200, name: str = "") -> Response:
    found = await desk.read(operators.list_all)
    return desk.render("operators.html", status, found=found, problem=problem, name=name)


@router.post("")
async def invite(desk: AtDesk) -> Response:
    """Make an operator who chooses a password by the link that this page shows, once."""
    form = await desk.form()
    name = form.get("name", "")[:200]
    try:
        _, link = await desk.transact(lambda unit: operators.create(unit, name))
    except (InputRefused, Conflict) as refusal:
        return await _list(desk, spelling(refusal)[2], 422, name)
    return _show(desk, link)


@router.post("/{operator_id}/link")
async def link(operator_id: str, desk: AtDesk) -> Response:
    """A new link for an operator who forgot the password."""
    await desk.form()
    wanted = id_in_path("operator", operator_id)
    return _show(desk, await desk.transact(lambda unit: operators.link_for(unit, wanted)))


def _show(desk: Desk, link: Link) -> Response:
    address = desk.runtime.settings.public_url + link.path
    return desk.render("operator_link.html", invited=link.operator, address=address, expires_at=link.expires_at)


@router.get("/{operator_id}/remove")
async def ask_to_remove(operator_id: str, desk: AtDesk) -> Response:
    """What removing would do."""
    return desk.render("operator_remove.html", other=await _other(desk, operator_id))


@router.post("/{operator_id}/remove")
async def remove(operator_id: str, desk: AtDesk) -> Response:
    """Shut an operator out, now."""
    await desk.form()
    other = await _other(desk, operator_id)
    await desk.transact(lambda unit: operators.remove(unit, other.id))
    return desk.go("/operators", f"{other.name} is shut out.")


async def _other(desk: Desk, text: str) -> Operator:
    """Raises NotFound, Conflict for oneself: nobody saws at the branch he sits on."""
    wanted = id_in_path("operator", text)
    if wanted == desk.operator.id:
        raise Conflict("nobody removes himself here; gatepass operators remove NAME does it")

    async def work(unit: Unit) -> Operator | None:
        return next((one for one in await operators.list_all(unit) if one.id == wanted), None)

    if (found := await desk.read(work)) is None:
        raise NotFound("operator")
    return found
