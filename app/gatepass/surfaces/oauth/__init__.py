"""Standard OAuth over Junction's sessions: what an RFC says, for clients that no vendor wrote.

Tokens (RFC 6749, 8693), revocation (7009), introspection (7662), discovery (8414), proof of possession (9449), and two
documents for whoever verifies access tokens offline: the JWKS and the list of revocations. There is no authorization
endpoint and no ID token here, so nothing of OpenID Connect is announced.
"""

from fastapi import APIRouter

from gatepass.surfaces.oauth.documents import read_jwks, read_metadata, read_revocations
from gatepass.surfaces.oauth.documents import router as documents
from gatepass.surfaces.oauth.endpoints import introspect, token, userinfo
from gatepass.surfaces.oauth.endpoints import router as endpoints
from gatepass.surfaces.oauth.refusals import spell, spell_at_resource
from gatepass.surfaces.oauth.wire import SCHEMAS, SECURITY_SCHEMES

router = APIRouter(tags=["OAuth"])
router.include_router(endpoints)
router.include_router(documents)

__all__ = [
    "SCHEMAS",
    "SECURITY_SCHEMES",
    "introspect",
    "read_jwks",
    "read_metadata",
    "read_revocations",
    "router",
    "spell",
    "spell_at_resource",
    "token",
    "userinfo",
]
