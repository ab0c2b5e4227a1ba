"""One account as one JSON line: what export writes and import reads."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from gatepass.core.users import User


def document_of(user: User) -> dict[str, Any]:
    """The members of a line, instants in epoch ms."""
    return {
        "user_id": str(user.id),
        "email": user.email,
        "client_user_id": user.client_user_id,
        "email_verified": user.email_verified,
        "nickname": user.nickname,
        "picture": user.picture,
        "roles": list(user.roles),
        "wallets": list(user.wallets),
        "test_user": user.test_user,
        "created_at": user.created_at,
        "banned_at": user.banned_at,
        "ban_reason": user.ban_reason,
    }


def _plain(text: str) -> str:
    if not text.isprintable():
        raise ValueError("has characters that cannot be printed")
    return text


PRINTABLE = AfterValidator(_plain)


class UserLine(BaseModel):
    """A line to import. `created_at` is read and ignored; a ban keeps its reason, not its instant."""

    model_config = ConfigDict(extra="forbid", strict=True)

    user_id: Annotated[UUID | None, Field(strict=False)] = None
    email: Annotated[str, Field(max_length=254), PRINTABLE] | None = None
    client_user_id: Annotated[str, Field(min_length=1, max_length=512), PRINTABLE] | None = None
    email_verified: bool = False
    nickname: Annotated[str, Field(min_length=1, max_length=64), PRINTABLE] | None = None
    picture: Annotated[str, Field(max_length=2048), PRINTABLE] | None = None
    roles: Annotated[list[Annotated[str, Field(max_length=64), PRINTABLE]], Field(max_length=100)] | None = None
    wallets: Annotated[list[Annotated[str, Field(max_length=256), PRINTABLE]], Field(max_length=100)] | None = None
    test_user: bool = False
    created_at: int | None = None
    banned_at: int | None = None
    ban_reason: Annotated[str, Field(max_length=500)] | None = None

    @model_validator(mode="after")
    def _has_a_name(self) -> UserLine:
        if self.email is None and self.client_user_id is None:
            raise ValueError("needs email or client_user_id")
        return self

    def names(self) -> list[str]:
        """What makes this account itself, within its team."""
        named = (
            ("id", self.user_id),
            ("email", self.email and self.email.strip().lower()),
            ("own", self.client_user_id),
        )
        return [f"{kind}:{value}" for kind, value in named if value is not None]

    def extras(self) -> dict[str, object]:
        """What differs from a new account, as `users.change` takes it."""
        given: dict[str, object] = {"picture": self.picture, "roles": self.roles, "wallets": self.wallets}
        extras = {name: value for name, value in given.items() if value is not None}
        return {**extras, "test_user": True} if self.test_user else extras


def parse(line: bytes) -> UserLine | str:
    """The account in a line, or what is wrong with the line; the answer never holds what the line says."""
    try:
        return UserLine.model_validate_json(line)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
    if problem["type"] == "json_invalid":
        return "is not JSON"
    if problem["type"] == "model_type":
        return "is not a JSON object"
    if problem["type"] == "extra_forbidden":
        return f"has a member that is none of {', '.join(UserLine.model_fields)}"
    where = str(problem["loc"][0]) + " " if problem["loc"] else ""
    return f"{where}{problem['msg'].removeprefix('Value error, ')}"
