"""What all tables share: the metadata, the types, and the insert that may meet a row already there.

Instants are integer milliseconds since the epoch, durations are integer milliseconds, on both databases and everywhere
in the core: they compare exactly, and no driver can shift them by a time zone. Closed sets are text with a Python enum
in front. No foreign key points at users or sessions: a session outlives its purged user, and the hot update touches no
second table.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import MetaData, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def upsert(db: AsyncConnection, table: Table[Any]) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that knows ON CONFLICT, in the words of the database behind *db*."""
    return upsert_in(db.dialect.name, table)


def upsert_in(dialect: str, table: Table[Any]) -> postgresql.Insert | sqlite.Insert:
    """The same for a statement that is made once per *dialect* and kept."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
