"""Encryption keys are exchanged while everything runs on, and no secret is lost."""

import base64
import uuid
from datetime import timedelta

import pytest
import sqlalchemy as sa
from click.testing import Result
from sqlalchemy.orm import Session, sessionmaker

from app import resealing, vault
from app.crypto import CannotOpenError, Keyring, Secret, key_id_of
from app.resealing import PLACES, Row
from app.runtime import utc_now
from app.vault import Owner, SecretVersion
from tests.functional.shell import Env, environment, plant_site, run

OLD, NEW = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
ON_OLD, BOTH, SWITCHED, ON_NEW = (
    Keyring.from_base64(keys) for keys in ([OLD], [OLD, NEW], [NEW, OLD], [NEW])
)
Sessions = sessionmaker[Session]


@pytest.fixture
def env(database_url: str, queue_url: str) -> Env:
    return environment(database_url, queue_url)


def resealed(env: Env, command: str, *given: str) -> Result:
    return run({**env, "COUNTERSIGN_ENCRYPTION_KEYS": ",".join(given)}, "keys", command)


@pytest.fixture
def tenant_id(sessions: Sessions) -> uuid.UUID:
    with sessions.begin() as session:
        return plant_site(session).id


def put(sessions: Sessions, keyring: Keyring, owner: Owner, value: str) -> None:
    with sessions.begin() as session:
        now, grace = utc_now(), timedelta(hours=1)
        vault.put(session, keyring, owner, Secret(value), now=now, grace=grace)


def values(sessions: Sessions, keyring: Keyring, owner: Owner) -> list[str]:
    with sessions.begin() as session:
        opened = vault.accepted(session, keyring, owner, now=utc_now())
        return [each.secret.reveal() for each in opened]


def key_ids(sessions: Sessions) -> list[str]:
    with sessions.begin() as session:
        wanted = sa.select(SecretVersion.sealed).order_by(SecretVersion.id)
        return list(map(key_id_of, session.scalars(wanted)))


def read(sessions: Sessions) -> list[Row]:
    with sessions.begin() as session:
        return list(resealing.read(session, PLACES[0], after=resealing.FIRST))


def write(sessions: Sessions, rows: list[Row]) -> int:
    changes, shut = resealing.plan(SWITCHED, rows)
    assert not shut
    with sessions.begin() as session:
        return resealing.write(session, changes)


@pytest.fixture
def owners(tenant_id: uuid.UUID) -> list[Owner]:
    return [Owner(tenant_id, f"destination:{n}") for n in range(7)]


