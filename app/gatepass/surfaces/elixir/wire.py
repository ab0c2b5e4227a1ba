"""The bytes of the Elixir dialect: bodies in, envelopes out (contract elixir, sections 2 to 5)."""

from __future__ import annotations

import json
from typing import Any, Generic, Literal, TypeVar

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import to_json

from gatepass.core.access_tokens import AccessToken, Bearer
from gatepass.core.errors import InputRefused
from gatepass.core.languages import TAG, preferred
from gatepass.core.qr import QrCode
from gatepass.core.refresh_tokens import RefreshToken
from gatepass.core.server_secret import ServerSecret
from gatepass.core.sessions import Device, Grant
from gatepass.wiring import Ready

BODY_LIMIT = 16 * 1024
MEDIA_TYPE = "application/json; charset=utf-8"

D = TypeVar("D", bound=BaseModel)


class _Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, strict=True, frozen=True)


# Requests. Unknown members are ignored; a member of the wrong type is refused by name, never echoed.


class OtpLogin(_Wire):
    """Ask for a code (E1)."""

    email: str = Field(examples=["ada@example.com"])
    locale: str | None = Field(None, description="BCP 47; wins over Accept-Language", examples=["pt-BR"])


class _FromDevice(_Wire):
    device_model: str | None = Field(None, examples=["Pixel 9"])
    device_unique_identifier: str | None = None

    def device(self, accept_language: str) -> Device:
        """The labels, printable and at most 255 characters each (section 4.5)."""
        return Device(_label(self.device_model), _label(self.device_unique_identifier), preferred(accept_language))


class OtpVerify(_FromDevice):
    """Trade a transaction and its code for a session (E2)."""

    transaction_id: str = Field(max_length=128, examples=["7c1f2f0e-6a55-4b0b-9a2e-0f6d2f1b9d34"])
    code: str = Field(examples=["482193"])


class QrVerify(_FromDevice):
    """Trade a scanned value for a session (E5)."""

    qr_value: str = Field(examples=["REIKEY:0b7e6c1e-2f5d-4c0a-9f0b-1f6f4f3d2c1b"])


class RefreshSession(_Wire):
    """Spend a refresh token (E3). Whatever is no token of ours is refused as one, the empty string included (D18)."""

    refresh_token: Any = Field(None, json_schema_extra={"type": "string"}, examples=["9b1c4e7a…"])


B = TypeVar("B", bound=_Wire)


def parse(model: type[B], body: bytes) -> B:
    """Read *body* as *model*, as JSON whatever its content type, no member twice (RFC 7493). Raises InputRefused."""
    try:
        return model.model_validate(_decode(body.decode("utf-8")))
    except ValidationError as error:
        location = error.errors(include_url=False, include_input=False, include_context=False)[0]["loc"]
        raise InputRefused(str(location[0]) if location else "") from None
    except (ValueError, RecursionError):
        raise InputRefused("", "is not JSON") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a member twice: parsers differ on which one counts")
    return members


_decode = json.JSONDecoder(parse_constant=_no_constant, object_pairs_hook=_no_twins).decode


def _label(text: str | None) -> str | None:
    return "".join(character for character in text if character.isprintable())[:255] or None if text else None


def languages(locale: str | None, accept_language: str) -> str:
    """The caller's languages, best first, comma-separated: *locale*, else Accept-Language (RFC 9110 section 12.5.4)."""
    return locale if locale and TAG.fullmatch(locale) else preferred(accept_language)


# Answers.


class Account(_Wire):
    """The user in a token bundle (4.4). `banReason` is null after a code and "" elsewhere, as the samples show (D13)."""

    id: str = Field(alias="_id")
    status: Literal["ACTIVE"] = "ACTIVE"
    ban_reason: Literal[""] | None

    @classmethod
    def of(cls, grant: Grant, *, ban_reason: Literal[""] | None) -> Account:
        return cls(id=str(grant.user_id), status="ACTIVE", ban_reason=ban_reason)


class Credentials(_Wire):
    """A token bundle (4.3): `tokenExpiry` epoch ms, `tokenLifeMS` ms."""

    token: str
    token_expiry: int
    token_life: int = Field(alias="tokenLifeMS")
    refresh_token: str

    @classmethod
    def of(cls, secret: ServerSecret, grant: Grant, access: AccessToken) -> dict[str, Any]:
        """The members that every bundle has."""
        return {
            "token": access.text,
            "token_expiry": access.expires_at,
            "token_life": access.life,
            "refresh_token": RefreshToken(grant.session_id, grant.generation).hex(secret),
        }


