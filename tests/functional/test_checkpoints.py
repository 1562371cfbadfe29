"""The proof of a history: what is changed behind the product's back has a name."""

import uuid
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.audit import AuditEvent
from app.checkpoints import sealing
from app.crypto import Keyring
from app.db import moment_of, new_id
from tests.functional import chains
from tests.functional.chains import Chained, Sessions
from tests.functional.conftest import KEY
from tests.functional.fakes import Clock


@pytest.fixture
def chain(
    sessions: Sessions, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> Chained:
    """A history of nine events under three checkpoints, and one under none."""
    monkeypatch.setattr(sealing, "EVENTS", 3)
    chain = chains.chained(sessions, Keyring.from_base64([KEY]), clock)
    chain.write(9)
    chain.seal()
    chain.write()
    return chain


def when(event_id: uuid.UUID) -> str:
    return f"{event_id} of {moment_of(event_id):%Y-%m-%d %H:%M:%S} UTC"


def test_whole_history_is_found_whole(chain: Chained) -> None:
    report = chain.verify()

    assert report.findings == []
    assert (report.checkpoints, report.events, report.open) == (3, 9, 1)
    assert report.newest is not None
    assert report.newest.seq == 3


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "disabled"},
        {"actor": "erased"},
        {"detail": '{"a":1}'},
        {"happened_at": Clock()() + timedelta(days=1)},
        {"nonce": b"0" * 16},
        {"nonce": None},
        {"claimed_issuer": "somebody"},
    ],
    ids=str,
)
def test_changed_event_is_named(chain: Chained, values: dict[str, object]) -> None:
    victim = chain.ids()[4]

    chain.change(victim, **values)

    assert chain.found() == [f"event {when(victim)} was changed"]


def test_deleted_event_is_named(chain: Chained) -> None:
    victim = chain.ids()[4]

    chain.delete(victim)

    assert chain.found() == [f"event {when(victim)} is missing"]
