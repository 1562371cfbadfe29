"""A database for nouns that need one: the real SQLite, and nothing in it."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.orm import Session, sessionmaker

from app import (
    db,
    web,  # noqa: F401 -- and with it every module that declares a table
)
from app.db import Base
from app.tenants import State, Tenant

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every table there is, made once: that takes longer than most tests do."""
    path = tmp_path_factory.mktemp("empty") / "empty.sqlite"
    engine = db.make_engine(f"sqlite:///{path}")
    Base.metadata.create_all(engine)
    engine.dispose()
    return path


@pytest.fixture
def sessions(tmp_path: Path, empty_database: Path) -> Iterator[sessionmaker[Session]]:
    path = shutil.copy(empty_database, tmp_path / "unit.sqlite")
    made = db.make_sessions(f"sqlite:///{path}")
    yield made
    made.kw["bind"].dispose()


@pytest.fixture
def session(sessions: sessionmaker[Session]) -> Iterator[Session]:
    with sessions.begin() as opened:
        yield opened


@pytest.fixture
def add_tenant(session: Session) -> Callable[[], uuid.UUID]:
    """Let a site install us; return its id."""

    def add() -> uuid.UUID:
        tenant = Tenant(
            id=uuid.uuid4(),
            state=State.ACTIVE,
            base_url="https://acme.atlassian.net",
            enabled=True,
            installed_at=NOW,
            lifecycle_at=NOW,
        )
        session.add(tenant)
        session.flush()
        return tenant.id

    return add
