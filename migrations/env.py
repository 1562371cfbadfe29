"""Run by alembic, with the database URL that its caller gives, and how long it waits.

What migrations need beside alembic's own operations is here: `op.build_index`.
"""

from collections.abc import Sequence
from typing import Literal

import sqlalchemy as sa
from alembic import context
from alembic.operations import MigrateOperation, Operations
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
from app.patience import Patience
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


@Operations.register_operation("build_index")
class BuildIndex(MigrateOperation):
    """Builds an index on a table that is in use, in the place of one of that name.

    PostgreSQL builds it beside all who read and write; that is outside a transaction,
    so what the migration did before it is committed. Therefore it comes first, behind
    no more than what may be done twice: cut off, the migration begins anew.
    """

    def __init__(
        self, name: str, table: str, columns: Sequence[str], where: str | None
    ) -> None:
        self.name, self.table, self.columns = name, table, list(columns)
        self.where = sa.text(where) if where else None

    @classmethod
    def build_index(
        cls,
        operations: Operations,
        name: str,
        table: str,
        columns: Sequence[str],
        where: str | None = None,
    ) -> None:
        """Build it, of the rows that `where` is true for."""
        operations.invoke(cls(name, table, columns, where))


@Operations.implementation_for(BuildIndex)
def build(operations: Operations, index: BuildIndex) -> None:
    if operations.get_bind().dialect.name != "postgresql":
        operations.drop_index(index.name, index.table, if_exists=True)
        operations.create_index(
            index.name, index.table, index.columns, sqlite_where=index.where
        )
        return
    before = operations.get_bind().scalar(sa.text("SHOW lock_timeout"))
    with operations.get_context().autocommit_block():
        # Whoever it waits for meanwhile, nobody waits for it.
        operations.execute("SET lock_timeout = 0")
        # One that was cut off is there, and good for nothing.
        operations.drop_index(
            index.name, index.table, if_exists=True, postgresql_concurrently=True
        )
        operations.create_index(
            index.name,
            index.table,
            index.columns,
            postgresql_where=index.where,
            postgresql_concurrently=True,
        )
        operations.execute(f"SET lock_timeout = '{before}'")


engine = make_engine(
    context.config.attributes["database_url"],
    context.config.attributes.get("patience", Patience()),
)
if engine.dialect.name == "sqlite":
    sa.event.listen(engine, "connect", without_foreign_keys)
try:
    with engine.connect() as connection:
        run(connection)
finally:
    engine.dispose()
