"""Writes a verified call down, whichever door it came to, and wakes a worker."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from flask import request
from sqlalchemy.orm import Session

from app import audit, runs, tenants
from app.runs import Call
from app.tenants.candidates import Fate
from app.tokens.checks import Reason, Refused, Verified
from app.web import left_out
from app.web.context import runtime, web

Once = Callable[[Session], bool]
"""Uses something up that is good once; says whether it still was."""


def record(
    call: Call,
    verified: Verified,
    *,
    once: Once = lambda _: True,
    facts: Mapping[str, audit.Value],
) -> bool:
    """Promise to look into the call: the promise holds when this returns (rule T2).

    Return False for a call that was recorded before, or whose token was used before: it
    is counted and changes nothing.
    """
    now = runtime().now()
    web().token_uses.refuse_worn(verified, now=now)
    with runtime().sessions.begin() as session:
        tenants.refuse_unless_active(session, call.tenant_id, call.door)
        call = _as_it_stands(session, call, now=now)
        run_id = runs.record(session, call, now=now) if once(session) else None
        is_held = call.candidate_id is not None
        if _is_told(call, run_id, now=now):
            kind = "verification-held" if is_held else "verification-accepted"
            audit.record(
                session,
                call.tenant_id,
                kind if run_id else "verification-duplicate",
                actor="jira",
                now=now,
                **facts_of(verified, run_id, str(request.endpoint), now=now),
                **({} if call.candidate_id is None else {"unproven": True}),
                **facts,
            )
    if run_id:
        web().token_uses.note(verified.token_hash)
        wake()
    return run_id is not None


def facts_of(
    verified: Verified, run_id: uuid.UUID | None, route: str, *, now: datetime
) -> dict[str, audit.Value]:
    """Return what the history has of a call that was let in, whatever its door."""
    return {
        "route": route,
        "run": str(run_id) if run_id else None,
        "age": int((now - verified.issued_at).total_seconds()),
        "issued_at": verified.issued_at.isoformat(),
        "expires_at": verified.expires_at.isoformat(),
    }


def _is_told(call: Call, run_id: uuid.UUID | None, *, now: datetime) -> bool:
    """Say whether the call is a line of the tenant's history.

    Attacks (T13): one captured call of Jira's is sent again for its hour, or one by
    somebody who offered a secret: as many lines of the tenant's history.
    """
    if run_id is not None:
        return True
    return call.candidate_id is None and left_out.admits_duplicate(
        call.tenant_id, now=now
    )


def _as_it_stands(session: Session, call: Call, *, now: datetime) -> Call:
    """Return the call as its secret stands now; refuse it if that was dropped (T4).

    The guard judged it in another transaction. Since the tenant is locked by now, its
    candidate can be neither proven nor dropped before the run is written.
    """
    if call.candidate_id is None:
        return call
    candidate = tenants.candidates.find(session, call.tenant_id)
    if candidate is None or candidate.id != call.candidate_id:
        raise Refused(Reason.SECRET_UNPROVEN, "a newer one came")
    if candidate.fate is Fate.PROVEN:
        return replace(call, candidate_id=None)
    if tenants.candidates.find_waiting(session, call.tenant_id, now=now) is None:
        raise Refused(Reason.SECRET_UNPROVEN, "it was dropped")
    if runs.is_full(session, call.tenant_id, call.candidate_id):
        raise Refused(Reason.SECRET_UNPROVEN, "too many calls are stored for it")
    return call


def wake() -> None:
    """Let a worker look at once for what is due."""
    web().waker.ring()
