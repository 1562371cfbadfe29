"""What we know of each rule beside Jira's copy: since when, where, how it stands."""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import rules
from app.audit import AuditEvent
from app.rules import Entry, KnownRule, NoSuchRuleError, Seen, knowing

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOLD = {
    "hold": {"status": "10005", "deadline": "30m"},
    "on_success": {"transition": "Deployed"},
    "on_failure": {"mode": "gate", "transition": "Failed"},
}


@pytest.fixture
def tenant_id(add_tenant: Callable[[], uuid.UUID]) -> uuid.UUID:
    return add_tenant()


def entry(
    *, workflow: str = "W", transition: str = "21", text: str = "", **members: Any
) -> Entry:
    step = {"do": "add-comment", "body": "Hello"}
    rule = {"v": 1, "id": "r_1", "name": "Say hello", "steps": [step], **members}
    text = text or json.dumps(rule)
    return Entry(
        workflow=workflow,
        transition_id=transition,
        transition_name=f"Way {transition}",
        text=text,
        hash=rules.rule_hash(text),
    )


def seen(**members: Any) -> Seen:
    [found] = knowing.readable([entry(**members)])
    return found


def events(session: Session) -> list[tuple[str, str, dict[str, Any]]]:
    session.flush()
    rows = session.scalars(sa.select(AuditEvent).order_by(AuditEvent.id))
    return [(row.kind, row.actor, json.loads(row.detail)) for row in rows]


def told(**more: Any) -> dict[str, Any]:
    """Return what every event says of the rule."""
    return {"rule": "Say hello", "workflow": "W", "transition": "Way 21", **more}


def test_broken_rule_does_not_hide_the_others() -> None:
    found = knowing.readable([entry(), entry(text="{}"), entry(id="r_2")])

    assert [each.rule.id for each in found] == ["r_1", "r_2"]


def test_new_rule_is_written_down_whole(session: Session, tenant_id: uuid.UUID) -> None:
    each = seen(**HOLD)

    row = knowing.note(session, tenant_id, each, now=NOW)

    session.expire_all()
    assert (row.tenant_id, row.rule_id, row.name) == (tenant_id, "r_1", "Say hello")
    assert (row.workflow, row.transition_id) == ("W", "21")
    assert row.transition_name == "Way 21"
    assert (row.rule_hash, row.config) == (each.entry.hash, each.entry.text)
    assert row.first_seen_at == row.last_seen_at == row.hold_since == NOW
    assert row.hold_status == "10005"
    assert row.gone_at is None


def test_known_rule_is_the_same_when_its_text_changes(
    session: Session, tenant_id: uuid.UUID
) -> None:
    before = knowing.note(session, tenant_id, seen(), now=NOW).id
    changed = seen(name="Say goodbye")

    row = knowing.note(session, tenant_id, changed, now=NOW + HOUR)

    session.expire_all()
    assert row.id == before
    assert (row.name, row.rule_hash) == ("Say goodbye", changed.entry.hash)
    assert row.config == changed.entry.text
    assert (row.first_seen_at, row.last_seen_at) == (NOW, NOW + HOUR)


def test_same_rule_at_another_place_is_another_one(
    session: Session, tenant_id: uuid.UUID
) -> None:
    places = [
        seen(),
        seen(workflow="Copy"),
        seen(transition="31"),
        seen(id="r_2"),
    ]

    ids = {knowing.note(session, tenant_id, each, now=NOW).id for each in places}

    assert len(ids) == len(places)


def test_t5_other_tenants_rule_is_neither_found_nor_changed(
    session: Session, tenant_id: uuid.UUID, add_tenant: Callable[[], uuid.UUID]
) -> None:
    ours = knowing.note(session, tenant_id, seen(**HOLD), now=NOW)
    stranger = add_tenant()

    assert knowing.find(session, stranger, seen()) is None
    assert knowing.listed(session, stranger) == knowing.gates(session, stranger) == []
    knowing.note_all(session, stranger, [], now=NOW)
    assert ours.gone_at is None
    for act in (knowing.pause, knowing.resume):
        with pytest.raises(NoSuchRuleError):
            act(session, stranger, ours.id, actor="eve", now=NOW)
    assert knowing.get(session, tenant_id, ours.id) is ours
    with pytest.raises(NoSuchRuleError):
        knowing.get(session, tenant_id, uuid.uuid4())


