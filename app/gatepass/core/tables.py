"""Every table there is, gathered for migrations and for the test that compares the two."""

from gatepass.core import (
    api_keys,
    app_keys,
    audit,
    browser_sessions,
    daily_counts,
    dpop,
    inbox,
    key_uses,
    known_clients,
    limits,
    operators,
    otp,
    outbox,
    qr,
    sessions,
    sign_in_tokens,
    signing_keys,
    teams,
    users,
    worlds,
)
from gatepass.core.schema import metadata

ALL = (
    teams.teams,
    api_keys.api_keys,
    users.users,
    sessions.sessions,
    otp.otp_transactions,
    qr.qr_codes,
    sign_in_tokens.sign_in_tokens,
    dpop.dpop_proofs,
    signing_keys.signing_keys,
    app_keys.app_key_calls,
    limits.limits,
    known_clients.known_clients,
    outbox.outbox,
    inbox.messages,
    audit.audit_events,
    daily_counts.daily_counts,
    worlds.worlds,
    key_uses.key_uses,
    operators.operators,
    operators.operator_links,
    browser_sessions.browser_sessions,
)

__all__ = ["ALL", "metadata"]