def test_documented_order_loses_no_secret(
    sessions: Sessions,
    env: Env,
    owners: list[Owner],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """docs/operate.md: add it as the last, then first, reseal, take the old one out.

    Processes are restarted one by one, so at each step two generations run together.
    """
    monkeypatch.setattr(resealing, "BATCH", 3)
    for owner, one, other in (
        (owners[0], ON_OLD, BOTH),
        (owners[1], BOTH, SWITCHED),
    ):
        for sealing, opening in ((one, other), (other, one)):
            put(sessions, sealing, owner, "s3cret")
            assert values(sessions, opening, owner)[0] == "s3cret"
    for number, owner in enumerate(owners[2:]):
        put(sessions, ON_OLD, owner, f"value {number}")

    done = resealed(env, "reseal", NEW, OLD)

    assert (done.exit_code, set(key_ids(sessions))) == (0, {ON_NEW.key_ids[0]})
    assert f"{ON_OLD.key_ids[0]} can go" in done.output
    for keyring in (BOTH, SWITCHED, ON_NEW):
        assert values(sessions, keyring, owners[0])[0] == "s3cret"
        assert values(sessions, keyring, owners[6]) == ["value 4"]
    assert "secrets sealed again: 0" in resealed(env, "reseal", NEW).output


def test_order_that_is_not_documented_shuts_out_who_was_not_restarted(
    sessions: Sessions, owners: list[Owner]
) -> None:
    put(sessions, SWITCHED, owners[0], "s3cret")

    with pytest.raises(CannotOpenError):
        values(sessions, ON_OLD, owners[0])


def test_value_that_came_meanwhile_is_not_overwritten(
    sessions: Sessions, owners: list[Owner]
) -> None:
    """Between reading and writing a secret is rotated, forgotten, or sealed anew."""
    rotated, forgotten, other, quiet = owners[:4]
    for owner in (rotated, forgotten, other, quiet):
        put(sessions, ON_OLD, owner, "before")
    rows = read(sessions)

    put(sessions, BOTH, rotated, "after")
    with sessions.begin() as session:
        vault.forget(session, forgotten)
        row = session.scalars(
            sa.select(SecretVersion).where(SecretVersion.kind == other.kind)
        ).one()
        context = vault.context_of(row)
        row.sealed = theirs = ON_OLD.seal(Secret("after"), context=context)
    written = write(sessions, rows)

    assert written == 2
    assert values(sessions, SWITCHED, rotated) == ["after", "before"]
    assert values(sessions, SWITCHED, forgotten) == []
    with sessions.begin() as session:
        kept = session.scalars(
            sa.select(SecretVersion).where(SecretVersion.kind == other.kind)
        ).one()
        assert kept.sealed == theirs
    assert values(sessions, ON_NEW, quiet) == ["before"]

    assert write(sessions, read(sessions)) == 2
    assert values(sessions, ON_NEW, rotated) == ["after", "before"]
    assert values(sessions, ON_NEW, other) == ["after"]


def test_t5_resealed_secret_opens_at_its_own_place_only(
    sessions: Sessions, owners: list[Owner]
) -> None:
    put(sessions, ON_OLD, owners[0], "one")
    put(sessions, ON_OLD, owners[1], "other")
    write(sessions, read(sessions))
    with sessions.begin() as session:
        one, other = session.scalars(sa.select(SecretVersion)).all()
        one.sealed = other.sealed

    with pytest.raises(CannotOpenError):
        values(sessions, ON_NEW, owners[0])


def test_secret_of_a_missing_key_is_named_and_stays(
    sessions: Sessions, env: Env, owners: list[Owner]
) -> None:
    lost = Keyring([b"l" * 32])
    put(sessions, lost, owners[0], "lost")
    put(sessions, ON_OLD, owners[1], "found")

    done = resealed(env, "reseal", NEW, OLD)

    assert done.exit_code == 1
    assert "cannot be opened: destination" in done.output
    assert f"key {lost.key_ids[0]}" in done.output
    assert "secrets sealed again: 1" in done.output
    assert values(sessions, lost, owners[0]) == ["lost"]
    assert values(sessions, ON_NEW, owners[1]) == ["found"]


def test_report_says_what_is_on_which_key(
    sessions: Sessions, env: Env, owners: list[Owner]
) -> None:
    old, new = SWITCHED.key_ids[1], SWITCHED.key_ids[0]
    put(sessions, ON_OLD, owners[0], "s3cret")
    put(sessions, ON_OLD, owners[1], "s3cret")
    put(sessions, SWITCHED, Owner(owners[0].tenant_id, "forge-token"), "s3cret")

    mixed = resealed(env, "report", NEW, OLD)
    missing = resealed(env, "report", NEW)
    resealed(env, "reseal", NEW, OLD)
    settled = resealed(env, "report", NEW, OLD)

    assert mixed.exit_code == 0
    assert f"{new}  at hand (seals, opens), secrets: 1" in mixed.output
    assert f"{old}  at hand (opens), secrets: 2" in mixed.output
    assert f"  {old}  destination: 2" in mixed.output
    assert f"  {new}  forge-token: 1" in mixed.output
    assert f"not everything is sealed with {new}" in mixed.output
    assert missing.exit_code == 1
    assert f"{old}  MISSING, secrets: 2" in missing.output
    assert settled.exit_code == 0
    assert f"everything is sealed with {new}: {old} can go" in settled.output
    for told in (mixed, missing, settled):
        assert not {OLD, NEW, "s3cret"} & set(told.output.split())
