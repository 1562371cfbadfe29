"""Which live rules deliver to a destination: what Jira's inventory says of them."""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app import rules
from app.rules import Entry, InvalidRuleError, Rule
from app.steps.deliver import Deliver
from app.web import live_rules, naming
from app.web.context import runtime


@dataclass(frozen=True, kw_only=True)
class Use:
    """One rule in one workflow that names a destination."""

    workflow: str
    transition: str
    rule: str
    """Its name."""
    sentence: str
    """What it does."""
    hash: str
    """What an approval is for: another text of the rule has another one (rule T7)."""


Uses = Mapping[uuid.UUID, Sequence[Use]]


def read(tenant_id: uuid.UUID) -> Uses | None:
    """Return the uses of all its destinations; None if Jira does not say.

    Asks Jira, so not inside a transaction.
    """
    entries = live_rules.find(tenant_id)
    if entries is None:
        return None
    with runtime().sessions.begin() as session:
        names = naming.read(session, tenant_id)
    found: defaultdict[uuid.UUID, list[Use]] = defaultdict(list)
    for entry in entries:
        if (rule := _parsed(entry)) is None:
            continue
        use = Use(
            workflow=entry.workflow,
            transition=entry.transition_name,
            rule=rule.name,
            sentence=rules.describe(rule, names.act),
            hash=entry.hash,
        )
        for destination_id in _named(rule):
            found[destination_id].append(use)
    return found


def _parsed(entry: Entry) -> Rule | None:
    """Return its rule; a broken one delivers nothing."""
    try:
        return rules.parse(entry.text)
    except InvalidRuleError:
        return None


def _named(rule: Rule) -> set[uuid.UUID]:
    return {step.destination_id for step in rule.steps if isinstance(step, Deliver)}
