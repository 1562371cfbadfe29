"""Whether a person may make a transition: what the apps' conditions on it say.

As Jira does it, a condition holds only if its expression is worked out to true. It
does not when there is an error, when the value is no boolean, or when its app is gone.
"""

import json
from typing import Any

from sandbox import catalogue, expressions, people, workflow
from sandbox.catalogue import Transition
from sandbox.expressions import ExpressionError, Record
from sandbox.forge import manifest
from sandbox.people import Person
from sandbox.world import CONDITION, Issue, Rule, World

Json = dict[str, Any]


def on(world: World, issue: Issue, made: Transition) -> list[Rule]:
    """Those of the published workflow."""
    return workflow.live_on(world, issue, made, CONDITION)


def allow(world: World, issue: Issue, made: Transition, person: Person) -> bool:
    return all(_holds(world, rule, issue, person) for rule in on(world, issue, made))


def _holds(world: World, rule: Rule, issue: Issue, person: Person) -> bool:
    try:
        config = json.loads(rule.value)
        text = _expression(world, rule, config)
        return expressions.evaluate(text, _scope(issue, person, config)) is True
    except (ExpressionError, ValueError, RecursionError):
        # a configuration that is no JSON, or nested without end, is an error as well
        return False


def _expression(world: World, rule: Rule, config: object) -> str:
    """The configuration's own, or else the module's."""
    module = next((m for m in _modules(world) if m["key"] == rule.module), None)
    if module is None:
        raise ExpressionError("there is no app with such a condition any more")
    own = config.get("expression") if isinstance(config, dict) else None
    return str(module["expression"] if own is None else own)


def _modules(world: World) -> list[Json]:
    """Those of Forge first: it takes over what Connect saved under the same key."""
    forge, site = world.state.forge, world.state.site
    found = forge.app.modules(manifest.CONDITION) if forge.is_live else []
    if site.installed:
        found += site.descriptor.get("modules", {}).get(CONDITION, [])
    return found


def _scope(issue: Issue, person: Person, config: object) -> Json:
    """The variables of an expression; ids of Jira's own things are numbers there."""
    project = next(p for p in catalogue.PROJECTS if p.key == issue.project)
    status = next(s for s in catalogue.STATUSES if s.id == issue.status)
    kind = next(t for t in catalogue.ISSUE_TYPES if t.id == issue.issuetype)
    return {
        "config": config,
        "user": Record(
            accountId=person.account_id,
            displayName=person.name,
            getProjectRoles=lambda _: _roles(person),
        ),
        "project": Record(id=int(project.id), key=project.key, name=project.name),
        "issue": Record(
            id=int(issue.id),
            key=issue.key,
            summary=issue.fields["summary"],
            labels=list(issue.fields["labels"]),
            status=Record(id=int(status.id), name=status.name),
            issueType=Record(id=int(kind.id), name=kind.name),
        ),
    }


def _roles(person: Person) -> list[Record]:
    return [Record(id=role.id, name=role.name) for role in people.roles_of(person)]
