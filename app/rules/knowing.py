"""Which rules a site has, by what we saw of them: the base of pausing and watching."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session, undefer

from app import audit
from app.db import insert_once, new_id, printable
from app.rules.inventory import Entry
from app.rules.parsing import InvalidRuleError, Rule, parse
from app.rules.tables import KnownRule

WORDS_LIMIT = 600
"""Characters kept of why a gate is not sound, or of why a watch was stopped."""


class NoSuchRuleError(LookupError):
    """This tenant has no such rule (rule T5)."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A rule that Jira's inventory has, and that can be read."""

    entry: Entry
    rule: Rule


def readable(entries: Iterable[Entry]) -> list[Seen]:
    """Return those that are rules; a broken one is known by its failed runs only."""
    found = []
    for entry in entries:
        try:
            found.append(Seen(entry=entry, rule=parse(entry.text)))
        except InvalidRuleError:
            continue
    return found


def note_all(
    session: Session, tenant_id: uuid.UUID, seen: Sequence[Seen], *, now: datetime
) -> None:
    """Take over what the whole inventory says; what is not in it any more is gone."""
    kept = {note(session, tenant_id, each, now=now).id for each in seen}
    for row in _rows(session, tenant_id, KnownRule.gone_at.is_(None)):
        if row.id not in kept:
            row.gone_at = now


def note(
    session: Session, tenant_id: uuid.UUID, seen: Seen, *, now: datetime
) -> KnownRule:
    """Note that Jira has this rule there; return what we know of it."""
    entry, rule = seen.entry, seen.rule
    row = find(session, tenant_id, seen) or _insert(session, tenant_id, seen, now=now)
    if row.gone_at is not None:
        # Whatever came into its hold meanwhile did not come by this rule.
        row.gone_at, row.first_seen_at, row.hold_status = None, now, None
    hold = rule.hold.status if rule.hold else None
    if hold != row.hold_status:
        row.hold_status, row.hold_since = hold, now if hold else None
        row.sound_at = row.unsound_because = row.overdue = None
    row.last_seen_at, row.rule_hash, row.config = now, entry.hash, entry.text
    row.name, row.transition_name = rule.name, entry.transition_name
    session.flush()
    return row


def met(
    session: Session, tenant_id: uuid.UUID, seen: Seen, *, now: datetime
) -> KnownRule:
    """Return what we know of a rule that a run was confirmed for.

    Only a new one is written down here: what changed, the watchdog's look takes over,
    so that a site's runs do not take turns at a row.
    """
    row = find(session, tenant_id, seen)
    if row is None or row.gone_at is not None:
        return note(session, tenant_id, seen, now=now)
    return row


def find(session: Session, tenant_id: uuid.UUID, seen: Seen) -> KnownRule | None:
    """Return what we know of the rule at its place."""
    return session.scalar(
        sa.select(KnownRule).where(
            KnownRule.tenant_id == tenant_id,
            KnownRule.rule_id == seen.rule.id,
            KnownRule.workflow == seen.entry.workflow,
            KnownRule.transition_id == seen.entry.transition_id,
        )
    )


def gates(session: Session, tenant_id: uuid.UUID) -> list[KnownRule]:
    """Return the tenant's gates that Jira has now, their configuration included."""
    conditions = (KnownRule.gone_at.is_(None), KnownRule.hold_status.is_not(None))
    return _rows(session, tenant_id, *conditions)


def listed(session: Session, tenant_id: uuid.UUID) -> list[KnownRule]:
    """Return every rule that Jira has now, by workflow and transition."""
    return _rows(session, tenant_id, KnownRule.gone_at.is_(None))


def pause(
    session: Session,
    tenant_id: uuid.UUID,
    known_id: uuid.UUID,
    *,
    actor: str,
    now: datetime,
) -> bool:
    """Let the rule do nothing until it is resumed; return False if it is paused.

    Jira goes on calling. A run of a paused rule is skipped; that of a gate fails, as
    its rule says, for a hold that nothing will end would be silence.
    """
    row = get(session, tenant_id, known_id)
    if row.paused_at is not None:
        return False
    row.paused_at, row.paused_by = now, actor
    _record(session, row, "rule-paused", actor=actor, now=now)
    return True


def resume(
    session: Session,
    tenant_id: uuid.UUID,
    known_id: uuid.UUID,
    *,
    actor: str,
    now: datetime,
) -> bool:
    """Let the rule, and the watchdog for it, go on; False if neither had stopped."""
    row = get(session, tenant_id, known_id)
    if row.paused_at is None and row.watch_stopped_at is None:
        return False
    row.paused_at = row.paused_by = None
    row.watch_stopped_at = row.watch_stopped_because = None
    _record(session, row, "rule-resumed", actor=actor, now=now)
    return True


def stop_watch(
    session: Session, row: KnownRule, because: str, *, now: datetime
) -> None:
    """Let the watchdog leave this rule's tickets alone until an admin resumes it."""
    row.watch_stopped_at = now
    row.watch_stopped_because = because[:WORDS_LIMIT]
    _record(
        session, row, "watch-stopped", actor="countersign", now=now, because=because
    )


def judged(
    session: Session, row: KnownRule, unsound_because: str | None, *, now: datetime
) -> None:
    """Note whether every way out of the gate's hold is shut; audit a change of that."""
    said = unsound_because and printable(unsound_because, limit=WORDS_LIMIT)
    is_news = row.sound_at is None or row.unsound_because != said
    row.sound_at, row.unsound_because = now, said
    if is_news:
        kind = "gate-unsound" if said else "gate-sound"
        _record(session, row, kind, actor="countersign", now=now, because=said)


def get(session: Session, tenant_id: uuid.UUID, known_id: uuid.UUID) -> KnownRule:
    """Return one of the tenant's rules; raise `NoSuchRuleError` for all others."""
    row = session.scalar(
        sa.select(KnownRule)
        .where(KnownRule.tenant_id == tenant_id, KnownRule.id == known_id)
        .with_for_update()
    )
    if row is None:
        raise NoSuchRuleError(known_id)
    return row


def _rows(
    session: Session, tenant_id: uuid.UUID, *conditions: sa.ColumnElement[bool]
) -> list[KnownRule]:
    return list(
        session.scalars(
            sa.select(KnownRule)
            .where(KnownRule.tenant_id == tenant_id, *conditions)
            .order_by(KnownRule.workflow, KnownRule.transition_id, KnownRule.id)
            .options(undefer(KnownRule.config))
        )
    )


def _insert(
    session: Session, tenant_id: uuid.UUID, seen: Seen, *, now: datetime
) -> KnownRule:
    entry, rule = seen.entry, seen.rule
    values = {
        "id": new_id(now),
        "tenant_id": tenant_id,
        "rule_id": rule.id,
        "workflow": entry.workflow,
        "transition_id": entry.transition_id,
        "transition_name": entry.transition_name,
        "name": rule.name,
        "rule_hash": entry.hash,
        "config": entry.text,
        "first_seen_at": now,
        "last_seen_at": now,
    }
    # A worker that confirms the rule's first run may see it in the same moment.
    insert_once(session, KnownRule, values)
    row = find(session, tenant_id, seen)
    assert row is not None  # noqa: S101 -- inserted by us or by whoever was first
    return row


def _record(
    session: Session,
    row: KnownRule,
    kind: str,
    *,
    actor: str,
    now: datetime,
    **detail: audit.Value,
) -> None:
    audit.record(
        session,
        row.tenant_id,
        kind,
        actor=actor,
        now=now,
        rule=row.name,
        workflow=row.workflow,
        transition=row.transition_name,
        **detail,
    )
