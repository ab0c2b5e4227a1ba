"""What the database tells about itself: reach, schema, clock, durability, room."""

from __future__ import annotations

import re
import shutil
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import text

from gatepass.adapters import migrations
from gatepass.cli.checkup.findings import Finding, fail, ok, skipped, warn
from gatepass.cli.checkup.settings_checks import is_loopback
from gatepass.core.errors import Unavailable
from gatepass.core.unit import Unit
from gatepass.wiring import Runtime

PER_PROCESS = 28
"""Connections to PostgreSQL that one process may hold: ten in the pool, two for each of the nine hot statements."""
SKEW, DANGEROUS_SKEW = 2_000, 30_000
"""ms between two clocks; the second is the window in which parallel refreshes are told from stolen tokens."""
SCARCE, NEARLY_NONE = 1024**3, 100 * 1024**2
"""Bytes of free disk."""
LARGE_WAL = 256 * 1024**2
NETWORK_FILESYSTEMS = re.compile(
    r"nfs\d?|cifs|smb3|smbfs|9p|ceph|glusterfs|lustre|afs|ncpfs|ocfs2|gfs2|vboxsf|fuse\.(sshfs|s3fs|gcsfuse|rclone|glusterfs|vmhgfs-fuse)"
)
Check = Callable[[Runtime], Awaitable[Finding]]


async def database(runtime: Runtime) -> Finding:
    """Whether it answers."""
    if _file_of(runtime) is not None and not _file(runtime).exists():
        return fail(f"{_file(runtime)} does not exist", "run: gatepass migrate up")
    try:
        version = str(await runtime.read(partial(_scalar, runtime, "select sqlite_version()", "show server_version")))
    except Unavailable as error:
        return fail(f"it does not answer: {error}", "see that it runs and that GATEPASS_DATABASE_URL leads to it")
    return ok(f"{'SQLite' if runtime.database.is_sqlite else 'PostgreSQL'} {version.split()[0]}")


async def schema(runtime: Runtime) -> Finding:
    """Whether it is of this build."""
    found = await runtime.read(lambda unit: migrations.current(unit.db))
    if found == migrations.head():
        return ok(f"at {found}, as this build wants it")
    if found is None:
        return fail("the database is empty", "run: gatepass migrate up")
    if await runtime.read(lambda unit: migrations.is_behind(unit.db)):
        return fail(f"at {found}, and this build wants {migrations.head()}", "run: gatepass migrate up")
    return warn(f"at {found}, which a newer build made", "deploy that build here too")


async def database_clock(runtime: Runtime) -> Finding:
    """Whether the two hosts agree on the time; Gatepass goes by its own."""
    if runtime.database.is_sqlite:
        return skipped("SQLite has no clock of its own")
    there = float(await runtime.read(lambda unit: _ask(unit, "select extract(epoch from clock_timestamp())")))
    return judge_skew(int(there * 1000) - runtime.clock.now(), "the database's host")


async def primary(runtime: Runtime) -> Finding:
    """Whether it takes writes."""
    if runtime.database.is_sqlite:
        return skipped("SQLite has no standby")
    if await runtime.read(lambda unit: _ask(unit, "select pg_is_in_recovery()")):
        return fail(
            "a standby answers, which takes no writes", "name the primary, or all hosts, in GATEPASS_DATABASE_URL"
        )
    return ok("the primary answers")


async def durability(runtime: Runtime) -> Finding:
    """Whether what was committed survives a crash."""
    if runtime.database.is_sqlite:
        mode = await runtime.read(lambda unit: _ask(unit, "pragma synchronous"))
        return ok("synchronous=FULL") if mode == 2 else fail(f"synchronous={mode}", "report this: Gatepass sets it")
    off = [
        name
        for name in ("fsync", "synchronous_commit", "full_page_writes")
        if await runtime.read(lambda unit, name=name: _ask(unit, f"show {name}")) == "off"  # type: ignore[misc]
    ]
    if off:
        return fail(
            f"{', '.join(off)}: off; a crash loses sessions, or brings ended ones back",
            f"ALTER SYSTEM SET {off[0]} = on; SELECT pg_reload_conf(); look at ALTER DATABASE and ALTER ROLE too",
        )
    return ok("fsync, synchronous_commit and full_page_writes are on")


async def connections(runtime: Runtime) -> Finding:
    """Whether there is room for another process of ours."""
    if runtime.database.is_sqlite:
        return skipped("SQLite knows no limit")
    most, used = await runtime.read(_connections)
    if most - used < PER_PROCESS:
        return warn(
            f"{used} of {most} connections are in use, and one process of Gatepass takes up to {PER_PROCESS}",
            "raise max_connections, or run fewer workers",
        )
    return ok(f"{used} of {most} are in use; one process takes up to {PER_PROCESS}")


