"""Languages as people and their devices name them: tags of BCP 47, the best first."""

from __future__ import annotations

import re

TAG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}")
_WEIGHED = re.compile(rf"[ \t]*(?P<tag>{TAG.pattern})[ \t]*(;[ \t]*[qQ]=(?P<quality>[01](\.[0-9]{{0,3}})?))?[ \t]*")


def preferred(accept_language: str) -> str:
    """Up to five tags of an Accept-Language header, comma-separated (RFC 9110 section 12.5.4)."""
    weighed = []
    for part in accept_language[:1000].split(","):
        if (found := _WEIGHED.fullmatch(part)) and (quality := float(found["quality"] or 1)):
            weighed.append((quality, found["tag"]))
    return ",".join(tag for _, tag in sorted(weighed, key=lambda one: -one[0])[:5])
