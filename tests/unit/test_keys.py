"""T14: signing keys come, take turns and go, so that no receiver is surprised."""

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit, keys, vault
from app.crypto import KeyPair, Keyring
from app.keys import Rotation
from app.tokens import ours
from app.tokens.checks import LEEWAY

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
LAST_TOKEN = ours.DELIVERY_LIFETIME + 2 * LEEWAY
KEYRING = Keyring([b"k" * 32])


@pytest.fixture(scope="module")
def pairs() -> Sequence[KeyPair]:
    return keys.make(4)


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


def test_t14_first_key_signs_at_once_and_the_next_is_published(
    session: Session, tenant_id: uuid.UUID, pairs: Sequence[KeyPair]
) -> None:
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
    session: Session, tenant_id: uuid.UUID
) -> None:
    def due(after: timedelta, publish: timedelta = DAY) -> list[uuid.UUID]:
        now = NOW + after
        return keys.due(session, lifetime=90 * DAY, publish=publish, now=now)

    assert due(90 * DAY - SECOND) == []
    assert due(90 * DAY) == [tenant_id]
    assert due(90 * DAY, publish=91 * DAY) == []


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
    keys.rotate(
        session, KEYRING, rotation(tenant_id, pairs[2:3], NOW + DAY), publish=DAY
    )
    keys.revoke_active(session, KEYRING, rotation(tenant_id, pairs[3:], NOW + DAY))
    keys.revoke_all(session, KEYRING, rotation(tenant_id, pairs[:2], NOW + DAY))

    kinds = session.scalars(
        sa.select(audit.AuditEvent.kind)
        .where(audit.AuditEvent.actor == "ada")
        .order_by(audit.AuditEvent.id)
    )
    assert list(kinds) == ["key-created", "key-rotated", "key-revoked", "key-revoked"]