class AccountCredentials(Credentials):
    """A bundle with its user (E3, S3)."""

    user: Account


class FirstCredentials(AccountCredentials):
    """A bundle with its user, and whether this very call made the account (E2)."""

    new_account: bool


class Transaction(_Wire):
    """A code is on its way (E1). `userCode` only where a development key may see it."""

    transaction_id: str
    user_code: str | None = None


class SignedOut(_Wire):
    """E4."""

    message: Literal["Session closed successfully for this device"] = "Session closed successfully for this device"


class UserInfo(_Wire):
    """The profile behind an access token (S1). `picture` is absent when there is none."""

    model_config = ConfigDict(alias_generator=None)

    sub: str
    iss: str
    aud: str
    iat: int
    exp: int
    nickname: str
    picture: str | None = None
    email: str | None
    email_verified: bool
    status: Literal["ACTIVE"]
    wallets: list[str]


class Reikey(_Wire):
    """S2."""

    reikey: str
    player_id: str


class Closed(_Wire):
    """S4."""

    closed: Literal[True] = True


class QrShown(_Wire):
    """A value to draw (X1): `expiresAt` epoch ms, `lifeMS` ms."""

    qr_id: str
    qr_value: str
    expires_at: int
    life: int = Field(alias="lifeMS")


class QrState(_Wire):
    """What became of it (X2, X3). `deviceModel` once it was scanned by a phone that said."""

    state: Literal["PENDING", "CONSUMED", "EXPIRED", "CANCELLED"]
    device_model: str | None = None

    @classmethod
    def of(cls, code: QrCode) -> QrState:
        device = {"device_model": code.device_model} if code.device_model else {}
        return cls.model_validate({"state": code.state.upper(), **device})


class Success(BaseModel, Generic[D]):
    """HTTP 200, and nothing but 200 (section 3, I1)."""

    code: Literal[1] = 1
    success: Literal[True] = True
    data: D


class ErrorBody(BaseModel):
    """Section 6. `code` is the string INVALID_REFRESH_TOKEN on refresh, an integer everywhere else (D1)."""

    status: int
    code: int | Literal["INVALID_REFRESH_TOKEN"]
    message: str | None = None
    banReason: str | None = None


class Failure(BaseModel):
    """HTTP 4xx and 5xx (section 3, I2)."""

    code: Literal[-1] = -1
    success: Literal[False] = False
    error: ErrorBody


def success(data: BaseModel) -> Response:
    """The success envelope around *data*; members that were not given are absent."""
    inner = data.model_dump_json(by_alias=True, exclude_unset=True)
    return respond(200, f'{{"code":1,"success":true,"data":{inner}}}')


def profile(bearer: Bearer) -> Response:
    """`UserInfo` in the success envelope (S1)."""
    user, claims = bearer.user, bearer.claims
    members = {
        "sub": str(user.id),
        "iss": claims["iss"],
        "aud": claims["aud"],
        "iat": claims["iat"],
        "exp": claims["exp"],
        "nickname": user.nickname,
        **({"picture": user.picture} if user.picture else {}),
        "email": user.email,
        "email_verified": user.email_verified,
        "status": "ACTIVE",
        "wallets": user.wallets,
    }
    return respond(200, f'{{"code":1,"success":true,"data":{to_json(members).decode()}}}')


def refreshed(secret: ServerSecret, grant: Grant, access: AccessToken) -> Response:
    """`AccountCredentials` in the success envelope (E3), written directly: nothing in it needs escaping."""
    refresh_token = RefreshToken(grant.session_id, grant.generation).hex(secret)
    return respond(
        200,
        f'{{"code":1,"success":true,"data":{{"token":"{access.text}","tokenExpiry":{access.expires_at},'
        f'"tokenLifeMS":{access.life},"refreshToken":"{refresh_token}",'
        f'"user":{{"_id":"{grant.user_id}","status":"ACTIVE","banReason":""}}}}}}',
    )


def respond(status: int, body: str, headers: dict[str, str] | None = None) -> Response:
    """Bytes with the headers that every answer carries (section 2)."""
    if headers:
        return Response(body, status, {"cache-control": "no-store", **headers}, MEDIA_TYPE)
    return Ready(status, body.encode(), _ALWAYS)


_ALWAYS = ((b"cache-control", b"no-store"), (b"content-type", MEDIA_TYPE.encode()))


def bearer(authorization: str | None) -> str | None:
    """The token in an Authorization header, or None (RFC 6750 section 2.1; the scheme in any case)."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
