"""Mail that stays here: kept in the inbox, for development and tests."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import structlog

from gatepass.adapters.mail import Transact
from gatepass.adapters.mail.compose import compose, harmless
from gatepass.core import inbox
from gatepass.core.outbox import Claimed
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

    async def deliver(self, claimed: Claimed) -> None:
        """Keep the mail. Delivering twice keeps it once: the message has the mail's own id."""
        composed = compose(claimed, code_in_subject=self._code_in_subject)

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
                    code=claimed.mail.code,
                    transaction_id=claimed.mail.transaction_id,
                    sent_at=unit.now,
                ),
            )

        await self._transact(keep)
        self._arrived(claimed.team_id)
        if self._prints_codes:
            # The whole line is the event: values under a key named `code` do not survive the log's redaction.
            log.info(f"code {claimed.mail.code} for {composed.to} ({harmless(claimed.mail.application)})")

    async def close(self) -> None:
        """Nothing to let go of."""
