"""What clients and verifiers fetch: the server's metadata, its public keys, and who was revoked.

Each is ready bytes with an ETag; nothing in them comes from the request, so they may be cached and shared. Every URL is
built from the configured one, never from the Host header.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response

from gatepass import grants
from gatepass.core import dpop
from gatepass.core.errors import NotFound, Unavailable
from gatepass.core.revocations import TYPE
from gatepass.core.signing_keys import Ring
from gatepass.surfaces.oauth.wire import documented_bytes
from gatepass.wiring import runtime_of

router = APIRouter()

METADATA = "/.well-known/oauth-authorization-server"
JWKS = "/.well-known/jwks.json"
REVOCATIONS = "/.well-known/revocations"
JWKS_AGE = 300
"""Seconds a verifier may keep the keys: half of the time that a new key is published before it signs."""
REVOCATIONS_AGE = 5
METADATA_AGE = 3600
_JSON = "application/json"
_SIGNED = f"application/{TYPE}"


@dataclass(frozen=True, slots=True)
class Document:
    """Ready bytes. *max_age* in seconds."""

    body: bytes
    etag: str
    max_age: int
    media_type: str = _JSON

    @classmethod
    def of(cls, members: dict[str, Any], max_age: int) -> Document:
        """A JSON document, its ETag the digest of its bytes."""
        body = json.dumps(members, separators=(",", ":")).encode()
        return cls(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"', max_age)


def serve(request: Request, document: Document) -> Response:
    """The document, or 304 to a caller who has it (RFC 9110 section 13.1.2, weak comparison)."""
    headers = {
        "cache-control": f"public, max-age={document.max_age}",
        "etag": document.etag,
        "access-control-allow-origin": "*",
    }
    if conditions := [value.decode("latin-1") for name, value in request.scope["headers"] if name == b"if-none-match"]:
        known = {tag.strip().removeprefix("W/") for tag in ",".join(conditions).split(",")}
        if "*" in known or document.etag.removeprefix("W/") in known:
            return Response(None, 304, headers)
    return Response(document.body, 200, headers, document.media_type)


def metadata(issuer: str) -> dict[str, Any]:
    """What RFC 8414 section 2 has words for here. No authorization endpoint, hence no response type."""
    return {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/oauth/token",
        "token_endpoint_auth_methods_supported": ["none"],
        "grant_types_supported": [grants.REFRESH_TOKEN, grants.TOKEN_EXCHANGE],
        "response_types_supported": [],
        "scopes_supported": ["user"],
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "revocation_endpoint_auth_methods_supported": ["none"],
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "Bearer"],
        "userinfo_endpoint": f"{issuer}/userinfo",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "revocations_uri": f"{issuer}/.well-known/revocations",
        "dpop_signing_alg_values_supported": list(dpop.ALGORITHMS),
    }


@router.get(METADATA, **documented_bytes(_JSON))
@router.get(METADATA + "/{issuer_path:path}", include_in_schema=False)
async def read_metadata(request: Request) -> Response:
    """What this authorization server can do and where (RFC 8414). An issuer with a path has it behind the well-known
    part too (section 3.1).
    """
    issuer, issuer_path = runtime_of(request).policy.issuer, request.path_params.get("issuer_path", "")
    if issuer_path and issuer_path != urlsplit(issuer).path.strip("/"):
        raise NotFound("metadata of another issuer")
    return serve(request, _metadata_of(issuer))


@lru_cache(maxsize=8)
def _metadata_of(issuer: str) -> Document:
    return Document.of(metadata(issuer), METADATA_AGE)


@router.get(JWKS, **documented_bytes(_JSON, Unavailable))
async def read_jwks(request: Request) -> Response:
    """The public keys that access tokens are signed with (RFC 7517), those that will sign and those that have included."""
    keyring = runtime_of(request).keyring
    await keyring.signer(Ring.ACCESS)
    return serve(request, _jwks_of(tuple(_Jwk(key.kid, key.public_jwk) for key in await keyring.keys(Ring.ACCESS))))


@dataclass(frozen=True, slots=True)
class _Jwk:
    """A public key, named by its digest (core/signing_keys.py)."""

    kid: str
    members: dict[str, str] = field(compare=False)


@lru_cache(maxsize=64)
def _jwks_of(keys: tuple[_Jwk, ...]) -> Document:
    return Document.of({"keys": [key.members for key in keys]}, JWKS_AGE)


@router.get(REVOCATIONS, **documented_bytes(_SIGNED, Unavailable))
async def read_revocations(request: Request) -> Response:
    """Sessions, users and teams that died while their access tokens may still live, as a signed JWT.

    Its claims: `sessions` (ids, `sid`), `users` and `teams` (id to seconds: tokens with `iat` up to then are dead),
    `since` (of tokens with `iat` before it the list knows nothing), and `iss`, `iat`, `exp` of the list itself.
    """
    signed = await runtime_of(request).revocations.current()
    document = Document(signed.token.encode(), signed.etag, REVOCATIONS_AGE, _SIGNED)
    return serve(request, document)
