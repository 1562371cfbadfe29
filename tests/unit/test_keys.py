"""T14: signing keys come, take turns and go, so that no receiver is surprised."""

import json
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import keys, vault
from app.audit import AuditEvent
from app.crypto import KeyPair, Keyring
from app.keys import Rotation
from app.tokens import ours
from app.tokens.checks import LEEWAY
from tests import lending

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
LAST_TOKEN = ours.DELIVERY_LIFETIME + 2 * LEEWAY
KEYRING = Keyring([b"k" * 32])


@pytest.fixture(scope="module")
def pairs() -> Sequence[KeyPair]:
    lend = lending.key_pairs()
    return [lend() for _ in range(4)]


@pytest.fixture
def tenant_id(
    session: Session, add_tenant: Callable[[], uuid.UUID], pairs: Sequence[KeyPair]
) -> uuid.UUID:
    """A tenant with its first two keys."""
    tenant_id = add_tenant()
    keys.ensure(session, KEYRING, rotation(tenant_id, pairs[:2]))
    return tenant_id


def rotation(
    tenant_id: uuid.UUID, fresh: Sequence[KeyPair], now: datetime = NOW
) -> Rotation:
    return Rotation(tenant_id=tenant_id, actor="ada", now=now, fresh=fresh)


def published(session: Session, tenant_id: uuid.UUID, now: datetime) -> list[str]:
    return [str(key["n"]) for key in keys.key_set(session, tenant_id, now=now)]


def numbers(*pairs: KeyPair) -> list[str]:
    return [pair.public["n"] for pair in pairs]


def signing(session: Session, tenant_id: uuid.UUID, now: datetime = NOW) -> str:
    return keys.signer(session, KEYRING, tenant_id, now=now).private_key.reveal()


def test_pairs_that_are_made_differ() -> None:
    assert len(set(numbers(*keys.make(2)))) == 2


def test_t14_first_key_signs_at_once_and_the_next_is_published(
    session: Session, tenant_id: uuid.UUID, pairs: Sequence[KeyPair]
) -> None:
    assert keys.has_keys(session, tenant_id)
    assert signing(session, tenant_id) == pairs[0].private.reveal()
    assert published(session, tenant_id, NOW) == numbers(*pairs[:2])


def test_t14_key_set_has_no_private_number(
    session: Session, tenant_id: uuid.UUID
) -> None:
    for key in keys.key_set(session, tenant_id, now=NOW):
        assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}
        assert (key["kty"], key["use"], key["alg"]) == ("RSA", "sig", "RS256")


def test_second_ensure_changes_nothing(
    session: Session, tenant_id: uuid.UUID, pairs: Sequence[KeyPair]
) -> None:
    keys.ensure(session, KEYRING, rotation(tenant_id, pairs[2:]))

    assert published(session, tenant_id, NOW) == numbers(*pairs[:2])


def test_t14_key_is_published_a_day_before_it_signs(
    session: Session, tenant_id: uuid.UUID, pairs: Sequence[KeyPair]
) -> None:
    early = rotation(tenant_id, pairs[2:3], NOW + DAY - SECOND)
    with pytest.raises(keys.TooSoonError) as caught:
        keys.rotate(session, KEYRING, early, publish=DAY)
    assert caught.value.ready_at == NOW + DAY
    assert signing(session, tenant_id) == pairs[0].private.reveal()

    now = NOW + DAY
    keys.rotate(session, KEYRING, rotation(tenant_id, pairs[2:3], now), publish=DAY)

    assert signing(session, tenant_id) == pairs[1].private.reveal()
    assert published(session, tenant_id, now) == numbers(*pairs[:3])


def test_t14_retiring_key_stays_until_its_last_token_expired(
    session: Session, tenant_id: uuid.UUID, pairs: Sequence[KeyPair]
) -> None:
    now = NOW + DAY
    keys.rotate(session, KEYRING, rotation(tenant_id, pairs[2:3], now), publish=DAY)

    before = published(session, tenant_id, now + LAST_TOKEN - SECOND)
    after = published(session, tenant_id, now + LAST_TOKEN)

    assert before == numbers(*pairs[:3])
    assert after == numbers(*pairs[1:3])


def test_t14_private_half_of_a_retired_key_is_destroyed(
    session: Session, tenant_id: uuid.UUID, pairs: Sequence[KeyPair]
) -> None:
    now = NOW + DAY
    keys.rotate(session, KEYRING, rotation(tenant_id, pairs[2:3], now), publish=DAY)

    assert sealed(session) == 2


