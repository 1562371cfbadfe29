"""Judges a gate by the issue that is in its hold just now, when a run begins."""

import logging
from datetime import timedelta

from app.http import SendError
from app.jira import Jira, JiraError
from app.rules import Rule, Seen, knowing, soundness
from app.rules.inventory import Entry
from app.runs import Claim
from app.runtime import Runtime

log = logging.getLogger(__name__)

JUDGED_FOR = timedelta(hours=1)
"""How long a judgement is good; the watchdog renews it when it finds an issue held."""


def judge_gate(
    runtime: Runtime, jira: Jira, claim: Claim, entry: Entry, rule: Rule
) -> None:
    """Note whether every way out of the rule's hold is shut.

    Best effort: the run goes on whatever comes of it. Jira's ways out are those of the
    issue's present status, and most issues leave their hold within seconds, so this is
    the moment to ask.
    """
    if rule.hold is None:
        return
    seen, now = Seen(entry=entry, rule=rule), runtime.now()
    with runtime.sessions.begin() as session:
        known = knowing.find(session, claim.tenant_id, seen)
        judged_at = known.sound_at if known else now
    if judged_at is not None and now - judged_at < JUDGED_FOR:
        return
    try:
        ways = soundness.ways_out(jira, claim.issue_id, hold=rule.hold.status)
        if ways is None:
            return
        shut = soundness.shut(jira).get(entry.workflow, frozenset())
    except (JiraError, SendError) as error:
        log.info("run=%s gate not judged: %s", claim.run_id, error)
        return
    because = soundness.complaint(ways, shut)
    with runtime.sessions.begin() as session:
        known = knowing.find(session, claim.tenant_id, seen)
        if known is not None:
            knowing.judged(session, known, because, now=now)
