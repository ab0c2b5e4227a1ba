"""What a client that takes an httpx client puts on the wire, and a way to answer in the server's stead."""

from __future__ import annotations

import httpx


class Wire(httpx.HTTPTransport):
    """The network, with a list of the calls that went over it. The first ones are answered with *trouble*, if any."""

    def __init__(self, *trouble: int) -> None:
        super().__init__()
        self.calls: list[str] = []
        self._trouble = list(trouble)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.calls.append(f"{request.method} {request.url.raw_path.decode()}")
        if self._trouble:
            return httpx.Response(self._trouble.pop(0), headers={"retry-after": "1"}, json={"detail": "Later"})
        return super().handle_request(request)
