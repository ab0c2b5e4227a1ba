"""The OpenAPI document as a person reads it: every call with its fields, its answers and a curl."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]

_PLACE = re.compile(r"\{(\w+)\}")
_FORM = "application/x-www-form-urlencoded"
_EXAMPLES = {
    "uuid": "7c1f2f0e-6a55-4b0b-9a2e-0f6d2f1b9d34",
    "date-time": "2026-05-01T12:00:00.000Z",
    "string": "text",
    "integer": 1,
    "number": 1,
    "boolean": True,
    "null": None,
}


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter or member: what it is called, what it holds, whether it must be there."""

    name: str
    type: str
    required: bool
    description: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One status, what it means, and what its body looks like."""

    status: str
    description: str
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One call."""

    id: str
    method: str
    path: str
    description: str
    credentials: tuple[tuple[str, ...], ...]
    """Any one of these; each is what goes together."""
    parameters: tuple[Field, ...]
    body: tuple[Field, ...]
    answers: tuple[Answer, ...]
    curl: str


@dataclass(frozen=True, slots=True)
class Group:
    """The calls under one tag."""

    name: str
    anchor: str
    operations: tuple[Operation, ...]


class Reader:
    """Reads one OpenAPI document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._schemas: dict[str, Schema] = document["components"]["schemas"]
        self._schemes: dict[str, dict[str, Any]] = document["components"]["securitySchemes"]

    def groups(self) -> list[Group]:
        """Every tag with its calls, in the document's order."""
        by_tag: dict[str, list[Operation]] = {}
        for path, methods in self._document["paths"].items():
            for method, operation in methods.items():
                by_tag.setdefault(operation["tags"][0], []).append(self._operation(method, path, operation))
        return [Group(tag, _anchor(tag), tuple(found)) for tag, found in by_tag.items()]

    def _operation(self, method: str, path: str, operation: dict[str, Any]) -> Operation:
        credentials = tuple(tuple(needed) for needed in operation.get("security", []) if needed)
        content: dict[str, dict[str, Any]] = operation.get("requestBody", {}).get("content", {})
        kind = next(iter(content), "")
        media = content.get(kind, {})
        return Operation(
            id=operation["operationId"],
            method=method.upper(),
            path=path,
            description=operation["description"],
            credentials=credentials,
            parameters=tuple(
                Field(given["name"], self.type_of(given["schema"]), given["required"], given.get("description", ""))
                for given in operation.get("parameters", [])
            ),
            body=self._members(media.get("schema", {})),
            answers=tuple(self._answer(status, answer) for status, answer in sorted(operation["responses"].items())),
            curl=self._curl(method, path, credentials[:1], kind, self._shown(media)[0] if media else None),
        )

    def _members(self, schema: Schema) -> tuple[Field, ...]:
        schema = self._resolved(schema)
        required = schema.get("required", [])
        return tuple(
            Field(name, self.type_of(member), name in required, member.get("description", ""))
            for name, member in schema.get("properties", {}).items()
        )

    def _answer(self, status: str, answer: dict[str, Any]) -> Answer:
        shown = [example for media in answer.get("content", {}).values() for example in self._shown(media)]
        return Answer(status, answer["description"], tuple(_pretty(example) for example in shown))

    def _shown(self, media: dict[str, Any]) -> list[Any]:
        """The examples that *media* brings, or one made of its schema."""
        named = [example["value"] for example in media.get("examples", {}).values()]
        return named or [media["example"] if "example" in media else self.example(media.get("schema", {}))]

    def _curl(self, method: str, path: str, credentials: tuple[tuple[str, ...], ...], kind: str, body: Any) -> str:
        verb = "" if method == "get" else f"-X {method.upper()} "
        url = self._document["servers"][0]["url"] + _PLACE.sub(lambda place: f"${place[1].upper()}", path)
        lines = [f'curl {verb}"{url}"']
        for name in (name for needed in credentials for name in needed):
            header = self._schemes[name].get("name", "authorization: Bearer")
            header += " " if header.endswith("Bearer") else ": "
            lines.append(f'-H "{header}${variable(name)}"')
        if kind == _FORM:
            lines += [f"--data-urlencode {shlex.quote(f'{name}={value}')}" for name, value in body.items()]
        elif kind:
            lines += [f"-H 'content-type: {kind}'", f"-d {shlex.quote(json.dumps(body, ensure_ascii=False))}"]
        return " \\\n  ".join(lines)

    def _resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            schema = self._schemas[schema["$ref"].rpartition("/")[2]]
        return schema

    def type_of(self, schema: Schema) -> str:
        """What a value of *schema* is, in a few words."""
        schema = self._resolved(schema)
        if "anyOf" in schema:
            return " or ".join(dict.fromkeys(self.type_of(branch) for branch in schema["anyOf"]))
        if "enum" in schema or "const" in schema:
            return " | ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")]))
        if schema.get("type") == "array":
            return f"list of {self.type_of(schema.get('items', {}))}"
        kind: str = schema.get("format") or schema.get("type", "anything")
        low, high = (schema.get(f"{end}Length", schema.get(f"{end}imum")) for end in ("min", "max"))
        if low is None and high is None:
            return kind
        span = f"at most {high}" if low is None else f"at least {low}" if high is None else f"{low} to {high}"
        return f"{kind}, {span}{' characters' if kind == 'string' else ''}"

    def example(self, schema: Schema) -> Any:
        """A value that *schema* takes: its own example where it has one."""
        for found in (schema, self._resolved(schema)):
            if found.get("examples"):
                return found["examples"][0]
            if "const" in found:
                return found["const"]
        schema = self._resolved(schema)
        if "enum" in schema:
            return schema["enum"][0]
        if "anyOf" in schema:
            return self.example(schema["anyOf"][0])
        if schema.get("type") == "array":
            return [self.example(schema.get("items", {}))]
        if "properties" in schema:
            return {name: self.example(member) for name, member in schema["properties"].items()}
        if schema.get("type") == "object":
            return {}
        return _EXAMPLES.get(schema.get("format", ""), _EXAMPLES.get(schema.get("type", ""), "…"))


def variable(scheme: str) -> str:
    """The shell variable that stands for a credential: `AdminToken` is `ADMIN_TOKEN`."""
    return "".join(f"_{letter}" if letter.isupper() else letter for letter in scheme).lstrip("_").upper()


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _anchor(tag: str) -> str:
    return "-".join("".join(letter if letter.isalnum() else " " for letter in tag.lower()).split())
