"""What pages show of listeners: how each proves itself, and never its secret."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app import audit, listeners, rules, vault
from app.audit import Claims
from app.listeners import Definition, Listener, ListenerState, Proof, Tokened
from app.vault import Version
from app.web import naming
from app.web.listeners.listener_form import PROOFS
from app.web.words import Shown

SAMPLE = 5
"""Unproven calls at a listener's address that its page shows; others are counted."""


@dataclass(frozen=True, kw_only=True)
class ShownListener:
    """One listener at one moment."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    name: str
    state: ListenerState
    proof: Proof
    settings: Mapping[str, Any]
    url: str
    """Where it is called, and what `aud` of its tokens is."""
    must_say: Sequence[tuple[str, Sequence[str]]]
    """Claims of a token, each with the values that are allowed."""
    is_own: bool
    """It makes its tokens itself, and binds the body."""
    heard_at: datetime | None
    created_at: datetime
    secret: Version | None
    """The newest, without its value; none if it has another proof."""
    old_secret: Version | None
    """The one before, while it is still accepted."""

    @property
    def kind(self) -> str:
        return PROOFS[self.proof][0]

    @property
    def standing(self) -> Shown:
        """How it is, in a word or two."""
        if self.state is ListenerState.PAUSED:
            return Shown("Paused", "neutral")
        if self.heard_at:
            return Shown("Working", "success")
        return Shown("Not heard yet", "information")


def listed(
    session: Session, tenant_id: uuid.UUID, *, base_url: str, now: datetime
) -> list[ShownListener]:
    """Return the tenant's listeners by name."""
    return [
        _shown(session, row, base_url, now)
        for row in listeners.listed(session, tenant_id)
    ]


def get(
    session: Session,
    tenant_id: uuid.UUID,
    listener_id: uuid.UUID,
    *,
    base_url: str,
    now: datetime,
) -> ShownListener:
    """Return one; raise `NoSuchListenerError` for another tenant's (rule T5)."""
    return _shown(
        session, listeners.get(session, tenant_id, listener_id), base_url, now
    )


@dataclass(frozen=True, kw_only=True)
class ShownRule:
    """What a transition's listener carries out, and who saved it when."""

    version: int
    """0 if nobody has saved any."""
    name: str
    summary: str
    saved_by: str = ""
    saved_at: datetime | None = None


def rule_of(session: Session, shown: ShownListener) -> ShownRule | None:
    """Return the rule that it carries out; None for a caller of another kind."""
    if not shown.proof.is_transition:
        return None
    row = listeners.get(session, shown.tenant_id, shown.id)
    saved = listeners.rules.versions(session, row)
    if not saved:
        return ShownRule(version=listeners.rules.NEVER_SAVED, name="", summary="")
    newest = saved[0]
    try:
        rule = rules.parse(newest.config)
    except rules.InvalidRuleError as error:
        name, summary = "", str(error)
    else:
        names = naming.read(session, shown.tenant_id)
        name, summary = rule.name, rules.describe(rule, names.act)
    return ShownRule(
        version=newest.version,
        name=name,
        summary=summary,
        saved_by=newest.saved_by,
        saved_at=newest.saved_at,
    )


def claims_at(session: Session, shown: ShownListener) -> Claims:
    """Return what came to its address and proved nothing."""
    return audit.claims_of(session, shown.url, limit=SAMPLE)


def _shown(
    session: Session, row: Listener, base_url: str, now: datetime
) -> ShownListener:
    url = listeners.url_of(base_url, row.id)
    definition = listeners.definition_of(row)
    newest, old = vault.standing(session, row.secret, now=now)
    return ShownListener(
        id=row.id,
        tenant_id=row.tenant_id,
        name=row.name,
        state=row.state,
        proof=row.proof,
        settings=dict(row.settings),
        url=url,
        must_say=_must_say(definition, url),
        is_own=isinstance(definition, Tokened) and definition.is_own,
        heard_at=row.heard_at,
        created_at=row.created_at,
        secret=newest,
        old_secret=old,
    )


def _must_say(definition: Definition, url: str) -> Sequence[tuple[str, Sequence[str]]]:
    if not isinstance(definition, Tokened):
        return ()
    expected = definition.expected(url)
    pins = {**expected.identity, **expected.pins}
    return [
        ("aud", [url]),
        ("iss", [expected.issuer]),
        *((name, sorted(allowed)) for name, allowed in pins.items()),
    ]
