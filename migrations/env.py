"""Run by alembic, with the connection or the database URL that its caller gives."""

from typing import Literal

import sqlalchemy as sa
from alembic import context
from sqlalchemy.engine.interfaces import DBAPIConnection

# Between them they import every module that declares a table.
from app import (  # noqa: F401
    alerts,
    checkpoints,
    destinations,
    figures,
    listeners,
    personal,
    runs,
    tickets,
    watchdog,
)
from app.db import Base, UTCDateTime, make_engine
from app.tenants import preferences  # noqa: F401


def frozen(kind: str, item: object, _: object) -> str | Literal[False]:
    """Keep migrations free of app code, which may change after they are written."""
    if kind == "type" and isinstance(item, UTCDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def run(connection: sa.Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_server_default=True,
        render_item=frozen,
        transaction_per_migration=True,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


def without_foreign_keys(connection: DBAPIConnection, record: object) -> None:
    """Let SQLite build a table anew without deleting what points at the old one."""
    del record
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = OFF")
    cursor.close()


engine = make_engine(context.config.attributes["database_url"])
if engine.dialect.name == "sqlite":
    sa.event.listen(engine, "connect", without_foreign_keys)
with engine.connect() as connection:
    run(connection)
engine.dispose()
