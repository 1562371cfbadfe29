"""What a rule's author should hear before saving, beyond whether it is a rule.

`rules.parse` judges a rule by itself. This holds it against the site: names that Jira
does not know, values that it would refuse. A stored rule is carried out all the same,
and a Jira that does not answer hinders nobody.
"""

import difflib
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app import rules
from app.destinations import DestinationState, inputs_of, unfit_inputs
from app.rules import InvalidRuleError, Problem, Row, Rule
from app.steps import values
from app.steps.add_label import AddLabel
from app.steps.base import Step
from app.steps.create_issue import CreateIssue
from app.steps.deliver import Deliver
from app.steps.link_issue import LinkIssue
from app.steps.set_field import SetField
from app.web.naming import Names
from app.web.site_names import Named, SiteNames, Sort

UNLISTED = frozenset(
    {"parent", "comment", "worklog", "attachment", "timetracking", "subtasks"}
    | {"issuelinks", "issuerestriction", "statuscategorychangedate", "statusCategory"}
)
"""Fields that issues have, and that a site does not always list."""


def malformed(texts: Mapping[str, str]) -> Iterator[Problem]:
    """Yield what starts like JSON and is none; `texts` are as typed, by their keys.

    Without this it would be kept as text, and whoever reads it would find no JSON.
    """
    for key, text in texts.items():
        if why := _broken_json(text.strip()):
            yield Problem(key, f"{why}; if it is meant as text, put it in quotes")


def repeated(given: object) -> Iterator[Problem]:
    """Yield inputs of which two have one name: the form sends those as pairs.

    As an object they would be one, and nobody would be told which.
    """
    steps = given.get("steps") if isinstance(given, dict) else None
    for place, step in enumerate(steps if isinstance(steps, list) else ()):
        pairs = step.get("inputs") if isinstance(step, dict) else None
        if isinstance(pairs, list):
            yield Problem(f"steps[{place}].inputs", "two of them have the same name")


def hints(rule: Rule, destinations: Names) -> Iterator[Problem]:
    """Yield what is no fault of the rule's and yet will keep it from being done."""
    for place, step in enumerate(rule.steps):
        found = isinstance(step, Deliver) and destinations.find(step.destination_id)
        if not found:
            continue
        key = f"steps[{place}].destination"
        if found.state is not DestinationState.ACTIVE:
            means = _MEANS[found.state]
            yield Problem(key, f"“{found.name}” is {found.state}: {means}.")
        if found.is_protected:
            yield Problem(
                key,
                f"“{found.name}” is protected: once the workflow is published, an admin"
                " approves this rule on Countersign's page of the destination.",
            )


_MEANS = {
    DestinationState.PAUSED: "deliveries wait for a while until it is resumed",
    DestinationState.DISABLED: "deliveries fail until an admin resumes it",
}


