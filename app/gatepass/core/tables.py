"""Every table there is, gathered for migrations and for the test that compares the two."""

from gatepass.core import api_keys, audit, inbox, known_clients, limits, otp, outbox, qr, sessions, teams, users
from gatepass.core.schema import metadata

ALL = (
    teams.teams,
    api_keys.api_keys,
    users.users,
    sessions.sessions,
    otp.otp_transactions,
    qr.qr_codes,
    limits.limits,
    known_clients.known_clients,
    outbox.outbox,
    inbox.messages,
    audit.audit_events,
)

__all__ = ["ALL", "metadata"]