def test_t12_hold_counts_from_when_we_knew_it(
    session: Session, tenant_id: uuid.UUID
) -> None:
    row = knowing.note(session, tenant_id, seen(), now=NOW)
    assert (row.hold_status, row.hold_since) == (None, None)

    knowing.note(session, tenant_id, seen(**HOLD), now=NOW + HOUR)
    knowing.note(session, tenant_id, seen(**HOLD), now=NOW + 2 * HOUR)
    assert (row.hold_status, row.hold_since) == ("10005", NOW + HOUR)

    moved = {**HOLD, "hold": {"status": "10006", "deadline": "30m"}}
    knowing.note(session, tenant_id, seen(**moved), now=NOW + 3 * HOUR)
    assert (row.hold_status, row.hold_since) == ("10006", NOW + 3 * HOUR)

    knowing.note(session, tenant_id, seen(), now=NOW + 4 * HOUR)
    assert (row.hold_status, row.hold_since) == (None, None)


def test_t12_what_was_judged_of_another_hold_is_forgotten(
    session: Session, tenant_id: uuid.UUID
) -> None:
    row = knowing.note(session, tenant_id, seen(**HOLD), now=NOW)
    knowing.judged(session, row, "a way is open", now=NOW)
    row.overdue = 3
    knowing.note(session, tenant_id, seen(**HOLD), now=NOW)
    assert (row.sound_at, row.overdue) == (NOW, 3)

    moved = {**HOLD, "hold": {"status": "10006", "deadline": "30m"}}
    knowing.note(session, tenant_id, seen(**moved), now=NOW)

    forgotten = [row.sound_at, row.unsound_because, row.overdue]
    assert forgotten == [None] * 3


def test_t12_rule_that_comes_back_is_known_from_then_on(
    session: Session, tenant_id: uuid.UUID
) -> None:
    row = knowing.note(session, tenant_id, seen(**HOLD), now=NOW)
    knowing.note_all(session, tenant_id, [], now=NOW + HOUR)
    assert row.gone_at == NOW + HOUR
    assert knowing.listed(session, tenant_id) == []
    assert knowing.gates(session, tenant_id) == []
    knowing.note_all(session, tenant_id, [], now=NOW + 2 * HOUR)
    assert row.gone_at == NOW + HOUR

    knowing.note_all(session, tenant_id, [seen(**HOLD)], now=NOW + 3 * HOUR)

    assert [each.gone_at for each in knowing.listed(session, tenant_id)] == [None]
    assert row.first_seen_at == row.hold_since == NOW + 3 * HOUR
    assert knowing.gates(session, tenant_id) == [row]


def test_what_the_inventory_still_has_is_not_gone(
    session: Session, tenant_id: uuid.UUID
) -> None:
    knowing.note_all(session, tenant_id, [seen(), seen(transition="31")], now=NOW)

    knowing.note_all(session, tenant_id, [seen(transition="31")], now=NOW + HOUR)

    [row] = knowing.listed(session, tenant_id)
    assert row.transition_id == "31"


def test_confirmed_run_changes_nothing_but_what_is_new(
    session: Session, tenant_id: uuid.UUID
) -> None:
    row = knowing.met(session, tenant_id, seen(), now=NOW)
    assert knowing.met(session, tenant_id, seen(name="New"), now=NOW + HOUR) is row
    assert (row.name, row.last_seen_at) == ("Say hello", NOW)

    row.gone_at = NOW
    again = knowing.met(session, tenant_id, seen(name="New"), now=NOW + HOUR)
    assert again is row
    assert (again.name, again.gone_at) == ("New", None)


