"""Verify access tokens offline: the JWKS says who signed, the revocation feed says who has died since.

A resource server keeps both documents and fetches each again only when it is old, so a token is checked without a call
per request and a session that ends is refused within seconds, however long its token would still live.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt

from gatepass.client.errors import ClientError

LEEWAY = 60.0
"""Seconds a token is accepted past its `exp`: the server's own clients start counting on receipt."""


class Rejected(ClientError):
    """The token is not acceptable; the message says why, without the token."""


@dataclass
class _Copy:
    """One fetched document: its validator, and when it was fetched (seconds on the monotonic clock)."""

    value: Any = None
    etag: str = ""
    fetched_at: float = field(default=float("-inf"))


class OfflineVerifier:
    """Checks Junction access tokens of *issuer*.

    *jwks_age* and *feed_age* are the seconds after which each document is fetched again. If the feed cannot be fetched
    for *feed_grace* seconds, tokens are rejected rather than trusted blindly.
    """

    def __init__(
        self,
        issuer: str,
        *,
        audience: str = "junction-api",
        http: httpx.Client | None = None,
        jwks_age: float = 300.0,
        feed_age: float = 5.0,
        feed_grace: float = 60.0,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.issuer = issuer.rstrip("/")
        self.audience = audience
        self._http = http or httpx.Client(timeout=5.0)
        self._jwks_age, self._feed_age, self._feed_grace = jwks_age, feed_age, feed_grace
        self._now, self._monotonic = now, monotonic
        self._jwks = _Copy(value={})
        self._feed = _Copy(value=None)

    def verify(self, token: str) -> dict[str, Any]:
        """The claims of an acceptable token. Raises Rejected."""
        claims = self._signed(token, "at+jwt")
        if claims.get("iss") != self.issuer or claims.get("aud") != self.audience:
            raise Rejected("issued elsewhere, or for something else")
        if type(claims.get("exp")) is not int or claims["exp"] + LEEWAY <= self._now():
            raise Rejected("expired")
        self._see_that_it_lives(claims, self._revocations())
        return claims

    @staticmethod
    def _see_that_it_lives(claims: dict[str, Any], feed: dict[str, Any]) -> None:
        issued_at = claims.get("iat")
        if type(issued_at) is not int or issued_at < feed["since"]:
            raise Rejected("issued before the list of ended sessions begins; introspection can still tell")
        if claims.get("sid") in feed["sessions"] or issued_at <= feed["teams"].get(claims.get("team_id"), -1):
            raise Rejected("its session has ended")

    def _signed(self, token: str, typ: str) -> dict[str, Any]:
        """The claims of a JWT of type *typ* that a key of the JWKS signed with ES256."""
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") != "ES256" or header.get("typ") != typ or set(header) != {"alg", "typ", "kid"}:
                raise Rejected("not a header of the server's")
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key(header["kid"]),
                algorithms=["ES256"],
                options={
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                    "verify_aud": False,
                    "verify_iss": False,
                    "verify_sub": False,
                    "verify_jti": False,
                },
            )
        except jwt.PyJWTError:
            raise Rejected("signature or form") from None
        return claims

    def _key(self, kid: str) -> Any:
        """The public key of that id; an unknown one is looked for once more, at most every few seconds."""
        age = self._monotonic() - self._jwks.fetched_at
        if age > self._jwks_age or (kid not in self._jwks.value and age > min(5.0, self._jwks_age)):
            self._fetch(self._jwks, "/.well-known/jwks.json", self._read_jwks)
        if kid not in self._jwks.value:
            raise Rejected("signed by a key that is not published")
        return self._jwks.value[kid]

    @staticmethod
    def _read_jwks(answer: httpx.Response) -> dict[str, Any]:
        return {key["kid"]: jwt.PyJWK.from_dict(key, "ES256").key for key in answer.json()["keys"] if key.get("kid")}

    def _revocations(self) -> dict[str, Any]:
        age = self._monotonic() - self._feed.fetched_at
        if age > self._feed_age:
            self._fetch(self._feed, "/.well-known/revocations", self._read_feed)
            age = self._monotonic() - self._feed.fetched_at
        if self._feed.value is None or age > self._feed_grace:
            raise Rejected("the list of ended sessions could not be fetched")
        feed: dict[str, Any] = self._feed.value
        return feed

    def _read_feed(self, answer: httpx.Response) -> dict[str, Any]:
        claims = self._signed(answer.text, "revocations+jwt")
        if claims["iss"] != self.issuer or claims["exp"] <= self._now():
            raise Rejected("a list of another server's, or of another time")
        return {"sessions": frozenset(claims["sessions"]), "teams": dict(claims["teams"]), "since": claims["since"]}

    def _fetch(self, copy: _Copy, path: str, read: Callable[[httpx.Response], Any]) -> None:
        """Bring *copy* up to date; what cannot be fetched or read leaves it as it was."""
        headers = {"if-none-match": copy.etag} if copy.etag else {}
        try:
            answer = self._http.get(self.issuer + path, headers=headers)
            if answer.status_code == 200:
                copy.value, copy.etag = read(answer), answer.headers.get("etag", "")
            elif answer.status_code != 304:
                return
        except (httpx.HTTPError, ValueError, KeyError, TypeError, jwt.PyJWTError, Rejected):
            return
        copy.fetched_at = self._monotonic()
