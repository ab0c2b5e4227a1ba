"""How a call arrived, by the admin API: whether the proxies in front tell the truth and are believed."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import Field

from gatepass.surfaces.admin import wire
from gatepass.surfaces.admin.documentation import documented
from gatepass.wiring import InRuntime

router = APIRouter(tags=["Admin: connection"])

_LONGEST, _MOST = 100, 20


class Connection(wire.Answer):
    """This very call as it reached the server: who it is taken to be from, and what the proxies said."""

    client_address: str = Field(examples=["203.0.113.9"], description="Whom limits and events know the caller by.")
    peer: str = Field(examples=["10.0.0.5"], description="The other end of the socket.")
    peer_is_trusted: bool = Field(examples=[True], description="Whether GATEPASS_TRUSTED_PROXIES names it.")
    forwarded_for: list[str] = Field(examples=[["203.0.113.9"]], description="The hops of X-Forwarded-For.")
    forwarded_proto: str | None = Field(examples=["https"], description="X-Forwarded-Proto.")
    host: str = Field(examples=["auth.example.com"])
    path: str = Field(examples=["/admin/v1/connection"])


@router.get("/connection", **documented(Connection))
async def read_connection(request: Request, runtime: InRuntime) -> Connection:
    """How this call arrived; `gatepass doctor` calls it by GATEPASS_PUBLIC_URL and compares."""
    peer = request.client.host if request.client else ""
    hops = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
    return Connection(
        client_address=runtime.caller(request).address,
        peer=peer,
        peer_is_trusted=runtime.is_proxy(peer),
        forwarded_for=[hop.strip()[:_LONGEST] for hop in hops if hop.strip()][:_MOST],
        forwarded_proto=request.headers.get("x-forwarded-proto", "")[:_LONGEST] or None,
        host=request.headers.get("host", "")[:_LONGEST],
        path=request.url.path[:_LONGEST],
    )
