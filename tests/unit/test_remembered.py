"""What is remembered of who called: not for long, and not without end (rule T4)."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from app.crypto import Secret
from app.db import new_id
from app.tenants import State, Tenant
from app.tenants.callers import Known
from app.vault import Opened
from app.web import remembered
from app.web.remembered import KEPT, Remembered

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def known(name: str) -> Known:
    return Known(
        name=name,
        identity_id=uuid.uuid4(),
        tenant=Tenant(id=new_id(NOW), state=State.ACTIVE, base_url="https://a.example"),
        secrets=(Opened(Secret("s"), 1),),
        version_ids={1: uuid.uuid4()},
        offered=None,
    )


def test_t4_opened_secret_is_not_kept_for_longer_than_said() -> None:
    kept = Remembered()
    kept.keep(known("site"), now=NOW)

    assert kept.find("site", now=NOW + KEPT - timedelta(seconds=1))
    assert kept.find("site", now=NOW + KEPT) is None
    assert kept.find("site", now=NOW) is None  # gone, not only hidden


def test_t4_what_turned_out_untrue_is_forgotten() -> None:
    kept = Remembered()
    kept.keep(known("site"), now=NOW)
    kept.forget("site")
    kept.forget("nobody")

    assert kept.find("site", now=NOW) is None


def test_site_that_called_longest_ago_makes_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remembered, "MOST", 2)
    kept = Remembered()
    for name in ("one", "two"):
        kept.keep(known(name), now=NOW)
    assert kept.find("one", now=NOW)
    kept.keep(known("three"), now=NOW)

    found = {name: kept.find(name, now=NOW) for name in ("one", "two", "three")}
    assert [name for name, entry in found.items() if entry] == ["one", "three"]
