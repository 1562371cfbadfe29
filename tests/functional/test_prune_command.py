"""`countersign prune`: what workers forget by age, now, and what it says of it."""

import uuid
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session, sessionmaker

from app import db, stops
from app.forge import ForgeCall
from app.runs import Attempt
from app.runtime import utc_now
from app.stops import Stop
from app.worker import retaining
from tests.functional.old_runs import OldRuns
from tests.functional.shell import Env, environment, good, plant_site, run

Sessions = sessionmaker[Session]


@pytest.fixture
def env(database_url: str, queue_url: str) -> Env:
    return environment(database_url, queue_url)


@pytest.fixture
def old(sessions: Sessions) -> OldRuns:
    """A site with three runs that are old enough, and one that is not."""
    with sessions.begin() as session:
        tenant_id = plant_site(session).id
        for number in range(5):
            gone = utc_now() - timedelta(hours=number + 1)
            call = ForgeCall(
                id=db.new_id(gone), token_hash=str(number), expires_at=gone
            )
            session.add(call)
    made = OldRuns(sessions=sessions, tenant_id=tenant_id)
    for days in (300, 100, 91, 1):
        made.add(utc_now() - timedelta(days=days))
    return made


def calls(sessions: Sessions) -> int:
    with sessions.begin() as session:
        return session.query(ForgeCall).count()


def test_what_would_go_is_said_and_then_it_goes(
    env: Env, old: OldRuns, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it, however small the transactions: it is not one hour's share."""
    monkeypatch.setattr(retaining, "BATCH", 2)
    lines = [
        "all sites  calls=5",
        f"{old.tenant_id}  exchanges=3",
        f"{old.tenant_id}  runs=3",
    ]

    assert good(env, "prune", "--dry-run").splitlines() == lines
    assert (len(old.left()), calls(sessions)) == (4, 5)

    assert good(env, "prune").splitlines() == [*lines, "pruned"]
    assert (len(old.left()), old.count(Attempt), calls(sessions)) == (1, 1, 0)
    assert good(env, "prune") == "pruned\n"
    assert good(env, "prune", "--dry-run") == ""


def test_t14_backup_that_waits_for_its_operator_is_left_whole(
    env: Env, old: OldRuns, sessions: Sessions
) -> None:
    with sessions.begin() as session:
        session.add(Stop(**stops.restored_row(now=utc_now())))

    refused = run(env, "prune")

    assert (refused.exit_code, len(old.left())) == (1, 4)
    assert "first `countersign resume`" in refused.output
    assert uuid.UUID(good(env, "prune", "--dry-run").split()[3]) == old.tenant_id
