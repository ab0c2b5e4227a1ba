"""What pages load: style and script, served from here and kept by browsers for good.

A file's address holds the digest of its bytes, so a new build is a new address and an old one is never stale.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass, field
from importlib.resources import files

from fastapi import APIRouter, Request, Response

from gatepass.core.errors import NotFound

router = APIRouter(include_in_schema=False)

_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, whole and compressed. *name* is the last segment of its address."""

    name: str
    content: bytes = field(repr=False)
    compressed: bytes = field(repr=False)
    media_type: str


def _read() -> dict[str, Asset]:
    """Every stylesheet and script beside this module, by its file's name."""
    found = {}
    for entry in files("gatepass.pages").joinpath("static").iterdir():
        stem, _, kind = entry.name.rpartition(".")
        if kind in _TYPES:
            content = entry.read_bytes()
            digest = hashlib.sha256(content).hexdigest()[:16]
            found[entry.name] = Asset(
                f"{stem}.{digest}.{kind}", content, gzip.compress(content, 9, mtime=0), _TYPES[kind]
            )
    return found


ASSETS = _read()
_BY_ADDRESS = {asset.name: asset for asset in ASSETS.values()}


def address_of(name: str) -> str:
    """Where browsers find the file *name*. Raises KeyError for one that is not there."""
    return f"/assets/{ASSETS[name].name}"


@router.get("/assets/{name}")
async def asset(name: str, request: Request) -> Response:
    """One file; 404 for a digest that this build does not have."""
    if (found := _BY_ADDRESS.get(name)) is None:
        raise NotFound("asset")
    headers = {
        "cache-control": "public, max-age=31536000, immutable",
        "x-content-type-options": "nosniff",
        "vary": "accept-encoding",
    }
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.compressed, headers={**headers, "content-encoding": "gzip"}, media_type=found.media_type)
    return Response(found.content, headers=headers, media_type=found.media_type)