def sealed(session: Session) -> int:
    return len(session.scalars(sa.select(vault.SecretVersion.id)).all())


def test_t14_revoked_key_leaves_at_once_and_the_next_signs(
    session: Session, tenant_id: uuid.UUID, pairs: Sequence[KeyPair]
) -> None:
    keys.revoke_active(session, KEYRING, rotation(tenant_id, pairs[2:3]))

    assert published(session, tenant_id, NOW) == numbers(*pairs[1:3])
    assert signing(session, tenant_id) == pairs[1].private.reveal()
    assert sealed(session) == 2


def test_t14_all_keys_can_be_revoked(
    session: Session, tenant_id: uuid.UUID, pairs: Sequence[KeyPair]
) -> None:
    keys.revoke_all(session, KEYRING, rotation(tenant_id, pairs[2:]))

    assert published(session, tenant_id, NOW) == numbers(*pairs[2:])
    assert signing(session, tenant_id) == pairs[2].private.reveal()
    assert sealed(session) == 2


def test_t14_revoking_all_takes_the_retiring_one_too(
    session: Session, tenant_id: uuid.UUID, pairs: Sequence[KeyPair]
) -> None:
    now = NOW + DAY
    keys.rotate(session, KEYRING, rotation(tenant_id, pairs[2:3], now), publish=DAY)

    keys.revoke_all(session, KEYRING, rotation(tenant_id, [pairs[3], pairs[0]], now))

    assert published(session, tenant_id, now) == numbers(pairs[3], pairs[0])
    assert published(session, tenant_id, now + SECOND) == numbers(pairs[3], pairs[0])


def test_t14_tenant_that_left_signs_no_more(
    session: Session, tenant_id: uuid.UUID, pairs: Sequence[KeyPair]
) -> None:
    keys.end(session, tenant_id, now=NOW)

    with pytest.raises(keys.NoKeyError):
        keys.signer(session, KEYRING, tenant_id, now=NOW)
    assert not keys.has_keys(session, tenant_id)
    assert published(session, tenant_id, NOW) == numbers(pairs[0])
    assert published(session, tenant_id, NOW + LAST_TOKEN) == []
    assert sealed(session) == 0


def test_t14_tenant_that_comes_back_gets_other_keys(
    session: Session, tenant_id: uuid.UUID, pairs: Sequence[KeyPair]
) -> None:
    keys.end(session, tenant_id, now=NOW)

    keys.ensure(session, KEYRING, rotation(tenant_id, pairs[2:], NOW + DAY))

    assert published(session, tenant_id, NOW + DAY) == numbers(*pairs[2:])
    assert signing(session, tenant_id, NOW + DAY) == pairs[2].private.reveal()


def test_rotation_is_due_when_both_times_are_over(
    session: Session, tenant_id: uuid.UUID, pairs: Sequence[KeyPair]
) -> None:
    def due(after: timedelta, publish: timedelta = DAY) -> list[uuid.UUID]:
        now = NOW + after
        return keys.due(session, lifetime=90 * DAY, publish=publish, now=now)

    assert due(90 * DAY - SECOND) == []
    assert due(90 * DAY) == [tenant_id]
    assert due(90 * DAY, publish=91 * DAY) == []
    assert due(90 * DAY, publish=90 * DAY) == [tenant_id]

    change = rotation(tenant_id, pairs[2:3], NOW + 90 * DAY)
    keys.rotate(session, KEYRING, change, publish=DAY)
    assert due(91 * DAY) == []


def test_t5_other_tenant_has_none_of_them(
    session: Session, tenant_id: uuid.UUID
) -> None:
    stranger = uuid.uuid4()

    assert keys.key_set(session, stranger, now=NOW) == []
    assert keys.listed(session, stranger) == []
    with pytest.raises(keys.NoKeyError):
        keys.signer(session, KEYRING, stranger, now=NOW)
    assert len(keys.listed(session, tenant_id)) == 2


def test_t14_every_change_is_in_the_audit(
    session: Session, tenant_id: uuid.UUID, pairs: Sequence[KeyPair]
) -> None:
    def change(*fresh: KeyPair) -> Rotation:
        return rotation(tenant_id, fresh, NOW + DAY)

    first, second = ids(session, tenant_id)
    keys.rotate(session, KEYRING, change(pairs[2]), publish=DAY)
    keys.revoke_active(session, KEYRING, change(pairs[3]))
    keys.revoke_all(session, KEYRING, change(*pairs[:2]))

    session.flush()
    rows = session.scalars(sa.select(AuditEvent).order_by(AuditEvent.id)).all()
    assert {(row.tenant_id, row.actor) for row in rows} == {(tenant_id, "ada")}
    assert [row.happened_at for row in rows] == [NOW, *[NOW + DAY] * 3]
    assert [(row.kind, json.loads(row.detail)) for row in rows] == [
        ("key-created", {}),
        ("key-rotated", {"key": second, "retired": first}),
        ("key-revoked", {"key": second, "scope": "active"}),
        ("key-revoked", {"scope": "all"}),
    ]


