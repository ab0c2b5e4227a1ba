"""Runs migrations on either database, through the same drivers as the server."""

import asyncio

from alembic import context
from sqlalchemy import Connection

from gatepass.adapters.database import Database
from gatepass.core import tables
from gatepass.settings import load


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=tables.metadata,
        compare_type=True,
        render_as_batch=connection.dialect.name == "sqlite",
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def _connect_and_run() -> None:
    database = Database(context.config.attributes.get("url") or load().database_url.get_secret_value(), patient=True)
    try:
        async with database.engine.connect() as connection:
            await connection.run_sync(_run)
            await connection.commit()
    finally:
        await database.dispose()


if (given := context.config.attributes.get("connection")) is not None:
    _run(given)
else:
    asyncio.run(_connect_and_run())
