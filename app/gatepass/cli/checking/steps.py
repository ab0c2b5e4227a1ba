"""The steps in words, for a person who reads along or carries them out."""

from __future__ import annotations

from typing import Any

_WORDS = {
    "install": "as freshly installed: empty the app's storage, and point it at url with publishable_key",
    "ask_for_code": "ask for a code for {email}",
    "sign_in": "sign in",
    "call": "make one call as the user",
    "calls": "make {count} calls at the same time",
    "status": "say whether the app takes its user for signed in, without a call",
    "restart": "kill the app, whatever it is doing, and open it again",
    "end": "nothing more to do",
}


def told(step: dict[str, Any]) -> str:
    """What to do in *step*; no token is in it, a code is."""
    said = _WORDS[step["do"]].format(**step)
    if step["do"] == "sign_in":
        said += f" with the code {step['code']}" if "code" in step else " with sign_in_token"
    return said