def ids(session: Session, tenant_id: uuid.UUID) -> list[str]:
    return [str(key["kid"]) for key in keys.key_set(session, tenant_id, now=NOW)]


def test_second_ensure_is_no_news(
    session: Session, tenant_id: uuid.UUID, pairs: Sequence[KeyPair]
) -> None:
    keys.ensure(session, KEYRING, rotation(tenant_id, pairs[2:]))

    session.flush()
    assert session.scalars(sa.select(AuditEvent.kind)).all() == ["key-created"]


def test_keys_are_listed_the_newest_first_with_their_times(
    session: Session, tenant_id: uuid.UUID, pairs: Sequence[KeyPair]
) -> None:
    first, second = ids(session, tenant_id)
    now = NOW + DAY
    keys.rotate(session, KEYRING, rotation(tenant_id, pairs[2:3], now), publish=DAY)
    keys.revoke_active(session, KEYRING, rotation(tenant_id, pairs[3:], now + DAY))

    found = keys.listed(session, tenant_id)

    assert [each.state for each in found] == ["next", "active", "revoked", "retiring"]
    times = [(each.published_at, each.active_at, each.ended_at) for each in found]
    assert times == [
        (now + DAY, None, None),
        (now, now + DAY, None),
        (NOW, now, now + DAY),
        (NOW, NOW, now),
    ]
    assert [str(each.id) for each in found[2:]] == [second, first]

    keys.revoke_all(session, KEYRING, rotation(tenant_id, pairs[:2], now + 2 * DAY))

    ended = [each.ended_at for each in keys.listed(session, tenant_id)]
    assert ended == [None, None, now + 2 * DAY, now + 2 * DAY, now + DAY, now + 2 * DAY]


def test_t14_signer_names_the_key_that_checks(
    session: Session, tenant_id: uuid.UUID, pairs: Sequence[KeyPair]
) -> None:
    signer = keys.signer(session, KEYRING, tenant_id, now=NOW)

    [key] = [
        each
        for each in keys.key_set(session, tenant_id, now=NOW)
        if each["kid"] == signer.key_id
    ]
    assert key["n"] == pairs[0].public["n"]


def test_tenant_without_keys_has_nothing_to_change(
    session: Session, add_tenant: Callable[[], uuid.UUID], pairs: Sequence[KeyPair]
) -> None:
    change = rotation(add_tenant(), pairs)

    with pytest.raises(keys.NoKeyError):
        keys.rotate(session, KEYRING, change, publish=DAY)
    with pytest.raises(keys.NoKeyError):
        keys.revoke_active(session, KEYRING, change)
    keys.end(session, change.tenant_id, now=NOW)
    assert keys.due(session, lifetime=DAY, publish=DAY, now=NOW + 99 * DAY) == []


def test_t5_one_tenants_change_is_not_anothers(
    session: Session,
    tenant_id: uuid.UUID,
    add_tenant: Callable[[], uuid.UUID],
    pairs: Sequence[KeyPair],
) -> None:
    other, now = add_tenant(), NOW + DAY
    keys.ensure(session, KEYRING, rotation(other, pairs[2:]))
    before = keys.listed(session, other)

    keys.rotate(session, KEYRING, rotation(tenant_id, pairs[2:3], now), publish=DAY)
    keys.revoke_active(session, KEYRING, rotation(tenant_id, pairs[3:], now))
    keys.revoke_all(session, KEYRING, rotation(tenant_id, pairs[:2], now))
    keys.end(session, tenant_id, now=now)

    assert keys.listed(session, other) == before
    assert signing(session, other, now) == pairs[2].private.reveal()
    assert published(session, other, now) == numbers(*pairs[2:])
    due = keys.due(session, lifetime=2 * DAY, publish=DAY, now=now + DAY)
    assert due == [other]


def test_too_soon_says_from_when_on() -> None:
    error = keys.TooSoonError(NOW + DAY)

    assert str(error) == "the next key may sign from 2026-11-24 12:00 UTC on"
