"""The cookie that knows a browser again, one per surface.

Its value is random and means nothing by itself: what it stands for is a row of `browser_sessions`, or nothing yet. Over
https it is a `__Host-` cookie, so no neighbouring host can set it (RFC 6265bis section 4.1.3.2). Cookies know no ports:
over plain http the port is part of the name, so that two development servers do not sign each other's people out.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from fastapi import Request, Response

_VALUE = re.compile(r"[A-Za-z0-9]{43}")
LENGTH = 43
"""Characters of a value: 256 bits."""


class Cookie:
    """The cookie *purpose* of a server at *public_url*."""

    def __init__(self, purpose: str, public_url: str) -> None:
        parts = urlsplit(public_url)
        self.secure = parts.scheme == "https"
        self.name = f"__Host-gatepass-{purpose}" if self.secure else f"gatepass-{purpose}-{parts.port or 80}"

    def read(self, request: Request) -> str | None:
        """The value that came with *request*; None for none, or for what cannot be ours."""
        value = request.cookies.get(self.name, "")
        return value if _VALUE.fullmatch(value) else None

    def write(self, answer: Response, value: str, *, max_age: int | None = None) -> None:
        """Let *answer* set it, for *max_age* seconds or until the browser closes."""
        answer.set_cookie(
            self.name, value, max_age=max_age, path="/", secure=self.secure, httponly=True, samesite="lax"
        )

    def clear(self, answer: Response) -> None:
        """Let *answer* take it away."""
        answer.delete_cookie(self.name, path="/", secure=self.secure, httponly=True, samesite="lax")