@dataclass(frozen=True)
class Checking:
    """One rule, held against one site."""

    names: SiteNames
    tenant_id: uuid.UUID
    destinations: Names

    def problems(self, rule: Rule) -> Sequence[Problem]:
        """Return what cannot be right, each by its key."""
        found = list(self._conditions(rule))
        for place, step in enumerate(rule.steps):
            for key, message in self._step(step):
                found.append(Problem(f"steps[{place}].{key}", message))
        return found

    def _conditions(self, rule: Rule) -> Iterator[Problem]:
        groups = {"all": rule.when.all, "any": rule.when.any, "none": rule.when.none}
        for group, rows in groups.items():
            for place, row in enumerate(rows):
                for key, message in self._row(row):
                    yield Problem(f"when.{group}[{place}].{key}", message)

    def _row(self, row: Row) -> Iterator[tuple[str, str]]:
        if (unknown := self._unknown_field(row.field)) is not None:
            yield "field", unknown
        elif why := rules.misfit(row, str(self._schema(row.field).get("type"))):
            yield "value", why

    def _step(self, step: Step) -> Iterable[tuple[str, str]]:
        match step:
            case SetField():
                return self._set_field(step)
            case CreateIssue():
                return self._create_issue(step)
            case LinkIssue():
                return self._link_issue(step)
            case AddLabel():
                return _labels("label", [step.label])
            case Deliver():
                return self._deliver(step)
            case _:
                return ()

    def _set_field(self, step: SetField) -> Iterator[tuple[str, str]]:
        if (unknown := self._unknown_field(step.field)) is not None:
            yield "field", unknown
            return
        schema = self._schema(step.field)
        texts = [step.value] if isinstance(step.value, str) else step.value
        if not schema or not all(map(_is_literal, texts)):
            return
        is_one = schema.get("type") == "array" and isinstance(step.value, str)
        if is_one and (why := _broken_json(texts[0])):
            yield "value", f'{why}; a list is written as ["one", "two"]'
            return
        yield from _refused("value", values.value_of, schema, texts)

    def _create_issue(self, step: CreateIssue) -> Iterator[tuple[str, str]]:
        yield from _labels("labels", step.labels)
        if not (kinds := self.names.find(self.tenant_id, Sort.ISSUE_TYPES)):
            return
        named = [kind for kind in kinds if kind["name"] == step.issuetype]
        if not named:
            known = {kind["name"]: kind["name"] for kind in kinds}
            yield "issuetype", _unknown("issue type", step.issuetype, known)
        # Projects have types of their own, and two may share a name.
        elif all(kind.get("subtask") is not step.subtask for kind in named):
            yield "subtask", _misplaced(step, kinds)

    def _link_issue(self, step: LinkIssue) -> Iterator[tuple[str, str]]:
        if kinds := self.names.find(self.tenant_id, Sort.LINK_TYPES):
            known = {kind["name"]: kind["name"] for kind in kinds}
            if step.type.casefold() not in map(str.casefold, known):
                yield "type", _unknown("link type", step.type, known)

    def _deliver(self, step: Deliver) -> Iterator[tuple[str, str]]:
        found = self.destinations.find(step.destination_id)
        if found is None:
            yield "destination", "this destination is no longer there: choose another"
            return
        form = inputs_of(found.kind, found.settings)
        if form is not None and (wrong := list(unfit_inputs(form, step.inputs))):
            yield "inputs", "; ".join(wrong)
        if step.wait is not None and not found.can_answer:
            message = f"no answer of “{found.name}” can come: it names no listener"
            yield "wait", message

    def _unknown_field(self, wanted: str) -> str | None:
        fields = self.names.find(self.tenant_id, Sort.FIELDS)
        ids = {str(field.get("id")) for field in fields or ()}
        if not fields or wanted in ids | UNLISTED:
            return None
        known = {each["name"]: f"{each.get('id')} ({each['name']})" for each in fields}
        known |= {each: each for each in ids}
        return _unknown("field", wanted, known)

    def _schema(self, wanted: str) -> Mapping[str, Any]:
        for field in self.names.find(self.tenant_id, Sort.FIELDS) or ():
            schema = field.get("schema")
            if field.get("id") == wanted and isinstance(schema, Mapping):
                return schema
        return {}


def _broken_json(text: str) -> str | None:
    if text.startswith(("{{", "{%")) or not text.startswith(("{", "[")):
        return None
    try:
        rules.read_json(text)
    except InvalidRuleError as error:
        return error.problems[0].message
    return None


def _is_literal(text: str) -> bool:
    return "{{" not in text and "{%" not in text


def _labels(key: str, texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    for text in filter(str.strip, filter(_is_literal, texts)):
        yield from _refused(key, values.label, text.strip())


def _refused(
    key: str, make: Callable[..., object], *given: object
) -> Iterator[tuple[str, str]]:
    try:
        make(*given)
    except ValueError as error:
        yield key, str(error)


def _misplaced(step: CreateIssue, kinds: Named) -> str:
    if not step.subtask:
        return f"“{step.issuetype}” is for sub-tasks: tick this box"
    names = sorted({kind["name"] for kind in kinds if kind.get("subtask") is True})
    listed = ", ".join(f"“{name}”" for name in names[:5])
    only = f"; the types for sub-tasks: {listed}" if names else ""
    return f"“{step.issuetype}” is not for sub-tasks{only}"


def _unknown(sort: str, wanted: str, known: Mapping[str, str]) -> str:
    """Say so, with the nearest that there is; `known` is what to write, by its name."""
    said = f"this site shows us no {sort} “{wanted}”"
    by_name = {name.casefold(): written for name, written in known.items()}
    near = difflib.get_close_matches(wanted.casefold(), by_name, n=1, cutoff=0.6)
    return f"{said}; did you mean {by_name[near[0]]}?" if near else said
