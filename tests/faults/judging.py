"""What came of it, judged from Jira's side: by its record, and by our tables."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from app.runs import Run, RunState, RunStep
from sandbox import catalogue
from tests.faults.site import HONEST, PLAIN, Site

ACCOUNTED = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.AMBIGUOUS})
"""How a run of a genuine call ends: done, or visibly not, or a person is asked."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Nothing may be in the lists; the counts are to be read."""

    counts: Mapping[str, int]
    why: Mapping[str, int]
    """Of runs that did not succeed."""
    lost: list[str]
    doubled: list[str]
    disordered: list[str]
    odd: list[str]
    """Ends that no genuine call should come to here."""

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.doubled or self.disordered or self.odd)

    @property
    def words(self) -> str:
        counted = ", ".join(f"{number} {name}" for name, number in self.counts.items())
        why = ", ".join(f"{number} {name}" for name, number in self.why.items())
        told = f"{counted}; {len(self.lost)} lost, {len(self.doubled)} doubled"
        told += f", {len(self.disordered)} out of order"
        return f"{told} ({why})" if why else told

    @property
    def faults(self) -> str:
        kinds = ("lost", "doubled", "disordered", "odd")
        return "\n".join(
            f"{kind}: {one}" for kind in kinds for one in getattr(self, kind)[:20]
        )


@dataclass(kw_only=True)
class Judging:
    """All that is known once it is quiet."""

    site: Site
    runs: list[Run]
    steps: list[RunStep]
    allowed: frozenset[RunState] = ACCOUNTED
    in_order: bool = True
    """Whether deliveries have to keep the order of their calls."""
    of_run: dict[Any, list[RunStep]] = field(default_factory=lambda: defaultdict(list))

    def judge(self) -> Verdict:
        for step in self.steps:
            self.of_run[step.run_id].append(step)
        states = Counter(str(run.state) for run in self.runs)
        record = self.site.record
        counts = {
            "calls": len(record.first_sent),
            "tries": len(record.tries),
            "accepted": len(record.accepted),
            **states,
        }
        why = Counter(
            str(run.why) for run in self.runs if run.state is not RunState.SUCCEEDED
        )
        return Verdict(
            counts=counts,
            why=why,
            lost=[*self._lost_calls(), *self._lost_effects()],
            doubled=[*self._doubled_calls(), *self._doubled_effects()],
            disordered=[*self._disordered()] if self.in_order else [],
            odd=[
                f"run {run.id} is {run.state}: {run.why} {run.message}"
                for run in self.runs
                if run.state not in self.allowed
            ],
        )

    def _lost_calls(self) -> Iterator[str]:
        known = {run.webhook_id for run in self.runs}
        for identifier in self.site.record.accepted:
            if identifier not in known:
                yield f"call {identifier} was accepted and has no run"
        for run in self.runs:
            if run.finished_at is None and run.state is not RunState.AMBIGUOUS:
                yield f"run {run.id} is still {run.state}: {run.why} {run.message}"

    def _lost_effects(self) -> Iterator[str]:
        comments, performed = self._comments(), self._performed()
        for run in self.runs:
            if run.state is not RunState.SUCCEEDED:
                continue
            if not self.of_run[run.id]:
                yield f"run {run.id} succeeded without a step"
            for step in self.of_run[run.id]:
                if not self._is_there(run, step, comments, performed):
                    yield f"run {run.id} succeeded without its {step.config['do']}"

    def _is_there(
        self,
        run: Run,
        step: RunStep,
        comments: Counter[tuple[str, str]],
        performed: Counter[str],
    ) -> bool:
        match step.config["do"]:
            case "add-comment":
                return bool(comments[str(run.id), str(step.id)])
            case "deliver":
                return bool(performed[str(step.id)])
            case _:
                return self._moves(run) == 1

    def _moves(self, run: Run) -> int:
        """Say how often the issue came to where our rule moves it."""
        issue = self.site.jira.issue(run.issue_id)
        return sum(
            item["field"] == "status" and item["to"] == catalogue.IN_REVIEW.id
            for entry in issue.history
            for item in entry["items"]
        )

    def _doubled_calls(self) -> Iterator[str]:
        by_call = Counter(run.webhook_id for run in self.runs)
        for identifier, count in by_call.items():
            if count > 1:
                yield f"call {identifier} has {count} runs"
            if identifier not in self.site.record.first_sent:
                yield f"a run is of no call: {identifier}"

    def _doubled_effects(self) -> Iterator[str]:
        known = {(str(step.run_id), str(step.id)) for step in self.steps}
        for mark, count in self._comments().items():
            if count > 1:
                yield f"{count} comments of run {mark[0]}"
            if mark not in known:
                yield f"a comment is of no run: {mark}"
        deliveries = {step for _, step in known}
        for delivery_id, count in self._performed().items():
            if count > 1:
                yield f"delivery {delivery_id} was performed {count} times"
        for arrival in self.site.record.arrivals:
            if arrival.delivery_id not in deliveries:
                yield f"a delivery is of no run: {arrival.delivery_id}"

    def _disordered(self) -> Iterator[str]:
        """Yield deliveries that overtook one whose call was there before.

        Jira keeps no order. So what counts is that a call was accepted before the other
        one was made.
        """
        record = self.site.record
        accepted, sent = record.accepted, record.first_sent
        call_of = {str(s.id): run for run in self.runs for s in self.of_run[run.id]}
        spans: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(dict)
        for arrival in record.arrivals:
            run = call_of.get(arrival.delivery_id)
            if run is not None:
                place = spans[run.issue_id, arrival.receiver]
                place.setdefault(str(run.webhook_id), []).append(arrival.at)
        for (issue_id, receiver), times in spans.items():
            for one in times:
                for other in times:
                    was_first = accepted.get(one, sent[other]) < sent[other]
                    if was_first and max(times[one]) > min(times[other]):
                        yield f"issue {issue_id}, {receiver}: {other} before {one}"

    def _comments(self) -> Counter[tuple[str, str]]:
        return Counter((mark["run"], mark["step"]) for mark in self.site.comments())

    def _performed(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for name in (HONEST, PLAIN):
            for delivery_id, times in self.site.receiver(name).deliveries().items():
                found[delivery_id] += times["performed"]
        return found


def read(sessions: sessionmaker[Session], site: Site, **more: Any) -> Judging:
    """Take up everything there is to be judged."""
    with sessions.begin() as session:
        runs = list(session.scalars(sa.select(Run).order_by(Run.id)))
        steps = list(session.scalars(sa.select(RunStep)))
        session.expunge_all()
    return Judging(site=site, runs=runs, steps=steps, **more)


def open_runs(sessions: sessionmaker[Session]) -> int:
    """Return how many runs a worker still has to take."""
    with sessions.begin() as session:
        found = sa.select(sa.func.count()).where(Run.due_at.is_not(None))
        return session.scalar(found) or 0
