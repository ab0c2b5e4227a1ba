"""Backups of a running server's database, and what is in one.

SQLite's own copying makes a whole file in one reading transaction, which no writer waits for (sqlite.org/backup.html).
PostgreSQL has `pg_dump` for it; a database with physical backups and an archive of its log is better served by those.
A backup holds no usable token and no code, and is worth nothing without the server's secret, which is not in it.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import URL

from gatepass.core import database_url

PROGRAMS = Path("/usr/lib/postgresql")
"""Where Debian keeps them, a directory per version."""


class BackupFailed(Exception):
    """A backup that cannot be made, read or put back: what is wrong, and what to do *next*."""

    def __init__(self, said: str, next_step: str) -> None:
        super().__init__(said)
        self.next_step = next_step


@dataclass
class Contents:
    """What a backup holds: the schema's *revision*, how many rows, and the signing keys, each under its seal."""

    revision: str | None = None
    teams: int = 0
    users: int = 0
    open_sessions: int = 0
    sealed_keys: list[bytes] = field(default_factory=list, repr=False)


def save(url: str, path: Path) -> Contents:
    """Copy the database into a new file (0600), whole or not at all, and read it back. Raises BackupFailed."""
    database = database_url.parse(url)
    with _new_file(path) as beside:
        if database.get_backend_name() == "sqlite":
            _copy_sqlite(_existing(database), beside)
            return _read_sqlite(beside)
        _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={beside}", url=url)
        return _read_dump(beside)


def read(path: Path) -> Contents:
    """Read all of a backup and tell what is in it. Raises BackupFailed for a damaged one, or no backup."""
    if not path.is_file():
        raise BackupFailed(f"there is no file {path}", "name the file that gatepass backup wrote")
    if _begins(path, b"SQLite format 3\0"):
        return _read_sqlite(path)
    if _begins(path, b"PGDMP"):
        return _read_dump(path)
    raise BackupFailed(f"{path} is no backup of Gatepass", "name the file that gatepass backup wrote")


def put_back(path: Path, url: str, prepare: Callable[[str], None]) -> None:
    """Make an empty database what *path* holds. *prepare* is given the URL of the restored one; on SQLite before
    anybody can open it under its name.

    Raises BackupFailed, also where the database is not empty: nothing is ever overwritten.
    """
    database = database_url.parse(url)
    is_dump = _begins(path, b"PGDMP")
    if is_dump is (database.get_backend_name() == "sqlite"):
        raise BackupFailed(
            f"{path} is of the other kind of database", "point GATEPASS_DATABASE_URL at one of the kind it came from"
        )
    if is_dump:
        _put_back_dump(path, url)
        prepare(url)
        return
    with _new_file(Path(database.database or "")) as beside:
        _copy_sqlite(path, beside, wal=True)
        prepare(database.set(database=str(beside)).render_as_string(hide_password=False))


def _begins(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


@contextmanager
def _new_file(path: Path) -> Iterator[Path]:
    """A file beside *path* that gets its name in the end, on disk. Raises BackupFailed where that name is taken."""
    if path.exists():
        raise BackupFailed(f"{path} is there already", "name another file, or move that one away")
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield beside
        for leftover in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                beside.with_name(beside.name + leftover).unlink()
        _sync(beside)
        os.link(beside, path)  # unlike a rename, this never replaces
        _sync(path.parent)
    except FileExistsError:
        raise BackupFailed(f"{path} is there already", "name another file, or move that one away") from None
    finally:
        for name in (beside.name, f"{beside.name}-wal", f"{beside.name}-shm"):
            beside.with_name(name).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# SQLite.


def _existing(url: URL) -> Path:
    path = Path(url.database or "")
    if not path.is_file():
        raise BackupFailed(f"there is no database {path}", "see that GATEPASS_DATABASE_URL leads to it")
    return path


def _copy_sqlite(source: Path, target: Path, *, wal: bool = False) -> None:
    """All pages in one go: in several, every writer in between would make SQLite begin again."""
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True, timeout=30)) as live,
            closing(sqlite3.connect(target)) as copy,
        ):
            live.backup(copy, pages=-1)
            copy.execute(f"PRAGMA journal_mode={'WAL' if wal else 'DELETE'}")
    except sqlite3.Error as error:
        raise BackupFailed(
            f"{source} cannot be copied: {error}", "see that it is whole and that there is room"
        ) from error


