"""What happened, to which tenant, by whom: appended with the change itself.

`kinds` lists what can happen; `tables` says what is stored; `recording` appends;
`reading` finds it again. `app/checkpoints/` proves what was recorded, and forgets it.
"""

from app.audit.kinds import CALLS, KINDS_OF, LEFT_OUT, REFUSALS, Group, Kind
from app.audit.reading import (
    CANDIDATES,
    Claims,
    Event,
    Page,
    Wanted,
    claims_of,
    find,
    find_latest,
    left_out,
    page,
)
from app.audit.recording import (
    UNPROVEN_LIMIT,
    Change,
    Fact,
    drop_probes,
    prepare,
    prune_unproven,
    put_probe,
    record,
    record_left_out,
    record_unproven,
)
from app.audit.tables import FIELD_LIMIT, AuditEvent, Value, canonical

__all__ = [
    "CALLS",
    "CANDIDATES",
    "FIELD_LIMIT",
    "KINDS_OF",
    "LEFT_OUT",
    "REFUSALS",
    "UNPROVEN_LIMIT",
    "AuditEvent",
    "Change",
    "Claims",
    "Event",
    "Fact",
    "Group",
    "Kind",
    "Page",
    "Value",
    "Wanted",
    "canonical",
    "claims_of",
    "drop_probes",
    "find",
    "find_latest",
    "left_out",
    "page",
    "prepare",
    "prune_unproven",
    "put_probe",
    "record",
    "record_left_out",
    "record_unproven",
]
