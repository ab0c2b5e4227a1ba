"""TLS on the way to PostgreSQL: whatever asks for it goes through it, and a server that is not trusted is named as such."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError
from sqlalchemy import text

import commands
from gatepass.adapters import backups, migrations
from gatepass.adapters.database import Database
from gatepass.adapters.postgres_server import PostgresServer, TlsFailed
from gatepass.core import database_url
from gatepass.core.errors import Unavailable
from gatepass.core.unit import Unit
from harness import SECRET, serve, settings
from post_office import make_certificate
from postgres import Cluster, cluster, free_port


@dataclass
class Encrypted:
    """A PostgreSQL that lets in over TLS alone, and the certificate of its authority, which is its own."""

    cluster: Cluster
    authority: Path

    def url(self, name: str, **parameters: object) -> str:
        """The URL of an empty database, which is made through the socket."""
        at_home = ("-h", str(self.cluster.data), "-p", str(self.cluster.port), "-U", "gatepass")
        self.cluster._run("createdb", *at_home, name)
        return self.at(name, **parameters)

    def at(self, name: str, **parameters: object) -> str:
        asked = "&".join(f"{parameter}={value}" for parameter, value in parameters.items())
        return f"postgresql://gatepass@127.0.0.1:{self.cluster.port}/{name}?{asked}"


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encrypted]:
    directory = tmp_path_factory.mktemp("certificates")
    pem = make_certificate(directory).read_bytes()
    begins = pem.index(b"-----BEGIN CERTIFICATE-----")
    authority = directory / "authority.pem"
    authority.write_bytes(pem[begins:])
    with cluster() as started:
        for name, content in (("server.key", pem[:begins]), ("server.crt", pem[begins:])):
            path = started.data / name
            path.write_bytes(content)
            path.chmod(0o600)
            if started.user:
                shutil.chown(path, started.user)
        with (started.data / "postgresql.auto.conf").open("a") as conf:
            conf.write("ssl = on\n")
        (started.data / "pg_hba.conf").write_text("local all all trust\nhostssl all all 127.0.0.1/32 trust\n")
        started.stop("fast")
        started.boot()
        yield Encrypted(started, authority)


async def unencrypted_of(unit: Unit) -> list[str]:
    """Which of the connections of this database are not encrypted, by the name each gave."""
    query = (
        "select application_name, ssl from pg_stat_activity join pg_stat_ssl using (pid)"
        " where datname = current_database() and backend_type = 'client backend'"
    )
    rows = (await unit.db.execute(text(query))).all()
    assert {name for name, _ in rows} >= {"gatepass", "gatepass hot"}
    return [name for name, is_encrypted in rows if not is_encrypted]


@pytest.mark.parametrize("asks", ["sslmode=require", "ssl=require", "ssl=true", "sslmode=verify-full"])
async def test_the_pool_the_hot_connections_and_migrations_all_go_through_it(encrypted: Encrypted, asks: str) -> None:
    parameter, _, value = asks.partition("=")
    given = {"sslrootcert": encrypted.authority} if value.startswith("verify") else {}
    url = encrypted.url(asks.replace("=", "_").replace("-", "_"), **{parameter: value}, **given)
    database = Database(url)
    await migrations.up(database)
    await database.dispose()
    async with serve(url) as server:
        phone = await server.sign_in()
        assert (await phone.refresh()).status_code == 200
        assert (await phone.userinfo()).status_code == 200
        assert await server.runtime.read(unencrypted_of) == []


def test_the_command_line_serves_and_backs_up_through_it(encrypted: Encrypted, tmp_path: Path) -> None:
    given = {
        "database_url": encrypted.url("served", sslmode="verify-full", sslrootcert=encrypted.authority),
        "secret_key": SECRET,
        "smtp_url": "smtp://127.0.0.1:9",
    }
    for words in (("migrate", "up"), ("backup", str(tmp_path / "night.backup"))):
        done = commands.run(*words, cwd=tmp_path, **given)
        assert done.returncode == 0, done.stderr
    port = free_port()
    with commands.serve(tmp_path, port, **given) as server:
        assert httpx.get(f"{server.url}/readyz").json()["status"] == "ready"


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
async def test_who_is_vouched_for_by_somebody_else_is_refused_in_words(
    encrypted: Encrypted, tmp_path: Path, mode: str
) -> None:
    another = make_certificate(tmp_path)
    url = encrypted.url(f"another_{mode[-2:]}", sslmode=mode, sslrootcert=another)
    with pytest.raises(TlsFailed, match="the database's certificate is not trusted: self-signed certificate"):
        await PostgresServer(url).connect()
    database = Database(url)
    with pytest.raises(Unavailable, match="certificate is not trusted"):
        await database.run(lambda db, _: db.scalar(text("select 1")), writes=False)
    await database.dispose()


async def test_a_name_that_is_not_in_the_certificate_is_refused_in_words(encrypted: Encrypted) -> None:
    url = encrypted.at("postgres", sslmode="verify-full", sslrootcert=encrypted.authority)
    with pytest.raises(TlsFailed, match=r"not trusted: .*mismatch"):
        await PostgresServer(url.replace("127.0.0.1", "127.1")).connect()
    connection = await PostgresServer(url.replace("verify-full", "verify-ca")).connect()
    await connection.close()


async def test_the_authorities_of_the_system_can_be_asked(
    encrypted: Encrypted, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = encrypted.at("postgres", sslmode="verify-full", sslrootcert="system")
    with pytest.raises(TlsFailed, match="not trusted"):
        await PostgresServer(url).connect()
    monkeypatch.setenv("SSL_CERT_FILE", str(encrypted.authority))
    connection = await PostgresServer(url).connect()
    await connection.close()


async def test_what_is_missing_is_named(encrypted: Encrypted, postgres: Cluster, tmp_path: Path) -> None:
    url = encrypted.at("postgres", sslmode="verify-full", sslrootcert=tmp_path / "none.pem")
    with pytest.raises(TlsFailed, match="sslrootcert in the database's URL names a file that is not there"):
        await PostgresServer(url).connect()
    with pytest.raises(TlsFailed, match="offers no TLS"):
        await PostgresServer(f"postgresql://gatepass@127.0.0.1:{postgres.port}/postgres?sslmode=require").connect()


@pytest.mark.parametrize(
    "words", [("serve", "--port", "0"), ("migrate", "up"), ("teams", "list"), ("migrate", "status")]
)
def test_every_command_says_so_in_one_sentence(encrypted: Encrypted, tmp_path: Path, words: tuple[str, ...]) -> None:
    done = commands.run(
        *words,
        cwd=tmp_path,
        secret_key=SECRET,
        smtp_url="smtp://127.0.0.1:9",
        database_url=encrypted.at("postgres", sslmode="verify-ca", sslrootcert=make_certificate(tmp_path)),
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == [
        "error: the database's certificate is not trusted: self-signed certificate",
        "next: look at the host, sslmode and sslrootcert in GATEPASS_DATABASE_URL",
    ]
    assert "Traceback" not in done.stderr


def test_a_mode_that_is_none_is_refused_with_those_that_are() -> None:
    for parameter in ("sslmode=yes", "ssl=maybe"):
        with pytest.raises(
            ValidationError, match="sslmode is one of disable, allow, prefer, require, verify-ca, verify-full"
        ):
            settings(f"postgresql://gatepass@127.0.0.1/gatepass?{parameter}")


def test_programs_of_postgresql_are_told_the_same() -> None:
    url = "postgresql://u:sekret@one:5433,two/n?ssl=require&sslrootcert=/ca.pem&jit=off"
    assert database_url.of_libpq(url) == {
        "host": "one,two",
        "port": "5433,5432",
        "user": "u",
        "dbname": "n",
        "sslmode": "require",
        "sslrootcert": "/ca.pem",
        "target_session_attrs": "read-write",
    }
    assert backups._connection("postgresql:///n?host=/run/a%20b") == "dbname=n host='/run/a b'"
