"""Token families are never interchangeable: every family at every door (T0, T16).

CVE-2021-26073 was one token too many that opened one door too many.
"""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from app import checkpoints
from app.checkpoints import Checkpoint
from app.runtime import Runtime
from app.worker import Worker
from sandbox import Jira, people
from tests.functional.doors import House, Pass, build, doors, families, path_of
from tests.functional.fakes import Wire
from tests.functional.receiving import open_desk

ADA = people.ADA.account_id
FAMILIES = (
    "signed_install",
    "url_bound",
    "context_token",
    "forge_event",
    "forge_page",
    "listener",
    "session_token",
)
UNGUARDED = {"open_to_all", "stands_alone", "ticket"}


@pytest.fixture
def house(
    runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire
) -> House:
    return build(open_desk(runtime, app, site, worker, wire), wire)


def shown(house: House, family: str, key: str) -> Pass:
    """Return a token of this family, as good as it can be for that door."""
    if family == "signed_install":
        method, path = key.partition(" ")[0], path_of(key, house.ids)
        return Pass(house.caller.install_token_for(method, path, sub=ADA))
    person = None if family == "forge_event" else ADA
    return house.signed(house.caller, family, key, person, {})


@pytest.mark.parametrize("family", FAMILIES)
def test_t0_token_opens_no_door_of_another_family(
    house: House, app: Flask, family: str
) -> None:
    theirs = {
        key for key, asked in families(app).items() if asked not in {family, *UNGUARDED}
    }

    found = {key: house.knock(key, shown(house, family, key)).status for key in theirs}

    assert len(found) > 10
    assert set(found.values()) == {401}, found


@pytest.mark.parametrize("scheme", ["JWT", "Bearer"])
def test_t0_token_in_another_familys_scheme_is_none(
    house: House, app: Flask, scheme: str
) -> None:
    own = {
        "JWT": {"context_token", "url_bound"},
        "Bearer": {"forge_page", "session_token"},
    }[scheme]
    keys = [key for key, family in families(app).items() if family in own]
    other = "JWT" if scheme == "Bearer" else "Bearer"

    found = set()
    for key in keys:
        good = house.token(key, ADA)
        found.add(house.knock(key, Pass(good.token, other, good.lent)).status)

    assert found == {401}


@pytest.mark.parametrize("scheme", ["JWT", "Bearer"])
def test_t0_checkpoint_of_a_history_opens_no_door(
    house: House, app: Flask, scheme: str
) -> None:
    runtime, tenant_id = house.desk.runtime, house.desk.tenant_id
    now = house.desk.clock() + timedelta(minutes=1)
    with runtime.sessions.begin() as session:
        checkpoints.seal(session, runtime.keyring, tenant_id, now=now)
        [jws] = session.scalars(sa.select(Checkpoint.jws))
    guarded = [key for key, asked in families(app).items() if asked not in UNGUARDED]

    found = {house.knock(key, Pass(jws, scheme)).status for key in guarded}

    assert found == {401}


def test_every_family_has_a_door(app: Flask) -> None:
    assert set(families(app).values()) == {*FAMILIES, *UNGUARDED}
    assert len(doors(app)) == len(families(app))
