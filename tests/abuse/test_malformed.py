"""Every malformed input on every route: an announced answer in the surface's own form, nothing of it told or logged."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import structlog
from parties import SAMPLES, Party, body_of, join
from routes import FORM, JSON, Route, document, headers_of, routes

from bad_input import BEARERS, CANARY, HALF_CHARACTERS, KEYS, NO_IDS, NOT_JSON, STRINGS, WRONG_TYPES, spoiled
from harness import Server

NUMBERS = ["-1", "1.5", "1e3", str(2**63), "9" * 5000, "nan", "inf", "٣", "0x10", "true", "null"]


@pytest.fixture
async def party(server: Server) -> Party:
    return await join(server, server.team, name="ada")


def in_the_path(route: Route, good: dict[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in route.in_path:
        for part in NO_IDS:
            path = route.path.replace(f"{{{name}}}", part)
            yield path.format(**{**SAMPLES, **good}), {}


def in_the_query(route: Route, good: dict[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    target = route.target({**SAMPLES, **good})
    for name in route.in_query:
        for text in (*STRINGS, *NUMBERS):
            yield target, {"params": {**{other: good[other] for other in route.in_query if other in good}, name: text}}
        yield target, {"params": [(name, "1"), (name, "2")]}
        yield f"{target}?{name}=%ff&{name}=%00", {}


def in_the_body(route: Route, good: dict[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    target = route.target({**SAMPLES, **good})
    if route.media == JSON:
        for name in route.in_body:
            for fragment in (*WRONG_TYPES, *map(json.dumps, STRINGS), *HALF_CHARACTERS, *NOT_JSON, "null"):
                yield target, body_of(route, good, **{name: fragment})
    if route.media == FORM:
        whole = body_of(route, good)["data"]
        for name in route.in_body:
            for text in STRINGS:
                yield target, {"data": {**whole, name: text.encode("utf-8", "surrogatepass")}}
            yield target, {"data": {**whole, name: ["a", "b"]}}
            yield target, {"data": {other: text for other, text in whole.items() if other != name}}
            yield target, {"content": f"{name}=%ff&%00=%zz&&=;".encode(), "headers": {"content-type": FORM}}
    content = json.dumps({name: str(good.get(name, SAMPLES.get(name))) for name in route.in_body}).encode()
    for body in (*spoiled(content), b"x" * 70_000):
        for media in (route.media or JSON, "text/plain", "multipart/form-data", "\u00ff"):
            yield target, {"content": body, "headers": {"content-type": media.encode("latin-1")}}


def in_the_credentials(route: Route, party: Party) -> Iterator[tuple[str, dict[str, Any]]]:
    target = route.target({**SAMPLES, **party.objects})
    for way in route.ways:
        for scheme in way:
            right = [pair for other in way for pair in headers_of(other, party.credentials[other]).items()]
            ((header, value),) = headers_of(scheme, party.credentials[scheme]).items()
            for text in BEARERS if header == "authorization" else KEYS:
                wrong = {**dict(right), header: text}
                yield target, {"headers": {name: text.encode("latin-1") for name, text in wrong.items()}}
            yield target, {"headers": [*right, (header, CANARY)]}
            yield target, {"headers": [*right, (header, value)]}
    for name in ("authorization", "dpop", "x-vital-ios-sdk-version", "x-forwarded-for", "accept-language", "host"):
        for text in (CANARY * 100, "\u00ff" * 40, "' OR 1=1 --", ","):
            yield target, {"headers": {name: text.encode("latin-1")}}


def problems(route: Route, answer: httpx.Response) -> list[str]:
    """What is wrong about a refusal, measured by the document."""
    kind = answer.headers.get("content-type", "").partition(";")[0]
    operation = document()["paths"][route.path][route.method.lower()]
    announced = operation["responses"].get(str(answer.status_code), {}).get("content", {})
    found = []
    if answer.status_code >= 500:
        found.append("a fault")
    if answer.status_code not in route.statuses:
        found.append("a status that is not announced")
    elif (kind or announced) and kind not in announced:
        found.append(f"{kind or 'nothing'} is not announced")
    if answer.status_code >= 400 and CANARY in answer.text:
        found.append("an echo")
    return found


@pytest.mark.parametrize("route", routes(), ids=str)
async def test_malformed_input_gets_the_surfaces_own_announced_answer(
    route: Route, party: Party, caplog: pytest.LogCaptureFixture
) -> None:
    right = dict(
        pair for scheme in (route.ways or ((),))[0] for pair in headers_of(scheme, party.credentials[scheme]).items()
    )
    tries = [
        *in_the_path(route, party.objects),
        *in_the_query(route, party.objects),
        *in_the_body(route, party.objects),
    ]
    tries = [(target, {**more, "headers": {**right, **more.get("headers", {})}}) for target, more in tries]
    tries += in_the_credentials(route, party)
    with caplog.at_level(logging.DEBUG, "gatepass"), structlog.testing.capture_logs() as structured:
        for target, more in tries:
            answer = await party.server.client.request(route.method, target, **more)
            assert not (found := problems(route, answer)), (found, answer.status_code, answer.text[:300], target, more)
    logged = repr(structured) + caplog.text
    assert CANARY not in logged
    assert "Fault" not in logged
