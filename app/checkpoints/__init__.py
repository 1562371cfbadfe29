"""Proof of a tenant's history: what was recorded cannot be changed without a trace.

`sealing` brings events under checkpoints, each of which names the one before and is
signed by a key of its own; `amending` attests that a person was erased, `pruning` that
a range was deleted by age. `verifying` recomputes it all; `telling` gives it out.
`hashing` and `statement` say what is signed, for ever. What all of it does not stop is
in docs/security.md.
"""

from app.checkpoints.amending import amending
from app.checkpoints.anchoring import Glance, glance
from app.checkpoints.chain import Chain, LostKeyError, lock
from app.checkpoints.findings import Finding
from app.checkpoints.pruning import count_old, prune
from app.checkpoints.report import Report
from app.checkpoints.sealing import seal, waiting
from app.checkpoints.tables import AmendmentRow, Checkpoint, CheckpointKey
from app.checkpoints.telling import Telling
from app.checkpoints.verifying import Walk

__all__ = [
    "AmendmentRow",
    "Chain",
    "Checkpoint",
    "CheckpointKey",
    "Finding",
    "Glance",
    "LostKeyError",
    "Report",
    "Telling",
    "Walk",
    "amending",
    "count_old",
    "glance",
    "lock",
    "prune",
    "seal",
    "waiting",
]
