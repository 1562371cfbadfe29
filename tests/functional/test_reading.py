"""Transactions that only read: who they wait for, and what they may not."""

import time
import uuid

import jwt
import pytest
import sqlalchemy as sa
from flask import Flask

from app.db import new_id
from app.runtime import Runtime
from app.tenants import State, Tenant

SIGNED = {"X-Hub-Signature": "sha256=" + "0" * 64}
BEARER = {"Authorization": f"Bearer {jwt.encode({'iss': 'nobody'}, 's' * 43, 'HS256')}"}
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


STRANGERS = {
    "listener": ("POST", f"/listeners/{uuid.uuid4()}", SIGNED, {}, 401),
    "session": ("GET", "/datacenter/api/v1/pages/overview", BEARER, {}, 401),
    "sign-in": ("POST", "/datacenter/session", {}, {"ticket": "x"}, 404),
    "download": ("GET", "/downloads/x", {}, {}, 404),
}


@pytest.mark.parametrize("which", STRANGERS)
def test_t13_stranger_does_not_take_the_writers_turn(
    runtime: Runtime, app: Flask, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    """Attack: on SQLite one writes at a time; who proves nothing must not be one."""
    limits = app.extensions["countersign"].limits
    monkeypatch.setattr(limits, "admit", lambda *_, **__: False)  # were there enough
    method, path, headers, body, status = STRANGERS[which]
    begun = time.monotonic()
    with runtime.sessions.begin() as writing:
        writing.add(site(runtime))
        writing.flush()
        answer = app.test_client().open(path, method=method, headers=headers, json=body)
    assert answer.status_code == status
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


def test_only_what_records_calls_may_keep_its_plans(runtime: Runtime) -> None:
    """A plan that is kept reads a whole table where a page asks for a small range."""
    pages, calls = runtime.sessions.kw["bind"], runtime.recording.engine
    if pages.dialect.name == "sqlite":
        assert calls is pages  # it plans by itself, and connections are files
        return
    asked = sa.text("SHOW plan_cache_mode")
    found = []
    for transactions in (runtime.sessions, runtime.reading, runtime.recording):
        with transactions.begin() as transaction:
            found.append(transaction.scalar(asked))
    assert found == ["force_custom_plan", "force_custom_plan", "force_generic_plan"]

    pages.dispose()
    assert isinstance(calls.pool, sa.QueuePool)
    assert calls.pool.checkedin() == 0  # whoever ends the one has ended the other
