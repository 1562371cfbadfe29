"""Whatever single thing is changed in a history under checkpoints, it is noticed."""

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session, sessionmaker

from app.checkpoints import sealing
from app.crypto import Keyring
from app.db import Base
from tests.functional import chains
from tests.functional.chains import Chained
from tests.functional.conftest import KEY
from tests.functional.fakes import Clock

HEALTH = [HealthCheck.function_scoped_fixture]
VIC = "712020:5f9c0000-vic"
TABLES = (chains.EVENT, chains.CHECKPOINT, chains.AMENDMENT)
PLACES = [(table, column) for table in TABLES for column in table.columns]


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chained]:
    """A range that was pruned, three with events, and an erasure."""
    url = f"sqlite:///{tmp_path_factory.mktemp('any')}/any.sqlite"
    sessions = sessionmaker(sa.create_engine(url))
    Base.metadata.create_all(sessions.kw["bind"])
    chain = chains.chained(sessions, Keyring.from_base64([KEY]), Clock())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealing, "EVENTS", 2)
        chain.write(2)
        chain.seal()
        chain.clock.advance(timedelta(days=1))
        chain.write(3, actor=VIC, name="x")
        chain.seal()
        chain.prune(chain.clock() - timedelta(hours=1))
        chains.erase(chain, VIC)
        chain.seal()
    yield chain
    sessions.kw["bind"].dispose()


def test_history_of_these_tests_is_whole_and_has_everything(chain: Chained) -> None:
    report = chain.verify()

    assert report.findings == []
    assert (report.pruned, report.events, report.open) == (1, 5, 0)
    with chain.sessions.begin() as session:
        for table in TABLES:
            assert session.execute(sa.select(table)).first(), table


def other(value: Any, column: sa.Column[Any], data: st.DataObject) -> Any:
    """Return another value of the same kind."""
    match value:
        case str():
            at = data.draw(st.integers(0, len(value)))
            new = value[:at] + data.draw(st.text(max_size=2)) + value[at + 1 :]
            return new if new != value else value + "x"
        case bytes():
            at = data.draw(st.integers(0, max(len(value) - 1, 0)))
            flipped = value[:at] + data.draw(st.binary(max_size=2)) + value[at + 1 :]
            return flipped if flipped != value else value + b"x"
        case datetime():
            by = data.draw(st.timedeltas(timedelta(microseconds=1), timedelta(9)))
            return value + by * data.draw(st.sampled_from([1, -1]))
        case uuid.UUID():
            return uuid.UUID(int=value.int ^ 1 << data.draw(st.integers(0, 127)))
        case int():
            return data.draw(st.integers(-9, 9).filter(lambda new: new != value))
        case _:
            text = data.draw(st.sampled_from(["", "x"]))
            return text.encode() if isinstance(column.type, sa.LargeBinary) else text


def rows(session: Session, table: sa.Table) -> Sequence[sa.Row[Any]]:
    return session.execute(sa.select(table).order_by(*table.primary_key.columns)).all()


def same(table: sa.Table, row: sa.Row[Any]) -> sa.ColumnElement[bool]:
    keys = table.primary_key.columns
    return sa.and_(*(key == getattr(row, key.name) for key in keys))


def is_noticed(chain: Chained, change: sa.Executable) -> bool:
    """Say whether a change is named, or the database does not take it; undo it."""
    with chain.sessions() as session:  # never committed
        try:
            session.execute(change)
        except sa.exc.StatementError:
            return True
        walk = chains.walk(chain)
        while not walk.is_done:
            walk.step(session)
        return bool(walk.report.findings)


@pytest.mark.parametrize(("table", "column"), PLACES, ids=str)
@given(data=st.data())
@settings(max_examples=2, deadline=None, suppress_health_check=HEALTH)
def test_any_field_that_is_changed_is_noticed(
    chain: Chained, table: sa.Table, column: sa.Column[Any], data: st.DataObject
) -> None:
    with chain.sessions.begin() as session:
        found = rows(session, table)
    for row in found:
        value = getattr(row, column.name)
        is_empty = column.nullable and value is not None and data.draw(st.booleans())
        new = None if is_empty else other(value, column, data)
        change = sa.update(table).where(same(table, row)).values({column.name: new})
        assert is_noticed(chain, change), (value, new)


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_any_row_that_is_deleted_or_doubled_is_noticed(
    chain: Chained, table: sa.Table
) -> None:
    with chain.sessions.begin() as session:
        found = rows(session, table)
    # The end of a history is the one thing that nothing in it tells.
    for row in found[:-1] if table is TABLES[1] else found:
        assert is_noticed(chain, sa.delete(table).where(same(table, row))), row
        fresh = {"id": uuid.uuid4(), "event_id": uuid.uuid4(), "seq": 100}
        if table is TABLES[2]:
            del fresh["seq"]
        own = {name: fresh[name] for name in fresh if name in table.columns}
        doubled = sa.insert(table).values(row._asdict() | own)
        assert is_noticed(chain, doubled), row
