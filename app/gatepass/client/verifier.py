"""Verify access tokens offline: the JWKS says who signed, the revocation feed says who has died since.

A resource server keeps both documents and fetches each again only when it is old, so a token is checked without a call
per request and a session that ends is refused within seconds, however long its token would still live.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt

from gatepass.client.driving import Flow
from gatepass.client.errors import ClientError
from gatepass.client.session import member
from gatepass.client.shells import AsyncConnected, Connected

LEEWAY = 60.0
"""Seconds a token is accepted past its `exp`, for clients start counting on receipt; and how far clocks may differ."""
BREATHER = 1.0
"""Seconds between two tries to fetch what could not be fetched."""
STRANGER = 5.0
"""Seconds between two looks for the key of an unknown `kid`, which anyone can make up."""
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_SIGNATURE_ONLY: Any = {f"verify_{claim}": False for claim in ("exp", "iat", "nbf", "aud", "iss", "sub", "jti")}
_CLAIMS = {"iss": str, "aud": str, "sub": str, "sid": str, "team_id": str, "scope": str, "iat": int, "exp": int}


class Rejected(ClientError):
    """The token is not acceptable; the message says why, without the token."""


@dataclass
class _Copy:
    """One fetched document: its validator, and when it was fetched and last asked for (monotonic seconds)."""

    path: str
    value: Any = None
    etag: str = ""
    fetched_at: float = field(default=float("-inf"))
    tried_at: float = field(default=float("-inf"))


class _Verification:
    """The checks, as flows."""

    def __init__(
        self,
        http: httpx.Client | httpx.AsyncClient,
        issuer: str,
        *,
        audience: str = "junction-api",
        jwks_age: float = 300.0,
        feed_age: float = 5.0,
        feed_grace: float = 60.0,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.issuer = issuer.rstrip("/")
        self.audience = audience
        self._http = http
        self._jwks_age, self._feed_age, self._feed_grace = jwks_age, feed_age, feed_grace
        self._now, self._monotonic = now, monotonic
        self._jwks = _Copy("/.well-known/jwks.json", value={})
        self._feed = _Copy("/.well-known/revocations")

    def verify(self, token: str, jkt: str | None) -> Flow[dict[str, Any]]:
        claims = yield from self._signed(token, "at+jwt")
        if any(type(claims.get(name)) is not kind for name, kind in _CLAIMS.items()):
            raise Rejected("a claim is missing or of another type")
        if (claims["iss"], claims["aud"], claims["scope"]) != (self.issuer, self.audience, "user"):
            raise Rejected("issued elsewhere, or for something else")
        if claims["exp"] + LEEWAY <= self._now() or claims["iat"] > self._now() + LEEWAY:
            raise Rejected("expired, or from the future")
        if member(claims.get("cnf")).get("jkt") != jkt:
            raise Rejected("bound to another key than was proven")
        self._see_that_it_lives(claims, (yield from self._revocations()))
        return claims

    @staticmethod
    def _see_that_it_lives(claims: dict[str, Any], feed: dict[str, Any]) -> None:
        """Ask the list, as its issuer documents it."""
        issued_at = claims["iat"]
        if issued_at < feed["since"]:
            raise Rejected("issued before the list of ended sessions begins; introspection can still tell")
        died_at = max(feed["users"].get(claims["sub"], -1), feed["teams"].get(claims["team_id"], -1))
        if claims["sid"] in feed["sessions"] or issued_at <= died_at:
            raise Rejected("its session has ended")

    def _signed(self, token: str, typ: str) -> Flow[dict[str, Any]]:
        """The claims of a JWT of type *typ* that a key of the JWKS signed with ES256."""
        if not _COMPACT.fullmatch(token):
            raise Rejected("not a compact JWT")
        try:
            header = jwt.get_unverified_header(token)
            if header.keys() != {"alg", "typ", "kid"} or (header["alg"], header["typ"]) != ("ES256", typ):
                raise Rejected("not a header of the server's")
            key = yield from self._key(header["kid"])
            claims: dict[str, Any] = jwt.decode(token, key, algorithms=["ES256"], options=_SIGNATURE_ONLY)
        except jwt.PyJWTError:
            raise Rejected("signature or form") from None
        return claims

    def _key(self, kid: str) -> Flow[Any]:
        """The public key of that id. Raises Rejected."""
        age = self._monotonic() - self._jwks.fetched_at
        if age > self._jwks_age or (kid not in self._jwks.value and age > min(STRANGER, self._jwks_age)):
            yield from self._fetch(self._jwks, self._read_jwks)
        if kid not in self._jwks.value:
            raise Rejected("signed by a key that is not published")
        return self._jwks.value[kid]

    def _read_jwks(self, answer: httpx.Response) -> Flow[dict[str, Any]]:
        yield from ()
        return {key["kid"]: jwt.PyJWK.from_dict(key, "ES256").key for key in answer.json()["keys"] if key.get("kid")}

    def _revocations(self) -> Flow[dict[str, Any]]:
        """The list, fetched within the age or, in an outage, within the grace. Raises Rejected."""
        if self._monotonic() - self._feed.fetched_at > self._feed_age:
            yield from self._fetch(self._feed, self._read_feed)
        feed: dict[str, Any] | None = self._feed.value
        if feed is None or self._monotonic() - self._feed.fetched_at > self._feed_grace or feed["exp"] <= self._now():
            raise Rejected("the list of ended sessions could not be fetched")
        return feed

    def _read_feed(self, answer: httpx.Response) -> Flow[dict[str, Any]]:
        claims = yield from self._signed(answer.text, "revocations+jwt")
        if claims["iss"] != self.issuer or claims["exp"] <= self._now():
            raise Rejected("a list of another server's, or of another time")
        return {
            "sessions": frozenset(claims["sessions"]),
            "users": dict(claims["users"]),
            "teams": dict(claims["teams"]),
            "since": int(claims["since"]),
            "exp": int(claims["exp"]),
        }

    def _fetch(self, copy: _Copy, read: Callable[[httpx.Response], Flow[Any]]) -> Flow[None]:
        """Bring *copy* up to date; what cannot be fetched or read leaves it as it was."""
        if self._monotonic() - copy.tried_at < BREATHER and copy.tried_at > copy.fetched_at:
            return
        copy.tried_at = self._monotonic()
        headers = {"if-none-match": copy.etag} if copy.etag else {}
        try:
            answer: httpx.Response = yield self._http.build_request("GET", self.issuer + copy.path, headers=headers)
            if answer.status_code == 200:
                copy.value = yield from read(answer)
                copy.etag = answer.headers.get("etag", "")
            elif answer.status_code != 304:
                return
        except (httpx.HTTPError, ValueError, LookupError, TypeError, AttributeError, jwt.PyJWTError, Rejected):
            return
        copy.fetched_at = self._monotonic()


class OfflineVerifier(Connected):
    """Checks Junction access tokens of *issuer*. Safe to share between threads.

    *jwks_age* and *feed_age* are the seconds after which each document is fetched again. If the feed cannot be fetched
    for *feed_grace* seconds, tokens are rejected rather than trusted blindly.
    """

    def __init__(self, issuer: str, *, http: httpx.Client | None = None, **options: Any) -> None:
        super().__init__(http or httpx.Client(timeout=5.0))
        self._verification = _Verification(self._driver.http, issuer, **options)

    def verify(self, token: str, *, jkt: str | None = None) -> dict[str, Any]:
        """The claims of an acceptable token. Raises Rejected.

        *jkt* is the thumbprint of the key whose DPoP proof for this very request the caller has verified (RFC 9449
        section 7.1); a token bound to a key is good for nothing without.
        """
        return self._driver.run_alone(self._verification.verify(token, jkt))


class AsyncOfflineVerifier(AsyncConnected):
    """For an event loop; otherwise as `OfflineVerifier`."""

    def __init__(self, issuer: str, *, http: httpx.AsyncClient | None = None, **options: Any) -> None:
        super().__init__(http or httpx.AsyncClient(timeout=5.0))
        self._verification = _Verification(self._driver.http, issuer, **options)

    async def verify(self, token: str, *, jkt: str | None = None) -> dict[str, Any]:
        """See OfflineVerifier.verify."""
        return await self._driver.run_alone(self._verification.verify(token, jkt))
