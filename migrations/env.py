"""Run by alembic, with the connection or the database URL that its caller gives."""

from typing import Literal

import sqlalchemy as sa
from alembic import context

from app import runs  # noqa: F401 -- imports every module that declares a table
from app.db import Base, UTCDateTime, make_engine


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


attributes = context.config.attributes
if (given := attributes.get("connection")) is not None:
    run(given)
else:
    engine = make_engine(attributes["database_url"])
    with engine.connect() as connection:
        run(connection)
    engine.dispose()
