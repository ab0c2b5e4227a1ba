"""A strict reader of the published document: enough of JSON Schema to say whether an answer is what was announced."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

_KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


@dataclass(frozen=True)
class Document:
    """One OpenAPI document."""

    content: dict[str, Any]

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Method, path and operation of every call."""
        for path, methods in self.content["paths"].items():
            for method, operation in methods.items():
                yield method.upper(), path, operation

    def find(self, method: str, path: str) -> tuple[str, dict[str, Any]]:
        """The template and operation that a concrete *path* belongs to; the most literal template wins."""
        found = [
            (template, operation)
            for verb, template, operation in self.operations()
            if verb == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)
        ]
        return min(found, key=lambda match: match[0].count("{"))

    def problems(self, answer: httpx.Response) -> list[str]:
        """What is wrong with *answer*, measured by what its route announces: status, media type, every member."""
        request = answer.request
        _, operation = self.find(request.method, request.url.path)
        announced = operation["responses"].get(str(answer.status_code))
        if announced is None:
            return [f"{answer.status_code} is not announced"]
        kind = answer.headers["content-type"].partition(";")[0]
        media = announced["content"].get(kind)
        if media is None:
            return [f"{answer.headers['content-type']} is not announced"]
        return list(self._check(media["schema"], answer.json() if "json" in kind else answer.text, "$"))

    def fits(self, schema: dict[str, Any], value: object) -> list[str]:
        """What is wrong with *value*, measured by *schema*."""
        return list(self._check(schema, value, "$"))

    def resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in schema:
            schema = self.content["components"]["schemas"][schema["$ref"].removeprefix("#/components/schemas/")]
        return schema

    def _check(self, schema: dict[str, Any], value: Any, where: str) -> Iterator[str]:
        schema = self.resolved(schema)
        if "anyOf" in schema:
            branches = [list(self._check(branch, value, where)) for branch in schema["anyOf"]]
            if all(branches):
                yield from branches[0]
            return
        if "const" in schema and value != schema["const"]:
            yield f"{where} is not {schema['const']!r}"
        if "enum" in schema and value not in schema["enum"]:
            yield f"{where} is none of {schema['enum']}"
        kind = schema.get("type")
        if kind and (not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "boolean")):
            yield f"{where} is no {kind}"
            return
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"{where} does not match {schema['pattern']}"
        if kind == "array":
            for position, item in enumerate(value):
                yield from self._check(schema["items"], item, f"{where}[{position}]")
        if kind == "object":
            members = schema.get("properties", {})
            rest = schema.get("additionalProperties")
            yield from (f"{where}.{name} is missing" for name in schema.get("required", []) if name not in value)
            for name, member in value.items():
                if name in members:
                    yield from self._check(members[name], member, f"{where}.{name}")
                elif isinstance(rest, dict):
                    yield from self._check(rest, member, f"{where}.{name}")
                else:
                    yield f"{where}.{name} is not announced"
