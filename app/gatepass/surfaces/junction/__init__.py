"""The Junction dialect: users of a customer's backend, sign-in tokens, refresh (`docs/contracts/junction.md`)."""

from gatepass.surfaces.junction.documentation import SCHEMAS, SECURITY_SCHEMES
from gatepass.surfaces.junction.refusals import spell
from gatepass.surfaces.junction.router import router
from gatepass.surfaces.junction.token import answer_token
from gatepass.surfaces.junction.token_refusals import spell_token
from gatepass.surfaces.junction.users import serve_sign_in_token, serve_user

__all__ = [
    "SCHEMAS",
    "SECURITY_SCHEMES",
    "answer_token",
    "router",
    "serve_sign_in_token",
    "serve_user",
    "spell",
    "spell_token",
]
