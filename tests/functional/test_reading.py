"""Transactions that only read: who they wait for, and what they may not."""

import time

import pytest
import sqlalchemy as sa

from app.db import new_id
from app.runtime import Runtime
from app.tenants import State, Tenant

SOON = 5  # seconds, where a writer is waited for ten


def site(runtime: Runtime) -> Tenant:
    now = runtime.now()
    return Tenant(
        id=new_id(now),
        state=State.ACTIVE,
        base_url="https://a.atlassian.net",
        enabled=True,
        installed_at=now,
        lifecycle_at=now,
    )


def test_reader_does_not_wait_for_the_writer(runtime: Runtime) -> None:
    begun = time.monotonic()
    with runtime.sessions.begin() as writing:
        writing.add(site(runtime))
        writing.flush()
        with runtime.reading.begin() as reading:
            assert reading.scalars(sa.select(Tenant.id)).all() == []
    with runtime.reading.begin() as reading:
        assert len(reading.scalars(sa.select(Tenant.id)).all()) == 1
    assert time.monotonic() - begun < SOON


def test_writer_does_not_wait_for_a_reader(runtime: Runtime) -> None:
    begun = time.monotonic()
    with runtime.reading.begin() as reading:
        assert reading.scalars(sa.select(Tenant.id)).all() == []
        with runtime.sessions.begin() as writing:
            writing.add(site(runtime))
    assert time.monotonic() - begun < SOON


def test_postgresql_refuses_what_is_not_reading(runtime: Runtime) -> None:
    if runtime.sessions.kw["bind"].dialect.name == "sqlite":
        return  # it would become a writer, and this test is for who forgot
    with (
        pytest.raises(sa.exc.InternalError, match="read-only"),
        runtime.reading.begin() as reading,
    ):
        reading.add(site(runtime))
    with runtime.sessions.begin() as writing:  # by the same connection
        writing.add(site(runtime))