def test_rules_are_listed_by_workflow_and_transition(
    session: Session, tenant_id: uuid.UUID
) -> None:
    for workflow, transition in (("B", "1"), ("A", "3"), ("A", "2")):
        each = seen(workflow=workflow, transition=transition)
        knowing.note(session, tenant_id, each, now=NOW)
    knowing.note(session, tenant_id, seen(workflow="A", **HOLD), now=NOW)
    session.expire_all()

    rows = knowing.listed(session, tenant_id)

    places = [(row.workflow, row.transition_id) for row in rows]
    assert places == [("A", "2"), ("A", "21"), ("A", "3"), ("B", "1")]
    assert [row.transition_id for row in knowing.gates(session, tenant_id)] == ["21"]
    assert not [row for row in rows if "config" in sa.inspect(row).unloaded]


def test_paused_rule_is_resumed_once(session: Session, tenant_id: uuid.UUID) -> None:
    row = knowing.note(session, tenant_id, seen(), now=NOW)

    def act(switch: Callable[..., bool], actor: str) -> bool:
        return switch(session, tenant_id, row.id, actor=actor, now=NOW + HOUR)

    assert not act(knowing.resume, "bob")
    assert act(knowing.pause, "ada")
    assert not act(knowing.pause, "bob")
    assert (row.paused_at, row.paused_by) == (NOW + HOUR, "ada")
    assert act(knowing.resume, "bob")
    assert (row.paused_at, row.paused_by) == (None, None)
    assert not act(knowing.resume, "bob")

    assert events(session) == [
        ("rule-paused", "ada", told()),
        ("rule-resumed", "bob", told()),
    ]


def test_t12_watch_that_stopped_goes_on_when_somebody_says_so(
    session: Session, tenant_id: uuid.UUID
) -> None:
    row = knowing.note(session, tenant_id, seen(), now=NOW)

    knowing.stop_watch(session, row, "x" * 601, now=NOW)

    assert (row.watch_stopped_at, row.watch_stopped_because) == (NOW, "x" * 600)
    assert knowing.resume(session, tenant_id, row.id, actor="ada", now=NOW)
    assert (row.watch_stopped_at, row.watch_stopped_because) == (None, None)
    stopped, resumed = events(session)
    assert stopped[:2] == ("watch-stopped", "countersign")
    assert str(stopped[2]["because"]).startswith("xxx")
    assert resumed == ("rule-resumed", "ada", told())


def test_audit_says_how_a_gate_stands_when_that_changes(
    session: Session, tenant_id: uuid.UUID
) -> None:
    row = knowing.note(session, tenant_id, seen(), now=NOW)

    for place, why in enumerate((None, None, "open", "open", "two\nways", None)):
        knowing.judged(session, row, why, now=NOW + place * HOUR)
        assert row.sound_at == NOW + place * HOUR

    assert row.unsound_because is None
    assert events(session) == [
        ("gate-sound", "countersign", told(because=None)),
        ("gate-unsound", "countersign", told(because="open")),
        ("gate-unsound", "countersign", told(because="two\\u000aways")),
        ("gate-sound", "countersign", told(because=None)),
    ]
    happened = session.scalars(sa.select(AuditEvent.happened_at))
    assert sorted(happened) == [NOW, NOW + 2 * HOUR, NOW + 4 * HOUR, NOW + 5 * HOUR]


def test_why_a_gate_is_not_sound_is_cut(session: Session, tenant_id: uuid.UUID) -> None:
    row = knowing.note(session, tenant_id, seen(), now=NOW)

    knowing.judged(session, row, "x" * 601, now=NOW)

    assert row.unsound_because == "x" * 600


def test_t5_audit_is_the_tenants(session: Session, tenant_id: uuid.UUID) -> None:
    row = knowing.note(session, tenant_id, seen(), now=NOW)
    knowing.pause(session, tenant_id, row.id, actor="ada", now=NOW)
    session.flush()

    assert session.scalars(sa.select(AuditEvent.tenant_id)).all() == [tenant_id]
    assert session.scalars(sa.select(KnownRule.tenant_id)).all() == [tenant_id]
