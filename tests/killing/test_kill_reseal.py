"""Resealing is killed anywhere; started again, it is complete and loses no secret."""

import base64
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from app import vault
from app.cli import sealing
from app.crypto import Keyring, Secret, key_id_of
from app.runtime import Runtime, utc_now
from app.tenants import Tenant
from app.vault import Owner, SecretVersion
from tests.killing.conftest import Stage

NEW = base64.b64encode(b"n" * 32).decode()
SECRETS = 11
KILLED = -9


def ring(runtime: Runtime, *, new_first: bool) -> Keyring:
    keys = [NEW, *runtime.settings.sealing_keys]
    return Keyring.from_base64(keys if new_first else keys[::-1])


def owner(tenant_id: uuid.UUID, number: int) -> Owner:
    return Owner(tenant_id, f"test:{number}")


@pytest.fixture
def tenant_id(stage: Stage) -> Iterator[uuid.UUID]:
    """The site of the stage, with secrets of ours beside its own."""
    runtime = stage.runtime
    with runtime.sessions.begin() as session:
        here = sa.select(Tenant.id).where(Tenant.base_url == stage.jira.base_url)
        tenant_id = session.scalars(here).one()
        for number in range(SECRETS):
            secret, of = Secret(f"value {number}"), owner(tenant_id, number)
            vault.put(session, runtime.keyring, of, secret, now=utc_now())
    yield tenant_id
    with runtime.sessions.begin() as session:
        ours = SecretVersion.kind.startswith("test:")
        session.execute(sa.delete(SecretVersion).where(ours))
    # The other tests of the stage know the old key alone.
    back = replace(runtime, keyring=ring(runtime, new_first=False))
    assert not any(batch.shut for batch in sealing.reseal_all(back))


def on_keys(stage: Stage) -> Counter[str]:
    with stage.runtime.sessions.begin() as session:
        return Counter(map(key_id_of, session.scalars(sa.select(SecretVersion.sealed))))


def test_killed_resealing_goes_on_where_it_was(
    stage: Stage, tenant_id: uuid.UUID
) -> None:
    new, old = ring(stage.runtime, new_first=True).key_ids
    before = on_keys(stage)[old]
    job: dict[str, Any] = {"key": NEW, "batch": 2}
    done = 0

    # A batch is read in one transaction and written in the next one.
    for when, n in (("before", 2), ("after", 2), ("before", 6)):
        kill = {"what": "commit", "when": when, "n": n}
        assert stage.launcher.run("reseal", kill=kill, **job) == KILLED
        assert on_keys(stage)[new] >= done
        done = on_keys(stage)[new]
        assert on_keys(stage).total() == before
    assert 0 < done < before

    assert stage.launcher.run("reseal", **job) == 0

    assert on_keys(stage) == {new: before}
    keyring = Keyring.from_base64([NEW])
    with stage.runtime.sessions.begin() as session:
        for number in range(SECRETS):
            of = owner(tenant_id, number)
            [kept] = vault.accepted(session, keyring, of, now=utc_now())
            assert kept.secret.reveal() == f"value {number}"
