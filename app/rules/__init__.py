"""The rule's JSON: parse, canonical text, hash, and what it does in one sentence.

`conditions` says when a rule acts, `inventory` which rules Jira has, `knowing` what we
know of each beside Jira's copy, `outcomes` what came of it; `gates` are rules that hold
the issue, and `soundness` says whether a hold holds.
"""

from app.rules.conditions import ConditionError, Op, Row, When, holds, misfit
from app.rules.describing import describe
from app.rules.gates import Hold
from app.rules.inventory import Entry, Inventory, InventoryBusyError
from app.rules.knowing import NoSuchRuleError, Seen
from app.rules.parsing import (
    MAX_SIZE,
    InvalidRuleError,
    OnFailure,
    OnSuccess,
    Problem,
    Rule,
    canonical,
    parse,
    read_json,
    rule_hash,
)
from app.rules.tables import KnownRule

__all__ = [
    "MAX_SIZE",
    "ConditionError",
    "Entry",
    "Hold",
    "InvalidRuleError",
    "Inventory",
    "InventoryBusyError",
    "KnownRule",
    "NoSuchRuleError",
    "OnFailure",
    "OnSuccess",
    "Op",
    "Problem",
    "Row",
    "Rule",
    "Seen",
    "When",
    "canonical",
    "describe",
    "holds",
    "misfit",
    "parse",
    "read_json",
    "rule_hash",
]
