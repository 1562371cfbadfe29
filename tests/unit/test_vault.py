"""Secrets at rest: which versions count, until when, and whose they are (T5)."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import vault
from app.crypto import CannotOpenError, Keyring, Secret
from app.tenants import Tenant
from app.vault import Age, Owner, SecretVersion, Version

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
GRACE, SECOND = timedelta(minutes=10), timedelta(seconds=1)
KEYRING = Keyring([b"k" * 32])


@pytest.fixture
def owner(add_tenant: Callable[[], uuid.UUID]) -> Owner:
    return Owner(add_tenant(), "shared-secret")


@pytest.fixture
def others(owner: Owner, add_tenant: Callable[[], uuid.UUID]) -> list[Owner]:
    """The same tenant's secret of another kind, and another tenant's of this kind."""
    return [Owner(owner.tenant_id, "credentials"), Owner(add_tenant(), owner.kind)]


def put(
    session: Session,
    owner: Owner,
    text: str,
    now: datetime = NOW,
    grace: timedelta = GRACE,
) -> int:
    return vault.put(session, KEYRING, owner, Secret(text), now=now, grace=grace)


def accepted(
    session: Session, owner: Owner, now: datetime = NOW
) -> list[tuple[str, int]]:
    found = vault.accepted(session, KEYRING, owner, now=now)
    return [(each.secret.reveal(), each.generation) for each in found]


def test_newest_is_first_and_the_one_before_counts_until_its_grace_is_over(
    session: Session, owner: Owner
) -> None:
    assert put(session, owner, "one") == 1
    assert put(session, owner, "two", NOW + SECOND) == 2

    until = NOW + SECOND + GRACE
    assert accepted(session, owner) == [("two", 2), ("one", 1)]
    assert accepted(session, owner, until - SECOND) == [("two", 2), ("one", 1)]
    assert accepted(session, owner, until) == [("two", 2)]


def test_without_grace_only_the_newest_counts(session: Session, owner: Owner) -> None:
    put(session, owner, "one")
    vault.put(session, KEYRING, owner, Secret("two"), now=NOW)

    assert accepted(session, owner) == [("two", 2)]


def test_version_that_ends_already_keeps_its_end(
    session: Session, owner: Owner
) -> None:
    for place, text in enumerate(("one", "two", "three")):
        put(session, owner, text, NOW + place * GRACE)

    assert accepted(session, owner, NOW + 2 * GRACE) == [("three", 3), ("two", 2)]


def test_t5_owners_know_nothing_of_each_other(
    session: Session, owner: Owner, others: list[Owner]
) -> None:
    for place, other in enumerate(others):
        put(session, other, f"theirs {place}")
    assert accepted(session, owner) == []
    assert vault.newest(session, owner) is None
    assert vault.versions(session, owner) == []

    put(session, owner, "ours", grace=timedelta(0))
    vault.forget(session, owner)

    for place, other in enumerate(others):
        assert accepted(session, other) == [(f"theirs {place}", 1)]


def test_t5_one_owners_end_is_not_the_others(
    session: Session, owner: Owner, others: list[Owner]
) -> None:
    for each in (owner, *others):
        put(session, each, "text")

    vault.expire(session, owner, at=NOW)

    assert accepted(session, owner) == []
    assert [len(accepted(session, each)) for each in others] == [1, 1]


@pytest.mark.parametrize(
    "change",
    [
        {"id": uuid.UUID(int=7)},
        {"tenant_id": None},
        {"kind": "other"},
        {"generation": 9},
    ],
    ids=lambda change: next(iter(change)),
)
def test_t5_ciphertext_that_was_moved_does_not_open(
    session: Session,
    owner: Owner,
    add_tenant: Callable[[], uuid.UUID],
    change: dict[str, object],
) -> None:
    put(session, owner, "text")
    values = {k: add_tenant() if v is None else v for k, v in change.items()}

    session.execute(sa.update(SecretVersion).values(values))

    row = session.scalars(sa.select(SecretVersion)).one()
    with pytest.raises(CannotOpenError):
        accepted(session, Owner(row.tenant_id, row.kind))


def test_ages_are_told_without_a_key(session: Session, owner: Owner) -> None:
    put(session, owner, "one")
    put(session, owner, "two", NOW + SECOND)

    one = Version(1, NOW, NOW + SECOND + GRACE)
    two = Version(2, NOW + SECOND, None)
    assert vault.newest(session, owner) == Age(2, NOW + SECOND)
    assert vault.versions(session, owner) == [two, one]
    assert vault.standing(session, owner, now=NOW + GRACE) == (two, one)
    assert vault.standing(session, owner, now=NOW + SECOND + GRACE) == (two, None)


def test_of_a_secret_that_ends_as_a_whole_the_newest_is_still_told(
    session: Session, owner: Owner
) -> None:
    assert vault.standing(session, owner, now=NOW) == (None, None)
    put(session, owner, "one")
    vault.expire(session, owner, at=NOW)

    assert vault.standing(session, owner, now=NOW) == (Version(1, NOW, NOW), None)


def test_version_that_will_end_is_not_its_own_predecessor(
    session: Session, owner: Owner
) -> None:
    put(session, owner, "one")
    vault.expire(session, owner, at=NOW + GRACE)

    one = Version(1, NOW, NOW + GRACE)
    assert vault.standing(session, owner, now=NOW) == (one, None)


def test_of_several_old_versions_the_last_is_told(
    session: Session, owner: Owner
) -> None:
    for text in ("one", "two", "three"):
        put(session, owner, text)

    newest, before = vault.standing(session, owner, now=NOW)

    assert newest is not None
    assert before is not None
    assert (newest.generation, before.generation) == (3, 2)


def test_every_version_ends_but_none_lives_longer_for_it(
    session: Session, owner: Owner
) -> None:
    put(session, owner, "one")
    put(session, owner, "two")

    vault.expire(session, owner, at=NOW + 2 * GRACE)
    assert accepted(session, owner, NOW + GRACE) == [("two", 2)]
    assert accepted(session, owner, NOW + 2 * GRACE) == []

    vault.expire(session, owner, at=NOW + SECOND)
    assert accepted(session, owner, NOW + SECOND) == []


def test_what_is_forgotten_is_gone(session: Session, owner: Owner) -> None:
    for text in ("one", "two", "three"):
        put(session, owner, text)

    vault.forget(session, owner, before=3)
    assert accepted(session, owner) == [("three", 3)]
    assert put(session, owner, "four") == 4

    vault.forget(session, owner)
    assert vault.versions(session, owner) == []


def test_tenants_secrets_are_forgotten_and_only_theirs(
    session: Session, owner: Owner, others: list[Owner]
) -> None:
    same_tenant, stranger = others
    for each in (owner, *others):
        put(session, each, "text")

    gone = sa.select(Tenant.id).where(Tenant.id == owner.tenant_id)
    vault.forget_tenants(session, gone)

    assert accepted(session, owner) == accepted(session, same_tenant) == []
    assert len(accepted(session, stranger)) == 1


def test_key_of_a_history_outlives_the_secrets_of_its_tenant(
    session: Session, owner: Owner
) -> None:
    """Else who comes later could not tell whose the signatures are."""
    history = Owner(owner.tenant_id, vault.CHECKPOINT_KEY)
    put(session, owner, "text")
    put(session, history, "key")

    vault.forget_tenants(session, sa.select(Tenant.id))

    assert accepted(session, owner) == []
    assert accepted(session, history) == [("key", 1)]
    assert vault.CHECKPOINT_KEY == "checkpoint-key", "what is stored is called so"


def test_secrets_are_counted_by_the_key_that_sealed_them(
    session: Session, owner: Owner
) -> None:
    newer = Keyring([b"n" * 32, b"k" * 32])
    put(session, owner, "one")
    put(session, owner, "two")
    vault.put(session, newer, owner, Secret("three"), now=NOW)

    new, old = newer.key_ids
    assert vault.counts(session) == {old: 2, new: 1}


def test_what_has_ended_is_deleted_and_counted(session: Session, owner: Owner) -> None:
    for text in ("one", "two", "three"):
        put(session, owner, text)

    assert vault.delete_expired(session, now=NOW + GRACE - SECOND) == 0
    assert vault.delete_expired(session, now=NOW + GRACE) == 2
    assert [each.generation for each in vault.versions(session, owner)] == [3]
