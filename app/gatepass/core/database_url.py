"""Where the database is, as people write it: `sqlite:///path`, `postgresql://user:password@host/name`, or PostgreSQL on
several hosts, `postgresql://user:password@one:5432,two:5432/name` (libpq, "Connection URIs").
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

from sqlalchemy import make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
_WRITABLE = "target_session_attrs=read-write"
"""Of several hosts one takes writes; the others are its standbys."""
SYSTEM = "system"
"""A `sslrootcert` that means the system's authorities (libpq, "sslrootcert")."""
_TLS_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_OF_LIBPQ = {*_TLS_FILES, "host", "port", "sslmode", "target_session_attrs", "options", "passfile"}
"""What else a URL may say that PostgreSQL's own programs understand; the rest are settings of the server's."""


class UnknownSslMode(ValueError):
    """`sslmode` is none of libpq's."""


def parse(url: str) -> URL:
    """*url* with the driver that Gatepass uses. Raises ValueError for any other kind of database, or none, and
    UnknownSslMode.
    """
    kind = url.partition(":")[0].partition("+")[0]
    if kind not in _DRIVERS:
        raise ValueError(f"{kind[:20]!r} is no database of ours: use sqlite:///path or postgresql://user@host/name")
    if kind != "sqlite" and _query(_with_sslmode(url)).get("sslmode", "prefer") not in _SSL_MODES:
        raise UnknownSslMode(f"sslmode is one of {', '.join(_SSL_MODES)}")
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
    plain = _with_sslmode(plain)
    if len(hosts) > 1 and "target_session_attrs=" not in plain:
        plain += f"{'&' if '?' in plain else '?'}{_WRITABLE}"
    return [_on_hosts(plain, [host]) for host in hosts] if hosts else [plain]


def of_libpq(url: str) -> dict[str, str]:
    """A PostgreSQL *url* as libpq's parameters, for PostgreSQL's own programs. No secret is among them: they are to be
    written on command lines.
    """
    parsed, given = parse(url), _query(_with_sslmode(url))
    hosts = [host.rpartition(":") if _has_port(host) else (host, "", "") for host in _hosts(url)]
    named = {
        "host": ",".join(host.strip("[]") for host, _, _ in hosts),
        "port": ",".join(port or "5432" for _, _, port in hosts),
        "user": parsed.username or "",
        "dbname": parsed.database or "",
    }
    if len(hosts) > 1:
        named["target_session_attrs"] = "read-write"
    return {name: value for name, value in named.items() if value} | {
        name: value for name, value in given.items() if name in _OF_LIBPQ
    }


def tls_files(url: str) -> dict[str, str]:
    """The files that a PostgreSQL *url* names for TLS, by parameter."""
    given = _query(url)
    return {name: given[name] for name in _TLS_FILES if given.get(name, SYSTEM) != SYSTEM}


def trusts_system(url: str) -> bool:
    """Whether *url* says `sslrootcert=system`."""
    return _query(url).get("sslrootcert") == SYSTEM


def _query(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def _with_sslmode(url: str) -> str:
    """*url* with libpq's `sslmode` where it says `ssl`, as URLs for other drivers do."""
    before, mark, query = url.partition("?")
    given = parse_qsl(query, keep_blank_values=True)
    if not any(name == "ssl" for name, _ in given):
        return url
    renamed = [("sslmode", _SAME.get(value, value)) if name == "ssl" else (name, value) for name, value in given]
    return f"{before}{mark}{urlencode(renamed)}"


_SAME = {"true": "require", "1": "require", "false": "disable", "0": "disable"}


def _has_port(host: str) -> bool:
    return ":" in host.rpartition("]")[2]


def _hosts(url: str) -> list[str]:
    authority = urlsplit(url).netloc.rpartition("@")[2]
    return authority.split(",") if authority else []


def _on_hosts(url: str, hosts: list[str]) -> str:
    """*url* with the given *hosts* in place of its own; those without any stay as they are."""
    before, slashes, rest = url.partition("://")
    authority = urlsplit(url).netloc
    user, at, _ = authority.rpartition("@")
    return f"{before}{slashes}{user}{at}{','.join(hosts)}{rest[len(authority) :]}" if hosts else url
