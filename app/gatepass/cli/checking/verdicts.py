"""The behaviours that a client is judged by: the rule, where it comes from, and what to change in a client without it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Self


@dataclass(frozen=True, slots=True)
class Rule:
    """One behaviour: *why* it matters, with its source, and what to do about a client that lacks it."""

    title: str
    why: str
    advice: str


class Behaviour(Enum):
    """Everything that is judged."""

    ANSWERS = Rule(
        "does what its driver is told",
        "the protocol of docs/check-client.md: one JSON object per line, in answer to each command",
        "run the driver by hand, write commands to it, and look at its stderr",
    )
    REFRESHES = Rule(
        "replaces an access token that the server refuses",
        "RFC 6749 section 1.5: an invalid token is answered with a refresh, whatever the phone's clock says",
        "on 401 (Elixir: 400 with code 1000) refresh once and repeat the call with the new token",
    )
    KEEPS_SESSION = Rule(
        "keeps its session through a failure",
        "contract junction F8, elixir 1140 and 1191: 429, 5xx and a lost answer say nothing about the session",
        "drop tokens only for the words that end a session; keep them on everything else and try later",
    )
    BACKS_OFF = Rule(
        "backs off",
        "RFC 9110 section 15.6.4: a server in trouble is not helped by being asked at once again",
        "wait a second before the second attempt, longer before each further one, and give up after a few",
    )
    HONOURS_RETRY_AFTER = Rule(
        "honours Retry-After",
        "RFC 9110 section 10.2.3 and RFC 6585 section 4",
        "send nothing to the token endpoint until that many seconds have passed, or tell the app to wait",
    )
    SINGLE_FLIGHT = Rule(
        "refreshes in a single flight",
        "contract rotation: parallel refreshes spend the tolerance that is meant for lost answers",
        "let one refresh run under a lock; whoever needs a token meanwhile waits, then reads the store again",
    )
    COUNTS_FROM_ARRIVAL = Rule(
        "counts a token's life from its arrival",
        "contract junction E4: phone clocks are wrong, so `exp` and `tokenExpiry` cannot be compared with them",
        "add expires_in (Elixir: tokenLifeMS) to the phone's clock when the answer arrives",
    )
    STORES_BEFORE_USING = Rule(
        "stores the new pair before using it",
        "RFC 9700 section 4.14.2: once the new access token is seen, the old refresh token is a stolen copy",
        "write the answer to the store, durably, before any call uses it",
    )
    SURVIVES_RESTART = Rule(
        "is still signed in after a restart",
        "a phone kills apps at any moment; the store must hold all that a session needs",
        "keep the pair in GATEPASS_STORE and read it at start",
    )
    LEARNS_OF_THE_END = Rule(
        "learns that its session is over",
        "contract junction F2 and F3, elixir INVALID_REFRESH_TOKEN and 1130: the server's last words differ by what to do",
        "tell the app which it is: reauthenticate, signed_out, or banned",
    )
    DROPS_DEAD_TOKENS = Rule(
        "drops dead tokens",
        "RFC 6749 section 5.2: an invalid_grant is final; sending it again is what a thief does",
        "after the server's last word remove the pair from the store; do not refresh until the next sign-in",
    )
    RECOVERS = Rule(
        "signs in again afterwards",
        "the end of one session is not the end of the user",
        "let nothing of the old session stand in the way of a new sign-in",
    )
    OPAQUE = Rule(
        "takes tokens as they come",
        "RFC 9068 section 6 and contract junction section 7: to a client an access token is opaque, whoever signed it",
        "do not look into access tokens, and verify none of them on the phone",
    )
    NO_TOKEN_IN_URL = Rule(
        "never sends a token in a URL",
        "RFC 6750 section 5.3 and RFC 9700 section 4.3.2: URLs stay in logs and histories",
        "send access tokens in the Authorization header, and refresh tokens in the body",
    )
    NO_TOKEN_IN_LOG = Rule(
        "never logs a token",
        "RFC 9700 section 4.3: what is in a log is read by others",
        "remove tokens from what the client prints; log a request without its headers and body",
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a client showed *behaviour* in *scenario*; *seen* is what it did instead."""

    scenario: str
    behaviour: Behaviour
    passed: bool
    seen: str

    @classmethod
    def of(cls, scenario: str, behaviour: Behaviour, passed: bool, otherwise: str) -> Self:
        """The verdict; *otherwise* says what the client did instead."""
        return cls(scenario, behaviour, passed, "" if passed else otherwise)


_TOKENS = re.compile(
    r"eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}"  # JWTs
    r"|jrt_[A-Za-z0-9_-]{20,}"  # Junction's refresh tokens
    r"|(?<![0-9A-Fa-f])[0-9A-Fa-f]{72}(?![0-9A-Fa-f])"  # Elixir's
    r"|eyJ[A-Za-z0-9+/]{200,}={0,2}"  # the blob around a sign-in token
)


def holds_token(text: str) -> bool:
    """Whether *text* shows a token of any dialect."""
    return _TOKENS.search(text) is not None
