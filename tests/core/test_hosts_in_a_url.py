"""Where the database is, as people write it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gatepass.core import database_url
from harness import settings

TWO_HOSTS = "postgresql://u:p%40@one:5432,two:5433/name"


@pytest.mark.parametrize("url", ["mysql://x/y", "redis://x", "oracle://x", "nonsense", ""])
def test_another_kind_of_database_is_refused_with_the_ones_that_work(url: str) -> None:
    with pytest.raises(ValueError, match="use sqlite:///path or postgresql://"):
        database_url.parse(url)


@pytest.mark.parametrize("url", ["postgres://u@h/n", "postgresql://u@h/n", "postgresql+psycopg2://u@h/n", TWO_HOSTS])
def test_the_driver_is_ours_whatever_the_url_names(url: str) -> None:
    assert database_url.parse(url).drivername == "postgresql+asyncpg"


def test_of_several_hosts_each_is_asked_for_itself_and_must_take_writes() -> None:
    assert database_url.per_host(TWO_HOSTS) == [
        "postgresql://u:p%40@one:5432/name?target_session_attrs=read-write",
        "postgresql://u:p%40@two:5433/name?target_session_attrs=read-write",
    ]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgres://u@one/name", ["postgresql://u@one/name"]),
        ("postgresql+asyncpg://[::1]:5432/name", ["postgresql://[::1]:5432/name"]),
        ("postgresql:///name?host=/run/postgresql", ["postgresql:///name?host=/run/postgresql"]),
        (
            "postgresql://one,two/name?target_session_attrs=any&sslmode=require",
            [f"postgresql://{host}/name?target_session_attrs=any&sslmode=require" for host in ("one", "two")],
        ),
    ],
)
def test_what_a_url_says_itself_is_kept(url: str, expected: list[str]) -> None:
    assert database_url.per_host(url) == expected


def test_settings_take_several_hosts_and_refuse_what_cannot_be_read() -> None:
    assert settings(TWO_HOSTS).database_url.get_secret_value() == TWO_HOSTS
    with pytest.raises(ValidationError, match="write it like"):
        settings("postgresql://one:port/name")
