"""Bodies that may come compressed (contract junction, C6): inflated in small steps, so that no bomb fits."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from fastapi import Request

from gatepass.surfaces.junction.wire import BodyRefused, problem
from gatepass.wiring import PayloadTooLarge

_GZIP = 16 + zlib.MAX_WBITS
_SLICE = 16 * 1024
_STEP = 256 * 1024


def content_of(request: Request, body: bytes, limit: int) -> Iterator[bytes]:
    """The content of *body* in pieces, *limit* bytes of it at most.

    Raises PayloadTooLarge; BodyRefused for damaged gzip and for any other encoding (RFC 9110 section 8.4).
    """
    encoding = ",".join(request.headers.getlist("content-encoding")).strip().lower()
    if encoding in ("", "identity"):
        return iter([body])
    if encoding in ("gzip", "x-gzip"):
        return _inflated(body, limit)
    raise BodyRefused(problem("value_error", "Value error, only gzip is understood", "header", "content-encoding"))


def _inflated(body: bytes, limit: int) -> Iterator[bytes]:
    """One gzip member (RFC 1952), whole, and nothing after it."""
    inflater, size = zlib.decompressobj(_GZIP), 0
    for start in range(0, len(body), _SLICE):
        rest = body[start : start + _SLICE]
        while rest:
            if inflater.eof:
                raise _damaged()
            try:
                piece = inflater.decompress(rest, _STEP)
            except zlib.error:
                raise _damaged() from None
            size += len(piece)
            if size > limit:
                raise PayloadTooLarge("inflated")
            yield piece
            rest = inflater.unconsumed_tail or inflater.unused_data
    if not inflater.eof:
        raise _damaged()


def _damaged() -> BodyRefused:
    return BodyRefused(problem("value_error", "Value error, is not one whole gzip stream", "body"))
