"""What is measured, and against what: each mode is a question with a yardstick."""

from __future__ import annotations

from dataclasses import dataclass

from contestants import gatepass, peers
from contestants.gatepass import contestant
from contestants.stage import Contestant
from contestants.yardsticks import FASTAPI, RAW


@dataclass(frozen=True)
class Mode:
    """One table of the report. Ratios are to *yardstick*, a contestant of the mode, round by round."""

    name: str
    title: str
    yardstick: str
    contestants: tuple[Contestant, ...]


MODES = (
    Mode(
        "refresh",
        "Refresh: spend a refresh token, get its successor and a signed access token",
        RAW.name,
        (
            RAW,
            contestant("postgres", gatepass.ELIXIR_REFRESH),
            contestant("postgres", gatepass.JUNCTION_REFRESH, name="gatepass-postgres-junction"),
            contestant("sqlite", gatepass.ELIXIR_REFRESH),
            contestant("sqlite", gatepass.JUNCTION_REFRESH, name="gatepass-sqlite-junction"),
            peers.OIDC_PROVIDER,
            peers.OIDC_PROVIDER_MEMORY,
            peers.FIREBASE,
            peers.ALLAUTH,
        ),
    ),
    Mode(
        "workers",
        "Refresh with one process and with two",
        "one-process",
        (
            contestant("postgres", gatepass.ELIXIR_REFRESH, name="one-process", workers=1),
            contestant("postgres", gatepass.ELIXIR_REFRESH, name="two-processes", workers=2),
        ),
    ),
    Mode(
        "mint",
        "Minting a sign-in token (J8)",
        "rs256-limit",
        (contestant("postgres", gatepass.MINT), contestant("sqlite", gatepass.MINT)),
    ),
    Mode(
        "exchange",
        "Exchanging a sign-in token for a session",
        RAW.name,
        (RAW, contestant("postgres", gatepass.EXCHANGE_ONCE), contestant("sqlite", gatepass.EXCHANGE_ONCE)),
    ),
    Mode(
        "verify",
        "Verifying an access token, liveness included",
        FASTAPI.name,
        (
            FASTAPI,
            contestant("postgres", gatepass.USERINFO),
            contestant("postgres", gatepass.OWN_USER, name="gatepass-postgres-junction"),
            contestant("sqlite", gatepass.USERINFO),
            contestant("sqlite", gatepass.OWN_USER, name="gatepass-sqlite-junction"),
        ),
    ),
    Mode(
        "introspect",
        "Introspecting an access token (RFC 7662)",
        FASTAPI.name,
        (FASTAPI, contestant("postgres", gatepass.INTROSPECT), contestant("sqlite", gatepass.INTROSPECT)),
    ),
    Mode("jwks", "The JWKS", FASTAPI.name, (FASTAPI, contestant("postgres", gatepass.JWKS))),
    Mode(
        "otp",
        "A sign-in by e-mail code, both calls, each of a new address",
        peers.BETTER_AUTH.name,
        (contestant("postgres", gatepass.SIGN_IN), contestant("sqlite", gatepass.SIGN_IN), peers.BETTER_AUTH),
    ),
)
