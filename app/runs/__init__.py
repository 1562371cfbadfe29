"""Runs: a rule to carry out for a transition. Their table is the truth.

`tables` says what is stored; `record` writes a call down at the door; `holding` keeps
one until the secret that signed it is proven; `claims` takes a run in hand,
`choosing` finds which, `turns` says whose is next,
`confirming` notes what Jira said of it and `settling` what came of it, step by step;
`lineage` knows which runs led to which; `resolving` takes a person's word where nobody
else can tell; `replaying` carries out again what ended; `waiting` knows what a run
rests for; `answering` hears how a delivery ended, `answered` is what was heard;
`pruning` forgets what was kept long enough; `giving_up` ends what was open in a backup;
`laying_down` gives back what a process that ends has in hand.
For people, `finding` finds runs by what is asked for, `of_issue` those of one issue,
`reading` reads one of them; `listing` says what is shown of each; `lately` knows how a
destination's attempts went, `backlog` how much there is to do.
"""

from app.runs import answering
from app.runs.answered import ListedAnswer, Result, StepAnswer
from app.runs.answering import key_hash, new_key
from app.runs.backlog import Backlog, count_backlog
from app.runs.claims import Claim, StepClaim, claim, taken_changes
from app.runs.confirming import Confirmation, confirm, note_rule
from app.runs.finding import (
    CANDIDATES,
    UNDER_WAY,
    Page,
    Wanted,
    names_issue,
    page,
)
from app.runs.giving_up import give_up, open_runs
from app.runs.holding import count_held, end_held, is_full, release
from app.runs.issue_writes import Full, full
from app.runs.laying_down import lay_down
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
from app.runs.of_issue import find_of_issue, of_issue
from app.runs.pruning import (
    count_old,
    count_old_exchanges,
    forget_exchanges,
    forget_message,
    prune,
)
from app.runs.reading import Relative, WholeRun, get
from app.runs.record import AHEAD, Call, Recordable, prepare, record
from app.runs.replaying import (
    REPLAYABLE,
    NotReplayableError,
    keep_change,
    replay,
)
from app.runs.resolving import NoSuchRunError, resolve
from app.runs.settling import (
    Answer,
    LostClaimError,
    PlannedStep,
    Sent,
    TenantGoneError,
    begin_step,
    change_state,
    plan_steps,
    put_back,
    rest,
    settle_attempt,
    settle_step,
    why_of,
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
from app.runs.turns import Turns
from app.runs.waiting import (
    Awaited,
    await_answer,
    done_deliveries,
    hold_step,
    is_behind,
    last_attempt,
    note_found,
    note_reference,
    note_waiting,
    shown_at,
    wake,
    was_perhaps_done,
)

__all__ = [
    "AHEAD",
    "CANDIDATES",
    "MAX_DEPTH",
    "REPLAYABLE",
    "UNDER_WAY",
    "Answer",
    "Attempt",
    "AttemptOutcome",
    "Awaited",
    "Backlog",
    "Call",
    "Claim",
    "Confirmation",
    "Exchange",
    "Full",
    "ListedAnswer",
    "ListedAttempt",
    "ListedRun",
    "ListedStep",
    "LostClaimError",
    "NoSuchRunError",
    "NotReplayableError",
    "Page",
    "Parent",
    "PlannedStep",
    "Recordable",
    "Relative",
    "Result",
    "Role",
    "Run",
    "RunState",
    "RunStep",
    "Sent",
    "StepAnswer",
    "StepClaim",
    "StepState",
    "TenantGoneError",
    "Turns",
    "Wanted",
    "WholeRun",
    "Why",
    "answering",
    "await_answer",
    "begin_step",
    "change_state",
    "claim",
    "confirm",
    "count_backlog",
    "count_held",
    "count_old",
    "count_old_exchanges",
    "done_deliveries",
    "end_held",
    "find_exchange",
    "find_of_issue",
    "forget_exchanges",
    "forget_message",
    "full",
    "get",
    "give_up",
    "hold_step",
    "is_behind",
    "is_full",
    "keep_change",
    "key_hash",
    "last_attempt",
    "latest",
    "lay_down",
    "names_issue",
    "new_key",
    "note_found",
    "note_reference",
    "note_rule",
    "note_waiting",
    "of_issue",
    "open_runs",
    "page",
    "parent_by_creation",
    "parent_by_transition",
    "plan_steps",
    "prepare",
    "prune",
    "put_back",
    "record",
    "release",
    "replay",
    "resolve",
    "rest",
    "settle_attempt",
    "settle_step",
    "shown_at",
    "spent",
    "taken_changes",
    "wake",
    "was_perhaps_done",
    "why_of",
]
