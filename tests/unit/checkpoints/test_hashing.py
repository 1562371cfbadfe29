"""The form in which events are hashed: written down once, and never another."""

import hashlib
import uuid
from datetime import UTC, datetime, timedelta, timezone

from app.checkpoints import hashing
from app.checkpoints.hashing import Amendment, Event, Leaf

TENANT = uuid.UUID("0198c3f0-0000-7000-8000-000000000001")
ID = uuid.UUID("0198c3f0-0000-7000-8000-000000000002")
AT = datetime(2026, 11, 23, 12, 0, 0, 120_000, tzinfo=UTC)
EVENT = Event(
    id=ID,
    kind="rule-paused",
    actor="712020:zoë",
    happened_at=AT,
    detail='{"rule":"Größe \\"x\\""}',
    nonce=bytes(range(16)),
    claimed_issuer=None,
)
TEXT = (
    '["countersign-event-1","0198c3f0-0000-7000-8000-000000000001",'
    '"0198c3f0-0000-7000-8000-000000000002","rule-paused","712020:zo\\u00eb",'
    '"2026-11-23T12:00:00.120000+00:00",'
    '"{\\"rule\\":\\"Gr\\u00f6\\u00dfe \\\\\\"x\\\\\\"\\"}",'
    '"000102030405060708090a0b0c0d0e0f"]'
)


def test_text_of_an_event_is_the_one_that_is_documented() -> None:
    """Were it to change, every checkpoint that there is would be a broken one."""
    expected = hashlib.sha256(TEXT.encode("ascii")).digest()

    assert hashing.digest(TENANT, EVENT) == expected
    # PostgreSQL answers in its own zone; it is the same moment.
    there = AT.astimezone(timezone(timedelta(hours=2)))
    assert hashing.digest(TENANT, EVENT._replace(happened_at=there)) == expected


def test_list_of_leaves_is_in_the_order_of_its_ids() -> None:
    one, other = Leaf(ID, b"1" * 32), Leaf(TENANT, b"2" * 32)

    packed = hashing.pack([one, other])

    assert packed == TENANT.bytes + b"2" * 32 + ID.bytes + b"1" * 32
    assert hashing.unpack(packed) == [other, one]
    assert hashing.root(packed) == hashlib.sha256(packed).hexdigest()


def test_what_is_no_list_of_leaves_has_as_many_as_are_whole() -> None:
    packed = hashing.pack([Leaf(ID, b"1" * 32)])

    assert hashing.unpack(packed[:-1]) == []
    assert len(hashing.unpack(packed + b"x")) == 1


def test_list_of_amendments_is_hashed_whole() -> None:
    amendment = Amendment(ID, b"1" * 32, b"2" * 32)

    expected = hashlib.sha256(ID.bytes + b"1" * 32 + b"2" * 32).hexdigest()
    assert hashing.root_of_amendments([amendment]) == expected
