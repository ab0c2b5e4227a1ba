"""The bytes of the Junction dialect: bodies in, plain objects out (contract junction, sections 2 and 4).

Bodies are read by hand, so that a refused one is spelled in the vendor's 422 list without anything that was sent.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import unquote_to_bytes
from uuid import UUID
from zoneinfo import available_timezones

from fastapi import Response
from pydantic import MISSING, AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError, to_json
from starlette.datastructures import QueryParams

from gatepass.core.errors import InputRefused
from gatepass.core.ids import find_id
from gatepass.core.schema import SECOND
from gatepass.wiring import Ready

BODY_LIMIT = 16 * 1024
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

Problem = dict[str, Any]


class BodyRefused(InputRefused):
    """A request that does not fit: *problems* is the list of HTTP 422, without anything that was sent."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(".".join(str(part) for part in problems[0]["loc"][1:]), problems[0]["msg"])
        self.problems = problems


def problem(kind: str, message: str, *location: str | int) -> Problem:
    """One entry of a 422 list. Only a missing member has an `input`, and it is always empty: secrets live there."""
    entry: Problem = {"type": kind, "loc": list(location), "msg": message}
    return {**entry, "input": {}} if kind == "missing" else entry


# Requests. Unknown members are ignored, optional ones may be null.


def _is_id(text: str) -> str:
    if find_id(text) is None:
        raise PydanticCustomError("uuid_parsing", "Input should be a valid UUID")
    return text


_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""What no database stores: NUL, and halves of a character, which JSON can spell (RFC 8259 section 8.2)."""


def _is_text(text: str) -> str:
    if _UNSTORABLE.search(text):
        raise PydanticCustomError("string_unicode", "Input should be a valid string")
    return text


def _is_date(text: str) -> str:
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise PydanticCustomError("date_parsing", "Input should be a valid date in the format YYYY-MM-DD")


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _is_zone(text: str) -> str:
    if text not in _zones():
        raise PydanticCustomError("value_error", "Value error, not the name of a time zone such as Europe/Lisbon")
    return text


Id = Annotated[str, AfterValidator(_is_id), Field(json_schema_extra={"format": "uuid"})]
Date = Annotated[str, AfterValidator(_is_date), Field(json_schema_extra={"format": "date"})]
Zone = Annotated[str, AfterValidator(_is_zone)]
ClientUserId = Annotated[str, AfterValidator(_is_text), Field(min_length=1, max_length=512, examples=["member-00417"])]


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class Profile(_Read):
    """What a user may carry besides the name."""

    fallback_time_zone: Zone | None = Field(None, examples=["Europe/Lisbon"])
    fallback_birth_date: Date | None = Field(None, examples=["1990-04-12"])
    ingestion_start: Date | None = Field(None, examples=["2026-01-01"])
    ingestion_end: Date | None = Field(None, examples=["2026-12-31"])


class NewUser(Profile):
    """J1."""

    client_user_id: ClientUserId

    def profile(self) -> dict[str, str | None]:
        """The members that are not null."""
        return self.model_dump(exclude={"client_user_id"}, exclude_none=True)


class PatchUser(Profile):
    """J5: what is left out stays, null clears; a name can be changed and not cleared."""

    client_user_id: ClientUserId | MISSING = MISSING

    def changes(self) -> dict[str, Any]:
        """What was sent."""
        return self.model_dump(exclude_unset=True)


class UndoDelete(_Read):
    """J7: by either id, in the query or in the body."""

    user_id: Id | None = None
    client_user_id: ClientUserId | None = None

    @property
    def is_empty(self) -> bool:
        return self.user_id is None and self.client_user_id is None


class Query(_Read):
    """A query brings text."""

    model_config = ConfigDict(strict=False)


class Page(Query):
    """J2's query."""

    offset: int = Field(0, ge=0, le=2**53)
    limit: int = Field(100, ge=1, le=500)


class Refresh(Query):
    """J11's query: how many seconds the caller would wait."""

    timeout: float | None = Field(None, ge=5, le=60)


class LinkManual(_Read):
    """J14's link of a provider that lives on the phone."""

    user_id: Id | None = None


class CreateTeamKey(_Read):
    """A6: the team that gets a key."""

    team_id: Id


class OfTeam(_Read):
    """A6: of one team only."""

    team_id: Id | None = None


class KeyId(_Read):
    """A6: which key."""

    key_id: Id


B = TypeVar("B", bound=BaseModel)


def parse(model: type[B], body: bytes) -> B:
    """Read *body*, JSON whatever its content type, as *model*. Raises BodyRefused."""
    if not body:
        raise BodyRefused(problem("missing", "Field required", "body"))
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BodyRefused(problem("json_invalid", "JSON decode error", "body", 0)) from None
    if not isinstance(value, dict):
        raise BodyRefused(problem("model_attributes_type", "Input should be a valid dictionary", "body"))
    return _fit(model, value, "body")


def parse_optional(model: type[B], body: bytes) -> B:
    """The same where the body may be empty."""
    return parse(model, body if body.strip() else b"{}")


def parse_query(model: type[B], query: QueryParams) -> B:
    """The members of *model* in a query, of a repeated one the last. Raises BodyRefused."""
    given = {name: value for name, value in query.items() if name in model.model_fields}
    return _fit(model, given, "query")


def _fit(model: type[B], value: dict[str, Any], where: Literal["body", "query"]) -> B:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        raise BodyRefused(*(problem(one["type"], one["msg"], where, *one["loc"]) for one in found)) from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def id_in(presented: str, where: str = "path", name: str = "user_id") -> UUID:
    """The id in a path (or elsewhere), in either letter case (C1). Raises BodyRefused."""
    if (found := find_id(presented)) is None:
        raise BodyRefused(problem("uuid_parsing", "Input should be a valid UUID", where, name))
    return found


def client_user_id_in(raw_path: bytes) -> str | None:
    """J4's name: the rest of the path after its third segment, percent-decoded once, its `+` a plus (C9).

    None where that is no text a user could have.
    """
    rest = raw_path.split(b"/", 4)[4:]
    try:
        name = unquote_to_bytes(rest[0]).decode("utf-8") if rest else ""
    except UnicodeDecodeError:
        return None
    return name if name and "\0" not in name else None


# Answers; their shapes are in answers.py.


def instant(at: int) -> str:
    """Epoch ms in whole seconds as the SDKs read it: `2026-05-01T09:30:00+00:00` (C2)."""
    return (_EPOCH + timedelta(seconds=at // SECOND)).isoformat()


def respond(status: int, body: BaseModel | dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    """JSON with the header that every answer carries (C8)."""
    text = to_json(body)
    if headers:
        return Response(text, status, {"cache-control": "no-store", **headers}, "application/json")
    return Ready(status, text, _ALWAYS)


_ALWAYS = ((b"cache-control", b"no-store"), (b"content-type", b"application/json"))
