"""Mail that stays here: kept in the inbox, for development and tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import UUID

import structlog

from gatepass.adapters.mail import Transact
from gatepass.adapters.mail.compose import compose, harmless
from gatepass.core import inbox
from gatepass.core.outbox import Claimed, CodeMail
from gatepass.core.unit import Unit

log = structlog.get_logger("gatepass.inbox")


class InboxPostman:
    """Puts every mail into the inbox of its team, and tells *arrived* which team has mail.

    *prints_codes* shows the developer each code on the console.
    """

    def __init__(
        self,
        transact: Transact,
        *,
        code_in_subject: bool = True,
        prints_codes: bool = False,
        arrived: Callable[[UUID], None] = lambda _: None,
    ) -> None:
        self._transact = transact
        self._code_in_subject = code_in_subject
        self._prints_codes = prints_codes
        self._arrived = arrived
        self._in_order = asyncio.Lock()

    async def deliver(self, claimed: Claimed) -> None:
        """Keep the mail. Delivering twice keeps it once: the message has the mail's own id."""
        composed = compose(claimed, code_in_subject=self._code_in_subject)
        with_code = claimed.mail if isinstance(claimed.mail, CodeMail) else None

        async def keep(unit: Unit) -> None:
            await inbox.put(
                unit,
                inbox.Message(
                    id=claimed.id,
                    team_id=claimed.team_id,
                    to=composed.to,
                    subject=composed.subject,
                    text=composed.text,
                    html=composed.html,
                    code=with_code.code if with_code else None,
                    transaction_id=with_code.transaction_id if with_code else None,
                    sent_at=unit.now,
                ),
            )

        async with self._in_order:  # of two codes the one that was asked for last is the latest
            await self._transact(keep)
        self._arrived(claimed.team_id)
        if self._prints_codes and with_code:
            # The whole line is the event: values under a key named `code` do not survive the log's redaction.
            log.info(f"code {with_code.code} for {composed.to} ({harmless(with_code.application)})")

    async def close(self) -> None:
        """Nothing to let go of."""
