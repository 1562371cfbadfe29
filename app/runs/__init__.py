"""Runs: a rule to carry out for a transition. Their table is the truth.

`tables` says what is stored; `record` writes a call down at the door; `claims` takes a
run in hand and `settling` notes what came of it, step by step; `lineage` knows which
runs led to which; `resolving` takes a person's word where nobody else can tell;
`replaying` carries out again what ended; `waiting` knows a delivery's turn; `listing`
reads them for a page.
"""

from app.runs.claims import Claim, StepClaim, claim, taken_changes
from app.runs.lineage import (
    MAX_DEPTH,
    Parent,
    parent_by_creation,
    parent_by_transition,
    spent,
)
from app.runs.listing import (
    Exchange,
    ListedAttempt,
    ListedRun,
    ListedStep,
    find_exchange,
    latest,
)
from app.runs.record import Call, record
from app.runs.replaying import (
    REPLAYABLE,
    NotReplayableError,
    keep_change,
    replay,
)
from app.runs.resolving import NoSuchRunError, resolve
from app.runs.settling import (
    Answer,
    Confirmation,
    LostClaimError,
    PlannedStep,
    Sent,
    TenantGoneError,
    begin_step,
    change_state,
    confirm,
    note_rule,
    plan_steps,
    rest,
    settle_attempt,
    settle_step,
)
from app.runs.tables import (
    Attempt,
    AttemptOutcome,
    Role,
    Run,
    RunState,
    RunStep,
    StepState,
    Why,
)
from app.runs.waiting import (
    is_behind,
    last_attempt,
    note_waiting,
    was_perhaps_done,
)

__all__ = [
    "MAX_DEPTH",
    "REPLAYABLE",
    "Answer",
    "Attempt",
    "AttemptOutcome",
    "Call",
    "Claim",
    "Confirmation",
    "Exchange",
    "ListedAttempt",
    "ListedRun",
    "ListedStep",
    "LostClaimError",
    "NoSuchRunError",
    "NotReplayableError",
    "Parent",
    "PlannedStep",
    "Role",
    "Run",
    "RunState",
    "RunStep",
    "Sent",
    "StepClaim",
    "StepState",
    "TenantGoneError",
    "Why",
    "begin_step",
    "change_state",
    "claim",
    "confirm",
    "find_exchange",
    "is_behind",
    "keep_change",
    "last_attempt",
    "latest",
    "note_rule",
    "note_waiting",
    "parent_by_creation",
    "parent_by_transition",
    "plan_steps",
    "record",
    "replay",
    "resolve",
    "rest",
    "settle_attempt",
    "settle_step",
    "spent",
    "taken_changes",
    "was_perhaps_done",
]
