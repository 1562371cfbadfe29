"""Rules of self-managed sites, which are ours to keep: judged and saved (ADR 21).

What such a Jira cannot do is refused by name when the rule is saved, not when an issue
is in its hold already.
"""

import uuid
from collections.abc import Iterator

from sqlalchemy.orm import Session

from app import destinations, listeners
from app.audit import Change
from app.destinations.jira_devops import JiraDevops
from app.rules.parsing import (
    InvalidRuleError,
    Problem,
    Rule,
    canonical,
    parse,
    rule_hash,
)
from app.steps.assign_issue import AssignIssue
from app.steps.deliver import Deliver


def read(session: Session, tenant_id: uuid.UUID, text: str) -> Rule:
    """Return a rule for a self-managed Jira; raise `InvalidRuleError` otherwise."""
    rule = parse(text)
    if found := list(problems(session, tenant_id, rule)):
        raise InvalidRuleError(found)
    return rule


def problems(session: Session, tenant_id: uuid.UUID, rule: Rule) -> Iterator[Problem]:
    """Yield what of a rule a self-managed Jira cannot do, by its key."""
    for place, step in enumerate(rule.steps):
        if isinstance(step, AssignIssue) and ":" in step.to:
            message = "a self-managed Jira has no account ids: write a user's key"
            yield Problem(f"steps[{place}].to", message)
        if isinstance(step, Deliver):
            found = destinations.find(session, tenant_id, step.destination_id)
            if found is not None and found.kind == JiraDevops.kind:
                message = "a self-managed Jira has no such development panel"
                yield Problem(f"steps[{place}].destination", message)


def save(
    session: Session,
    change: Change,
    listener_id: uuid.UUID,
    rule: Rule,
    *,
    over: int,
) -> int:
    """Keep a rule as its listener's next version; return its number."""
    text = canonical(rule)
    kept = (text, rule_hash(text))
    return listeners.rules.save(session, change, listener_id, rule=kept, over=over)
