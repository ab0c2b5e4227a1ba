"""The calls behind a test's verbs: `/_test` and `/admin/v1`, as the bearer of the admin token."""

from __future__ import annotations

import json
from typing import Any

import httpx

LONGEST_WAIT = 60.0
"""Seconds that the server lets one call wait."""
_PATIENCE = 30.0
"""Seconds that an answer may take on a busy machine, beyond what it was asked to wait."""


class Problem(Exception):
    """The server refused what a test asked of it; the text is the server's own."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"{said} ({status})")
        self.status = status


class NothingArrived(AssertionError):
    """What a test waited for did not come in time. *arrived* is what did."""

    def __init__(self, said: str, arrived: list[dict[str, Any]], shown: list[str]) -> None:
        lines = "".join(f"\n  {line}" for line in shown)
        super().__init__(f"{said}; " + (f"what did arrive:{lines}" if shown else "nothing else arrived either"))
        self.arrived = arrived


class ControlPlane:
    """One server's, over one connection pool that threads may share."""

    def __init__(self, url: str, admin_token: str) -> None:
        headers = {"authorization": f"Bearer {admin_token}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=_PATIENCE, trust_env=False)

    def call(self, method: str, path: str, body: Any = None, /, **query: Any) -> Any:
        """What the server answers. Raises Problem."""
        answer = self._send(method, path, body, query)
        if answer.is_error:
            raise Problem(answer.status_code, _said(answer))
        return answer.json() if answer.content else None

    def wait(self, path: str, seconds: float, /, **query: Any) -> tuple[Any, list[dict[str, Any]]]:
        """A long poll: what came and an empty list, or None and what arrived instead. Raises Problem."""
        answer = self._send("GET", path, None, {**query, "timeout": seconds}, patience=_PATIENCE + seconds)
        if answer.status_code == 408:
            return None, answer.json()["arrived"]
        if answer.is_error:
            raise Problem(answer.status_code, _said(answer))
        return answer.json(), []

    def _send(
        self, method: str, path: str, body: Any, query: dict[str, Any], *, patience: float = _PATIENCE
    ) -> httpx.Response:
        given = {name: value for name, value in query.items() if value is not None}
        return self._http.request(method, path, json=body, params=given, timeout=patience)

    def close(self) -> None:
        self._http.close()


def _said(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
    except json.JSONDecodeError:
        return answer.text[:200]
    return str(problem.get("detail") or problem) if isinstance(problem, dict) else str(problem)
