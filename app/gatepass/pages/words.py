"""Values as people read them, for templates."""

from __future__ import annotations

from datetime import UTC, datetime

from markupsafe import Markup

from gatepass.core.explain import span


def when(ms: int | None) -> Markup:
    """An instant (epoch ms) to the minute, in UTC, for machines to the second; a dash for none."""
    if ms is None:
        return Markup('<span class="none">–</span>')
    moment = datetime.fromtimestamp(ms // 1000, UTC)
    return Markup('<time datetime="{}">{} UTC</time>').format(
        f"{moment:%Y-%m-%dT%H:%M:%SZ}", f"{moment:%Y-%m-%d %H:%M}"
    )


def ago(ms: int | None, now: int) -> Markup:
    """How long before *now* an instant was, the instant itself on demand."""
    if ms is None:
        return Markup('<span class="none">never</span>')
    moment = datetime.fromtimestamp(ms // 1000, UTC)
    distance = "just now" if abs(now - ms) < 1000 else f"{span(now - ms)} ago" if ms < now else f"in {span(ms - now)}"
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
        f"{moment:%Y-%m-%dT%H:%M:%SZ}", f"{moment:%Y-%m-%d %H:%M:%S}", distance
    )


def many(count: int, one: str, several: str | None = None) -> str:
    """`1 session`, `2 sessions`, `1 000 keys`."""
    return f"{count:,} {one if count == 1 else several or one + 's'}".replace(",", "\N{NARROW NO-BREAK SPACE}")