def _read_sqlite(path: Path) -> Contents:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
            (verdict, *_) = db.execute("PRAGMA integrity_check").fetchone()
            if verdict != "ok":
                raise BackupFailed(f"{path} is damaged: {verdict}", "use another backup")

            revision = db.execute("SELECT version_num FROM alembic_version").fetchone()
            return Contents(
                revision=revision[0] if revision else None,
                teams=db.execute("SELECT count(*) FROM teams").fetchone()[0],
                users=db.execute("SELECT count(*) FROM users").fetchone()[0],
                open_sessions=db.execute("SELECT count(*) FROM sessions WHERE ended_at IS NULL").fetchone()[0],
                sealed_keys=[row[0] for row in db.execute("SELECT sealed FROM signing_keys")],
            )
    except sqlite3.Error as error:
        raise BackupFailed(f"{path} is damaged, or no backup of Gatepass: {error}", "use another backup") from error


# PostgreSQL.


def _read_dump(path: Path) -> Contents:
    """Let pg_restore spell the data, all of it, and count the rows of COPY's text format."""
    found, table, columns = Contents(), "", []
    with subprocess.Popen(  # noqa: S603 - PostgreSQL's own program on a path that the operator named
        [_tool("pg_restore"), "--data-only", "--file=-", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_plain_environment(),
    ) as reading:
        assert reading.stdout is not None
        assert reading.stderr is not None
        for raw in reading.stdout:
            line = raw.decode(errors="replace").rstrip("\n")
            if not table:
                if line.startswith("COPY ") and line.endswith("FROM stdin;"):
                    table = line.split()[1].rpartition(".")[2]
                    columns = line[line.index("(") + 1 : line.rindex(")")].split(", ")
            elif line == "\\.":
                table = ""
            else:
                _count(found, table, dict(zip(columns, line.split("\t"), strict=True)))
        said = reading.stderr.read().decode(errors="replace")
    if reading.returncode or found.revision is None:
        raise BackupFailed(f"{path} is damaged, or no backup of Gatepass: {_last_line(said)}", "use another backup")
    return found


def _count(found: Contents, table: str, row: dict[str, str]) -> None:
    match table:
        case "alembic_version":
            found.revision = row["version_num"]
        case "teams":
            found.teams += 1
        case "users":
            found.users += 1
        case "sessions":
            found.open_sessions += row["ended_at"] == "\\N"
        case "signing_keys":
            found.sealed_keys.append(bytes.fromhex(row["sealed"].removeprefix("\\\\x")))


def _put_back_dump(path: Path, url: str) -> None:
    _run(
        "pg_restore",
        "--no-owner",
        "--no-privileges",
        "--single-transaction",
        "--exit-on-error",
        "--dbname",
        _connection(url),
        str(path),
        url=url,
        named=True,
    )


def _run(program: str, *arguments: str, url: str, named: bool = False) -> None:
    """Run one of PostgreSQL's programs on the database; its password is in nobody's list of processes."""
    command = [_tool(program, url), *arguments, *(() if named else ("--dbname", _connection(url)))]
    password = database_url.parse(url).password
    environment = _plain_environment() | ({"PGPASSWORD": str(password)} if password else {})
    done = subprocess.run(  # noqa: S603 - as above
        command, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = _last_line(done.stderr)
        if "already exists" in said:
            raise BackupFailed("the database is not empty", "create an empty one and point GATEPASS_DATABASE_URL at it")
        raise BackupFailed(
            f"{program} failed: {said}", "see that the database runs and that there is room for the file"
        )


def _plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("GATEPASS_")} | {"LC_ALL": "C"}


def _last_line(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith("Command was")]
    errors = [line for line in lines if "error:" in line]
    return (errors or lines or ["it said nothing"])[0].strip()


def _tool(program: str, url: str | None = None) -> str:
    """The newest one there is: an older pg_dump refuses a newer server. Raises BackupFailed with what to run instead."""
    own = sorted(PROGRAMS.glob(f"*/bin/{program}"), key=lambda found: int(found.parts[-3]))
    if own:
        return str(own[-1])
    if found := shutil.which(program):
        return found
    what = {
        "pg_dump": "pg_dump --format=custom --no-owner --no-privileges --file=FILE",
        "pg_restore": "pg_restore --no-owner --no-privileges --single-transaction FILE",
    }[program]
    where = f' --dbname="{_connection(url)}"' if url is not None else ""
    raise BackupFailed(
        f"{program} is not on this host",
        f"install PostgreSQL's client programs (postgresql-client), or run where they are: {what}{where}",
    )


def _connection(url: str) -> str:
    """*url* as libpq's keyword/value string, several hosts and TLS included, without the password."""
    return " ".join(f"{name}={_quoted(value)}" for name, value in database_url.of_libpq(url).items())


def _quoted(value: str) -> str:
    if value and not set(value) & set(" '\\"):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
