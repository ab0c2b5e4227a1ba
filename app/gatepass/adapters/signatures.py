"""Sign-in tokens are signed beside the event loop, those that wait in one go.

An RS256 signature takes 0.3 ms of arithmetic, and handing one to a thread and back costs a good part of that again. The
library keeps the interpreter's lock while it signs, so a thread makes no two at once; it lets the event loop in between.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from gatepass.adapters.hot.batches import Batches
from gatepass.adapters.hot.sqlite import SWITCH_INTERVAL
from gatepass.core import sign_in_jwt
from gatepass.core.sign_in_jwt import Issued
from gatepass.core.signing_keys import SigningKey

Asked = tuple[Issued, SigningKey]


class Signatures:
    """One thread that signs."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "gatepass-signatures")
        self._batches: Batches[str, Asked, str] = Batches(self._sign, 1)
        sys.setswitchinterval(min(SWITCH_INTERVAL, sys.getswitchinterval()))

    async def sign(self, issued: Issued, key: SigningKey) -> str:
        """As `sign_in_jwt.sign`."""
        token = await self._batches.put(str(issued.claims["jti"]), (issued, key))
        if token is None:  # one of them could not be signed; whoever asked for that is told why
            return await asyncio.to_thread(sign_in_jwt.sign, issued, key)
        return token

    async def _sign(self, asked: Sequence[Asked]) -> Mapping[str, str]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, _sign_all, asked)

    async def close(self) -> None:
        """Finish what is under way."""
        await self._batches.finish()
        self._thread.shutdown()


def _sign_all(asked: Sequence[Asked]) -> Mapping[str, str]:
    return {issued.claims["jti"]: sign_in_jwt.sign(issued, key) for issued, key in asked}
