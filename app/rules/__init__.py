"""The rule's JSON: parse, canonical text, hash, and what it does in one sentence.

`conditions` says when a rule acts, `inventory` which rules Jira has.
"""

from app.rules.conditions import ConditionError, Op, Row, When, holds
from app.rules.describing import describe
from app.rules.inventory import Entry, Inventory, InventoryBusyError
from app.rules.parsing import (
    MAX_SIZE,
    InvalidRuleError,
    OnFailure,
    OnSuccess,
    Problem,
    Rule,
    canonical,
    parse,
    rule_hash,
)

__all__ = [
    "MAX_SIZE",
    "ConditionError",
    "Entry",
    "InvalidRuleError",
    "Inventory",
    "InventoryBusyError",
    "OnFailure",
    "OnSuccess",
    "Op",
    "Problem",
    "Row",
    "Rule",
    "When",
    "canonical",
    "describe",
    "holds",
    "parse",
    "rule_hash",
]
