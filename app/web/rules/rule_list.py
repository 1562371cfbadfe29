"""Every rule of a site: as Jira has it now, and how each one stands with us."""

import json
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from sqlalchemy.orm import Session

from app import rules
from app.rules import Entry, InvalidRuleError, Problem
from app.rules.outcomes import LastRun, last_runs
from app.runtime import Runtime
from app.tenants import Tenant
from app.web import live_rules, naming
from app.web.context import runtime, web
from app.web.destinations import destination_page
from app.web.destinations.destination_page import ShownDestination
from app.web.editor.checking import Checking
from app.web.naming import Names
from app.web.rules import gates
from app.web.rules.gates import ShownRule
from app.web.rules.references import References, Trouble
from app.web.site_names import Sort
from app.web.words import Shown

BROKEN = Shown("Cannot be read", "danger")
TROUBLED = Shown("Needs attention", "warning")
NEW = Shown("New", "information")

Place = tuple[str, str, str]
"""Workflow, transition and rule: how one is known, as workflows are copied."""


@dataclass(frozen=True, kw_only=True)
class ListedRule:
    """One rule at its place in a workflow."""

    known: ShownRule | None
    """What we know of it beside Jira's copy; a new one is known after the next look."""
    name: str
    transition: str
    sentence: str
    text: str
    """As people read and paste it; one that cannot be read as Jira has it."""
    states: Sequence[Shown]
    problems: Sequence[Problem]
    """Why it cannot be read; nothing if it can."""
    troubles: Sequence[Trouble]
    last: LastRun | None


@dataclass(frozen=True, kw_only=True)
class ListedWorkflow:
    name: str
    address: str
    """Jira's own editor of it."""
    rules: Sequence[ListedRule]


@dataclass(frozen=True, kw_only=True)
class RuleList:
    """All rules of a site at one moment."""

    site: str
    is_live: bool
    """Whether Jira answered; if not, this is what it had at our last look."""
    seen_at: datetime | None
    """When that look was; None if nothing was ever seen."""
    workflows: Sequence[ListedWorkflow]


def read(tenant_id: uuid.UUID) -> RuleList:
    """Read it all, of this tenant only (rule T5); asks Jira, so in no transaction."""
    entries = live_rules.find(tenant_id)
    with runtime().sessions.begin() as session:
        known = _Known.read(session, runtime(), tenant_id)
    return known.held_against(entries)


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What our tables have of a site's rules."""

    tenant_id: uuid.UUID
    site: str
    rules: Sequence[ShownRule]
    last: Mapping[uuid.UUID, LastRun]
    names: Names
    destinations: Mapping[uuid.UUID, ShownDestination]

    @classmethod
    def read(cls, session: Session, runtime: Runtime, tenant_id: uuid.UUID) -> "_Known":
        tenant = session.get_one(Tenant, tenant_id)
        found = destination_page.listed(session, tenant_id, now=runtime.now())
        return cls(
            tenant_id=tenant_id,
            site=tenant.display_url or tenant.base_url,
            rules=gates.read(session, tenant_id),
            last=last_runs(session, tenant_id),
            names=naming.read(session, tenant_id),
            destinations={each.id: each for each in found},
        )

    def held_against(self, entries: Sequence[Entry] | None) -> RuleList:
        """Return the live rules with what we know of each."""
        references = self._references(is_live=entries is not None)
        seen = [known.seen_at for known in self.rules]
        live = [known.entry for known in self.rules] if entries is None else entries
        places = {_place(rule.entry, rule.rule_id): rule for rule in self.rules}
        listed: defaultdict[str, list[ListedRule]] = defaultdict(list)
        for entry in sorted(live, key=lambda entry: (entry.workflow, entry.hash)):
            listed[entry.workflow].append(self._listed(entry, places, references))
        return RuleList(
            site=self.site,
            is_live=entries is not None,
            seen_at=max(seen, default=None),
            workflows=list(self._workflows(listed)),
        )

    def _references(self, *, is_live: bool) -> References:
        checking = Checking(web().site_names, self.tenant_id, self.names)
        find = web().site_names.find
        return References(
            names=self.names,
            destinations=self.destinations,
            checking=checking if is_live else None,
            statuses=find(self.tenant_id, Sort.STATUSES) if is_live else None,
        )

    def _listed(
        self, entry: Entry, places: Mapping[Place, ShownRule], references: References
    ) -> ListedRule:
        try:
            rule = rules.parse(entry.text)
        except InvalidRuleError as error:
            return _broken(entry, error.problems)
        known = places.get(_place(entry, rule.id))
        last = self.last.get(known.id) if known else None
        troubles = references.troubles(rule, entry.hash, last)
        states = list(known.states) if known else [NEW]
        if troubles:
            states.append(TROUBLED)
        if known:
            troubles += [Trouble(words=said) for said in known.troubles]
        return ListedRule(
            known=known,
            name=rule.name,
            transition=entry.transition_name,
            sentence=rules.describe(rule, self.names.act),
            text=pretty(entry.text),
            states=states,
            problems=(),
            troubles=troubles,
            last=last,
        )

    def _workflows(
        self, listed: Mapping[str, Sequence[ListedRule]]
    ) -> Iterable[ListedWorkflow]:
        for name in sorted(listed, key=str.casefold):
            found = sorted(listed[name], key=lambda each: (each.transition, each.name))
            yield ListedWorkflow(
                name=name, address=editor_address(self.site, name), rules=found
            )


def pretty(text: str) -> str:
    """Return a rule's JSON on several lines, for people; it keeps its hash."""
    return json.dumps(rules.read_json(text), indent=2, ensure_ascii=False)


def editor_address(site: str, workflow: str) -> str:
    """Return where Jira's workflow editor is, for a link.

    Jira documents no address. This is the one that its own pages and Jira's source
    (`WorkflowDesigner.jspa`) have used for years, on Cloud sites too; where it should
    ever be gone, Jira shows its list of workflows or says so. Nothing depends on it.
    """
    path = "/secure/admin/workflows/WorkflowDesigner.jspa"
    return f"{site}{path}?workflowMode=live&wfName={quote(workflow, safe='')}"


def _broken(entry: Entry, problems: Sequence[Problem]) -> ListedRule:
    return ListedRule(
        known=None,
        name="",
        transition=entry.transition_name,
        sentence="",
        text=entry.text,
        states=[BROKEN],
        problems=problems,
        troubles=(),
        last=None,
    )


def _place(entry: Entry, rule_id: str) -> Place:
    return entry.workflow, entry.transition_id, rule_id
