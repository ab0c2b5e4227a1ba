"""What every Junction answer looks like (contract junction, sections 2, 3 and 6.5), checked on each one the tests get."""

from __future__ import annotations

import json
from typing import Any

import httpx

from backend import LOCAL_TOKEN, REVOKE, TOKEN
from harness import Server

TERMINAL = {"invalid_token", "reauthentication_required"}


async def keeps_the_contract(answer: httpx.Response) -> None:
    """The rules that hold for any request to this dialect."""
    path = answer.request.url.path.rstrip("/")
    if not path.startswith(("/v1", "/v2", "/auth")):
        return
    await answer.aread()
    headers, status = answer.headers, answer.status_code
    assert headers["cache-control"] == "no-store"
    assert not 300 <= status < 400, "no redirect"
    assert ("retry-after" in headers) is (status in (429, 503))
    assert ("allow" in headers) is (status == 405)
    if status == 204:
        assert (answer.content, "content-type" in headers) == (b"", False)
        return
    assert headers["content-type"] == "application/json"
    if answer.request.method == "HEAD":
        return
    body = json.loads(answer.content, parse_float=_no_fraction)
    if path in (TOKEN, LOCAL_TOKEN, REVOKE):
        _is_a_token_answer(status, body)
    elif status >= 400:
        _is_a_v2_refusal(answer, body)


def _no_fraction(text: str) -> None:
    raise AssertionError(f"{text} is no plain integer")


def _is_a_token_answer(status: int, body: dict[str, Any]) -> None:
    if status == 200:
        assert isinstance(body.get("expires_in", 0), int)
        return
    assert status in (400, 405, 413, 429, 500, 503), "no 401, no 422"
    if isinstance(body["detail"], dict):
        assert list(body) == ["error", "error_description", "detail"]
        assert (status, body["error"], list(body["detail"])) == (400, "invalid_grant", ["error_type", "message"])
        assert body["detail"]["error_type"] in TERMINAL
        assert body["detail"]["message"] == body["error_description"]
    elif status == 405:
        assert body == {"detail": "Method Not Allowed"}
    elif status in (429, 500, 503):
        assert list(body) == ["error", "detail"]
        assert body["error"] == "temporarily_unavailable"
    else:
        assert list(body) == ["error", "error_description", "detail"]
        assert body["detail"] == body["error_description"]


def _is_a_v2_refusal(answer: httpx.Response, body: dict[str, Any]) -> None:
    sent, status = answer.request.headers, answer.status_code
    challenged = "x-vital-api-key" not in sent and sent.get("authorization", "").lower().startswith(("bearer", "dpop"))
    assert ("www-authenticate" in answer.headers) is (status == 401 and challenged)
    if status == 400 and "/refresh/" in answer.request.url.path:
        assert body["success"] is False
        return
    assert list(body) == ["detail"]
    if status == 401:
        assert body["detail"] == "invalid token"
    if status == 422:
        for problem in body["detail"]:
            assert {"type", "loc", "msg"} <= problem.keys() <= {"type", "loc", "msg", "input"}
            assert problem.get("input", {}) == {}


def watch(server: Server) -> Server:
    """The same server, its client checking every answer."""
    server.client.event_hooks["response"] = [keeps_the_contract]
    return server
