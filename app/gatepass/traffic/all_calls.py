"""What test mode knows of the calls that pass: the faults and the journal of each world, in this process's memory."""

from __future__ import annotations

from itertools import count
from typing import Annotated, cast
from uuid import UUID

from fastapi import Depends, FastAPI, Request

from gatepass.adapters.worlds import Worlds
from gatepass.core.errors import InputRefused
from gatepass.traffic.calls import Call, Routes
from gatepass.traffic.faults import Do, Fault, Faults
from gatepass.traffic.journal import Journal, Recorded, Unmatched


class Traffic:
    """The calls of one application. A world is told by its team's id and known from its first call or fault on."""

    def __init__(self, app: FastAPI) -> None:
        self.routes = Routes(app)
        self.everywhere = Faults()
        self.unmatched = Journal()
        self._faults: dict[UUID, Faults] = {}
        self._journals: dict[UUID, Journal] = {}
        self._numbers = count(1)

    def faults(self, world: UUID) -> Faults:
        """The faults of *world*."""
        return self._faults.get(world) or Faults()

    def order(self, world: UUID, faults: list[Fault]) -> Faults:
        """Let *faults*, in this order and none of earlier ones, happen to *world*. Raises InputRefused for no route."""
        for number, fault in enumerate(faults):
            if fault.match.path is not None and not self.routes.has(fault.match.path):
                near = self.routes.near(fault.match.method or "POST", fault.match.path)
                raise InputRefused(f"{number}.match.path", f"is no route; near ones are: {', '.join(near) or 'none'}")
        self._faults[world] = Faults(*faults)
        return self._faults[world]

    def order_everywhere(self, *faults: Fault) -> None:
        """Let *faults* happen to every world, where none of its own does."""
        self.everywhere = Faults(*faults)

    def journal(self, world: UUID) -> Journal:
        """The journal of *world*."""
        return self._journals.setdefault(world, Journal())

    def forget(self, world: UUID) -> None:
        """Drop all that is known of *world*."""
        self._faults.pop(world, None)
        self._journals.pop(world, None)

    def forget_all(self) -> None:
        """Drop all that is known of every world, and the calls that came from none."""
        self._faults.clear()
        self._journals.clear()
        self.unmatched = Journal()

    def strike(self, call: Call) -> Do | None:
        """What is to happen to *call*, if anything. Calls of no world meet no fault."""
        if call.party.world is None:
            return None
        own = self._faults.get(call.party.world)
        return (own and own.strike(call)) or self.everywhere.strike(call)

    def note(self, call: Call, **facts: object) -> None:
        """Write *call* into its world's journal, and among the unmatched where it missed a route or a world."""
        party = call.party
        recorded = Recorded.model_validate(
            {
                **facts,
                "id": next(self._numbers),
                "method": call.method,
                "user": party.user,
                "session": party.session,
                "generation": party.generation,
            }
        )
        if party.world is not None:
            self.journal(party.world).note(recorded)
        if (why := self._missed(call, recorded.status)) is not None:
            self.unmatched.note(Unmatched(**dict(recorded), why=why, near=[]))

    def missed(self) -> list[Unmatched]:
        """The calls that no route took or no world sent. What is near a route that is none is only sought here."""
        return [
            one
            if one.why == "of no known world"
            else one.model_copy(update={"near": self.routes.near(one.method, one.path)})
            for one in self.unmatched.select()
            if isinstance(one, Unmatched)
        ]

    def _missed(self, call: Call, status: int) -> str | None:
        if call.route is None:
            return "no such method" if status == 405 else "no such route"
        return "of no known world" if call.party.world is None and status >= 400 else None


def traffic_of(request: Request) -> Traffic:
    """The traffic of the application that serves *request*."""
    return cast(Traffic, request.app.state.traffic)


InTraffic = Annotated[Traffic, Depends(traffic_of)]


def worlds_of(request: Request) -> Worlds:
    """The worlds of the application that serves *request*."""
    return cast(Worlds, request.app.state.worlds)


InWorlds = Annotated[Worlds, Depends(worlds_of)]
