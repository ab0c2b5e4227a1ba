"""What phones and backends do on the server that a browser looks at: ordinary calls, over the wire."""

from __future__ import annotations

from typing import Any

import httpx

from commands import Running
from harness import LOGIN, REFRESH, VERIFY


def ask_for_code(server: Running, email: str = "ada@example.com") -> dict[str, Any]:
    """E1; transaction and code."""
    answer = httpx.post(f"{server.url}{LOGIN}", json={"email": email}, headers=_key(server), timeout=30)
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


def sign_in(server: Running, email: str = "ada@example.com", **device: str) -> dict[str, Any]:
    """E1 and E2; the bundle."""
    asked = ask_for_code(server, email)
    body = {"transactionId": asked["transactionId"], "code": asked["userCode"], **device}
    answer = httpx.post(f"{server.url}{VERIFY}", json=body, headers=_key(server), timeout=30)
    assert answer.status_code == 200, answer.text
    bundle: dict[str, Any] = answer.json()["data"]
    return bundle


def refresh(server: Running, bundle: dict[str, Any]) -> httpx.Response:
    """E3 with the bundle's token."""
    body = {"refreshToken": bundle["refreshToken"]}
    return httpx.post(f"{server.url}{REFRESH}", json=body, headers=_key(server), timeout=30)


def admin(server: Running, method: str, path: str, body: Any = None) -> Any:
    """A call of the admin API; what it answers."""
    headers = {"authorization": f"Bearer {server.facts['admin_token']}"}
    answer = httpx.request(method, f"{server.url}/admin/v1{path}", json=body, headers=headers, timeout=30)
    assert answer.status_code < 300, answer.text
    return answer.json()


def _key(server: Running) -> dict[str, str]:
    return {"x-api-key": server.facts["publishable_key"]}