async def database_encryption(runtime: Runtime) -> Finding:
    """Whether the way to it is encrypted where it leaves this host."""
    host = runtime.database.url.host or ""
    if runtime.database.is_sqlite or host.startswith("/") or not host or is_loopback(host):
        return skipped("it is on this host")
    if await runtime.read(lambda unit: _ask(unit, "select ssl from pg_stat_ssl where pid = pg_backend_pid()")):
        return ok("TLS")
    return warn(
        f"the connection to {host} is not encrypted",
        "add ?sslmode=verify-full&sslrootcert=system, or the file of its authority",
    )


async def volume(runtime: Runtime) -> Finding:
    """SQLite's locks do not hold on a network file system (https://www.sqlite.org/faq.html#q5)."""
    if (path := _file_of(runtime)) is None:
        return skipped("not a file")
    return judge_volume(path, _mounts())


async def write_ahead_log(runtime: Runtime) -> Finding:
    """Whether readers and the writer pass each other, and the log is written back."""
    if _file_of(runtime) is None:
        return skipped("not SQLite")
    mode = await runtime.read(lambda unit: _ask(unit, "pragma journal_mode"))
    if mode != "wal":
        return fail(f"journal_mode is {mode}", "see that the volume takes WAL: it must allow shared memory (mmap)")
    log = _file(runtime).with_name(f"{_file(runtime).name}-wal")
    size = log.stat().st_size if log.exists() else 0
    if size > LARGE_WAL:
        return warn(f"the log has grown to {_size(size)}", "end whatever reads the file for hours, such as a backup")
    return ok(f"on, {_size(size)}")


async def disk(runtime: Runtime) -> Finding:
    """Whether there is room to write."""
    if (path := _file_of(runtime)) is None:
        return skipped("the database is not on this host, as far as this can see")
    free = shutil.disk_usage(path.parent).free
    if free < NEARLY_NONE:
        return fail(f"{_size(free)} are free beside {path.name}", "make room: without it every sign-in is a 503")
    if free < SCARCE:
        return warn(f"{_size(free)} are free beside {path.name}", "make room")
    return ok(f"{_size(free)} are free")


def judge_skew(ms: int, whose: str) -> Finding:
    """What a clock means that is *ms* ahead of ours."""
    said = f"{whose} is {abs(ms) / 1000:.1f} s {'ahead of' if ms > 0 else 'behind'} this one"
    if abs(ms) > DANGEROUS_SKEW:
        return fail(said, "run NTP on both; sessions may end that should not")
    if abs(ms) > SKEW:
        return warn(said, "run NTP on both")
    return ok(said)


def judge_volume(path: Path, mounts: str) -> Finding:
    """What the file system under *path* means; *mounts* as in /proc/mounts."""
    held = path.resolve()
    kinds = {Path(fields[1].replace("\\040", " ")): fields[2] for fields in map(str.split, mounts.splitlines())}
    below = [place for place in kinds if held.is_relative_to(place)]
    if not below:
        return skipped("this system does not say what it is on")
    kind = kinds[max(below, key=lambda place: len(place.parts))]
    if NETWORK_FILESYSTEMS.fullmatch(kind):
        return fail(
            f"{path.name} is on a network volume ({kind}), whose locks do not hold", "take a local disk, or PostgreSQL"
        )
    return ok(f"a local file system ({kind})")


def _mounts() -> str:
    try:
        return Path("/proc/mounts").read_text()
    except OSError:
        return ""


async def _ask(unit: Unit, statement: str) -> Any:
    return await unit.db.scalar(text(statement))


async def _scalar(runtime: Runtime, sqlite: str, postgres: str, unit: Unit) -> Any:
    return await _ask(unit, sqlite if runtime.database.is_sqlite else postgres)


async def _connections(unit: Unit) -> tuple[int, int]:
    """How many ordinary roles may have, and how many there are."""
    query = (
        "select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,"
        " (select count(*) from pg_stat_activity where backend_type = 'client backend')"
    )
    most, used = (await unit.db.execute(text(query))).one()
    return most, used


def _file_of(runtime: Runtime) -> Path | None:
    return _file(runtime) if runtime.database.is_sqlite else None


def _file(runtime: Runtime) -> Path:
    return Path(runtime.database.url.database or "")


def _size(count: int) -> str:
    return f"{count / 1024**3:.1f} GiB" if count >= 1024**3 else f"{count / 1024**2:.0f} MiB"


CHECKS: tuple[Check, ...] = (
    schema,
    database_clock,
    primary,
    durability,
    connections,
    database_encryption,
    volume,
    write_ahead_log,
    disk,
)
