"""The yardstick for refresh: a bare ASGI application, one statement per rotation, one ES256 token, and nothing else.

No key, no MAC, no user, no replay rule, no log: what is left is what uvicorn, asyncpg, PostgreSQL and OpenSSL cost.
Runs as a program: `python raw.py PORT DATABASE_URL`.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

SCHEMA = """
CREATE TABLE sessions (id uuid PRIMARY KEY, user_id uuid NOT NULL, generation bigint NOT NULL, rotated_at bigint NOT NULL)
"""
ROTATE = """
UPDATE sessions SET generation = generation + 1, rotated_at = $3 WHERE id = $1 AND generation = $2 RETURNING user_id
"""
CONNECTIONS = 16


def b64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


class Raw:
    """Form in (`refresh_token` is the session id and the generation), JSON out."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.idle: list[asyncpg.Connection[Any]] = []
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.header = b64(b'{"alg":"ES256","typ":"at+jwt","kid":"raw"}')

    def sign(self, user_id: UUID, now: int) -> str:
        claims = json.dumps({"sub": str(user_id), "iat": now, "exp": now + 3600}, separators=(",", ":"))
        signed = self.header + b"." + b64(claims.encode())
        r, s = decode_dss_signature(self.key.sign(signed, ec.ECDSA(SHA256())))
        return (signed + b"." + b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))).decode()

    async def rotate(self, presented: bytes) -> tuple[int, bytes]:
        session_id, generation = UUID(hex=presented[:32].decode()), int(presented[32:])
        now = time.time_ns() // 1_000_000
        connection = self.idle.pop() if self.idle else await asyncpg.connect(self.dsn)
        user_id = await connection.fetchval(ROTATE, session_id, generation, now)
        self.idle.append(connection)
        if user_id is None:
            return 400, b'{"error":"invalid_grant"}'
        return 200, (
            f'{{"access_token":"{self.sign(user_id, now // 1000)}","refresh_token":"{session_id.hex}{generation + 1}",'
            '"token_type":"Bearer","expires_in":3600}'
        ).encode()

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        if scope["type"] == "lifespan":
            await receive()
            self.idle = [await asyncpg.connect(self.dsn) for _ in range(CONNECTIONS)]
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        status, answer = 200, b"{}"
        if scope["method"] == "POST":
            body = (await receive())["body"]
            status, answer = await self.rotate(body.partition(b"refresh_token=")[2])
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


if __name__ == "__main__":
    uvicorn.run(
        Raw(sys.argv[2]), port=int(sys.argv[1]), http="httptools", loop="uvloop", access_log=False, log_level="warning"
    )
