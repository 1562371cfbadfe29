"""What a stored rule names and the site no longer has, each in a sentence.

`checking` tells a rule's author before it is saved. This tells an admin of rules that
were fine once: a destination was deleted or paused, a field or a status has gone.
"""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.destinations import DestinationState
from app.rules import Problem, Rule
from app.rules.outcomes import LastRun
from app.steps.deliver import Deliver
from app.web import words
from app.web.destinations.destination_page import ShownDestination
from app.web.editor.checking import Checking
from app.web.naming import Names
from app.web.site_names import Named


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Something that somebody should look into."""

    words: str
    destination_id: uuid.UUID | None = None
    """Whose page has more of it, or lets it be mended."""


@dataclass(frozen=True, kw_only=True)
class References:
    """One site, to hold its rules against."""

    names: Names
    destinations: Mapping[uuid.UUID, ShownDestination]
    checking: Checking | None
    """None if Jira does not answer: then its names are not judged."""
    statuses: Named | None

    def troubles(
        self, rule: Rule, text_hash: str, last: LastRun | None
    ) -> list[Trouble]:
        """Return what is wrong with what the rule names."""
        found: list[Trouble] = []
        for number, step in enumerate(rule.steps, start=1):
            if isinstance(step, Deliver):
                start = f"Step {number}"
                found += self._deliver(start, step.destination_id, text_hash, last)
        return [*found, *self._hold(rule), *self._site(rule)]

    def _deliver(
        self,
        start: str,
        destination_id: uuid.UUID,
        text_hash: str,
        last: LastRun | None,
    ) -> Iterator[Trouble]:
        shown = self.destinations.get(destination_id)
        if shown is None:
            yield Trouble(words=f"{start} would {self._gone(destination_id)}.")
            return
        if shown.state in _MEANS:
            said = (
                f"{start}: “{shown.name}” is {shown.state}, so {_MEANS[shown.state]}."
            )
            yield Trouble(words=said, destination_id=destination_id)
        if shown.is_protected and text_hash not in shown.approved:
            said = (
                f"{start}: “{shown.name}” is protected, and no admin has approved this"
                " rule as it is now: its deliveries fail."
            )
            yield Trouble(words=said, destination_id=destination_id)
        # A workflow may serve many projects, and Jira does not tell us which. That of
        # its last run is one of them.
        if last and last.project_id and last.project_id not in shown.project_ids:
            said = (
                f"{start}: “{shown.name}” is not allowed for the project of"
                f" {last.issue_key}, the issue of the last run: deliveries of that"
                " project fail."
            )
            yield Trouble(words=said, destination_id=destination_id)

    def _gone(self, destination_id: uuid.UUID) -> str:
        """Say which destination it is that nobody can deliver to any more."""
        known = self.names.by_id.get(destination_id)
        if known is None:
            return "deliver to a destination that this site never had"
        return f"deliver to “{known.name}”, which was deleted"

    def _hold(self, rule: Rule) -> Iterator[Trouble]:
        if rule.hold is None or self.statuses is None:
            return
        status = rule.hold.status
        if status not in {str(each.get("id")) for each in self.statuses}:
            yield Trouble(
                words=f"Its hold, status {status}, is not shown to us by Jira."
            )

    def _site(self, rule: Rule) -> Iterator[Trouble]:
        for problem in self.checking.problems(rule) if self.checking else ():
            if not problem.key.endswith(".destination"):  # said above, with its name
                yield Trouble(words=_placed(problem))


_MEANS = {
    DestinationState.PAUSED: "deliveries wait for a while and then fail",
    DestinationState.DISABLED: "deliveries fail until an admin resumes it",
}


def _placed(problem: Problem) -> str:
    """Say it with its place in a reader's words: `steps[0].field` is step 1."""
    start = "A condition"
    if problem.key.startswith("steps["):
        number = problem.key.removeprefix("steps[").partition("]")[0]
        start = f"Step {int(number) + 1}"
    return words.sentence(f"{start}: {problem.message}")
