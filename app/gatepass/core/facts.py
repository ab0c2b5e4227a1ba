"""What is worth counting, for charts and alerts: closed names, no ids but the team's.

A verb says `unit.count(Fact.…, team_id)`. The runtime takes these up once they are committed (adapters/tally.py), which is
the one place where they can be read from: by the day and the team in the database (daily_counts.py), and in total since
this process started.
"""

from __future__ import annotations

from enum import StrEnum


class Fact(StrEnum):
    """Every fact there is. Before the dot what happened, behind it of which kind; a sign-in by the words of `Proof`.

    A code that was sent is delivered, or rejected by a mail server for good; what is missing from both died waiting.
    """

    SIGN_IN_BY_CODE = "sign_in.otp"
    SIGN_IN_BY_QR = "sign_in.qr"
    SIGN_IN_BY_REIKEY = "sign_in.reikey"
    SIGN_IN_BY_TOKEN = "sign_in.sign_in_token"
    REFRESH = "refresh"
    RECOVERY = "recovery"
    REUSE = "reuse"
    CODE_SENT = "code.sent"
    CODE_DELIVERED = "code.delivered"
    CODE_REJECTED = "code.rejected"
    CODE_VERIFIED = "code.verified"
    CODE_REFUSED = "code.refused"
