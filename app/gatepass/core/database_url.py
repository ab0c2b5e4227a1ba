"""Where the database is, as people write it: `sqlite:///path`, `postgresql://user:password@host/name`, or PostgreSQL on
several hosts, `postgresql://user:password@one:5432,two:5432/name` (libpq, "Connection URIs").
"""

from __future__ import annotations

from urllib.parse import urlsplit

from sqlalchemy import make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
_WRITABLE = "target_session_attrs=read-write"
"""Of several hosts one takes writes; the others are its standbys."""


def parse(url: str) -> URL:
    """*url* with the driver that Gatepass uses. Raises ValueError for any other kind of database, or none."""
    kind = url.partition(":")[0].partition("+")[0]
    if kind not in _DRIVERS:
        raise ValueError(f"{kind[:20]!r} is no database of ours: use sqlite:///path or postgresql://user@host/name")
    try:
        return make_url(_on_hosts(url, _hosts(url)[:1])).set(drivername=_DRIVERS[kind])
    except ArgumentError:
        raise ValueError("this is no URL: use sqlite:///path or postgresql://user@host/name") from None


def per_host(url: str) -> list[str]:
    """A PostgreSQL *url* as one URL for each of its hosts, in order, as asyncpg reads them.

    Of several hosts one is sought that takes writes, unless the URL itself says `target_session_attrs`.
    """
    hosts = _hosts(url)
    scheme, _, rest = url.partition("://")
    plain = f"postgresql://{rest}" if scheme else url
    if len(hosts) > 1 and "target_session_attrs=" not in plain:
        plain += f"{'&' if '?' in plain else '?'}{_WRITABLE}"
    return [_on_hosts(plain, [host]) for host in hosts] if hosts else [plain]


def _hosts(url: str) -> list[str]:
    authority = urlsplit(url).netloc.rpartition("@")[2]
    return authority.split(",") if authority else []


def _on_hosts(url: str, hosts: list[str]) -> str:
    """*url* with the given *hosts* in place of its own; those without any stay as they are."""
    before, slashes, rest = url.partition("://")
    authority = urlsplit(url).netloc
    user, at, _ = authority.rpartition("@")
    return f"{before}{slashes}{user}{at}{','.join(hosts)}{rest[len(authority) :]}" if hosts else url
