"""One hold of one site: its held issues, judged and rescued; its gates, judged too."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.orm import Session

from app.jira import Jira, JiraError
from app.rules import knowing, soundness
from app.runtime import Runtime
from app.watchdog import held, judging, turns
from app.watchdog.gates import Gate
from app.watchdog.held import Held
from app.watchdog.judging import Judgement, Verdict
from app.watchdog.rescuing import Rescue
from app.watchdog.turns import Turn

log = logging.getLogger(__name__)

BAD_REQUEST = 400

MOST_IN_ONE_LOOK = 25
"""Rescues of one rule in one look; more are no accident, so an admin is asked (T12)."""

_STOPPED = (
    f"more than {MOST_IN_ONE_LOOK} issues were to be moved in one look: see whether"
    " Jira's calls arrive and whether the hold is the right status, then resume"
)


@dataclass(frozen=True, kw_only=True)
class HoldWatch:
    """One look at one hold; `gates` are the rules that share it."""

    runtime: Runtime
    jira: Jira
    turn: Turn
    gates: Sequence[Gate]
    rescued: Counter[UUID] = field(default_factory=Counter)
    overdue: Counter[UUID] = field(default_factory=Counter)
    stopped: set[UUID] = field(default_factory=set)
    judged: set[str] = field(default_factory=set)
    """Workflows whose gates this look has judged."""

    @property
    def tenant_id(self) -> UUID:
        return self.jira.tenant_id

    @property
    def hold(self) -> str:
        return self.gates[0].hold.status

    def watch(self) -> int:
        """Look at every issue in the hold; return how many are being rescued."""
        try:
            for issue in self._held():
                self._look_at(issue)
        except JiraError as error:
            if error.status != BAD_REQUEST:
                raise
            # Jira's answer to the number of a status that is not there (any more).
            for gate in self.gates:
                because = "Jira cannot look for issues in this hold's status"
                self._note(gate.workflow, because)
        with self.runtime.sessions.begin() as session:
            for gate in self.gates:
                row = knowing.get(session, self.tenant_id, gate.known_id)
                row.overdue = self.overdue[gate.known_id]
        return self.rescued.total()

    def _held(self) -> Iterator[Held]:
        for issue_id in held.ids(self.jira, self.hold):
            with self.runtime.sessions.begin() as session:
                turns.keep(session, self.turn, now=self.runtime.now())
            if (found := held.read(self.jira, issue_id, self.hold)) is not None:
                yield found

    def _look_at(self, issue: Held) -> None:
        gates = self._likeliest_first(issue)
        with self.runtime.sessions.begin() as session:
            judgement = self._judgement(session, gates, issue)
            gate = judgement.gate
            if gate is not None and judgement.verdict is Verdict.RESCUE:
                self._rescue(session, gate, issue, judgement)
            elif gate is not None and judgement.verdict is Verdict.OVERDUE:
                self.overdue[gate.known_id] += 1
        workflow = judgement.workflow or self._only_workflow
        if workflow is not None and workflow not in self.judged:
            self._judge_gates(workflow, issue)

    def _judgement(
        self, session: Session, gates: Sequence[Gate], issue: Held
    ) -> Judgement:
        return judging.judge(
            gates,
            judging.past(session, self.tenant_id, issue),
            issue,
            resumed_at=self.turn.resumed_at,
            now=self.runtime.now(),
        )

    def _likeliest_first(self, issue: Held) -> Sequence[Gate]:
        """Put first the rule whose failure transition Jira offers on this issue.

        Rules of several workflows may share a hold, and Jira does not tell us an
        issue's workflow; but only its own workflow's transitions are offered.
        """
        if len(self.gates) == 1:
            return self.gates
        names = held.offered(self.jira, issue.issue)
        return sorted(self.gates, key=lambda gate: not gate.may_lead_out_by(names))

    def _rescue(
        self, session: Session, gate: Gate, issue: Held, judgement: Judgement
    ) -> None:
        now = self.runtime.now()
        if self.rescued[gate.known_id] >= MOST_IN_ONE_LOOK:
            # Attack (T12): a rule or a status that was changed by mistake, and with it
            # every ticket of a site moved to its fail state within minutes.
            self.overdue[gate.known_id] += 1
            if gate.known_id not in self.stopped:
                self.stopped.add(gate.known_id)
                row = knowing.get(session, self.tenant_id, gate.known_id)
                knowing.stop_watch(session, row, _STOPPED, now=now)
            return
        rescue = Rescue(
            tenant_id=self.tenant_id, gate=gate, held=issue, judgement=judgement
        )
        if (run_id := rescue.record(session, now=now)) is not None:
            self.rescued[gate.known_id] += 1
            log.info("run=%s rescues issue=%s", run_id, issue.issue.id)

    @property
    def _only_workflow(self) -> str | None:
        named = {gate.workflow for gate in self.gates}
        return min(named) if len(named) == 1 else None

    def _judge_gates(self, workflow: str, issue: Held) -> None:
        """Judge a workflow's gates by an issue of it that is in their hold now."""
        ways = soundness.ways_out(self.jira, issue.issue.id, hold=self.hold)
        if ways is None:
            return
        shut = soundness.shut(self.jira).get(workflow, frozenset())
        self._note(workflow, soundness.complaint(ways, shut))
        self.judged.add(workflow)

    def _note(self, workflow: str, because: str | None) -> None:
        with self.runtime.sessions.begin() as session:
            for gate in self.gates:
                if gate.workflow == workflow:
                    row = knowing.get(session, self.tenant_id, gate.known_id)
                    knowing.judged(session, row, because, now=self.runtime.now())
