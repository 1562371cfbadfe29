"""REST: search, the inventory of rules, and permissions."""

from collections.abc import Callable, Iterator
from typing import Any

from flask import request

from sandbox import catalogue, issues, people, search
from sandbox.beans import Beans
from sandbox.issues import RestError
from sandbox.people import Person
from sandbox.search import Search
from sandbox.web import asking, issue_api, rest
from sandbox.world import CONDITION, POST_FUNCTION, Rule, Workflow

Json = dict[str, Any]

route = rest.BLUEPRINT.route
_RULE_TYPES = frozenset({"postfunction", "condition", "validator"})
_KINDS = (
    ("postfunction", "postFunctions", POST_FUNCTION),
    ("condition", "conditions", CONDITION),
)
"""How a type is asked for, answered, and called in a descriptor."""
_RULES_PAGE = 10
_PROJECT_PERMISSIONS = people.PROJECT_ADMIN
_MOST_CHECKED = 1000


def _run(asked: Search) -> Json:
    jira = asking.jira()
    shown = Beans(jira.world, rest.caller())
    return search.run(shown, asked, jira.addon.searchable_paths())


@route(f"{rest.V3}/search/jql", methods=["GET"])
def search_by_get() -> Json:
    return _run(
        Search(
            text=request.args.get("jql", ""),
            fields=tuple(asking.words("fields")) or ("id",),
            size=asking.number("maxResults", search.PAGE),
            token=request.args.get("nextPageToken"),
            reconciled=frozenset(asking.words("reconcileIssues")),
            expand=request.args.get("expand", ""),
        )
    )


@route(f"{rest.V3}/search/jql", methods=["POST"])
def search_by_post() -> Json:
    given = asking.body()
    return _run(
        Search(
            text=str(given.get("jql") or ""),
            fields=tuple(given.get("fields") or ("id",)),
            size=int(given.get("maxResults") or search.PAGE),
            token=given.get("nextPageToken"),
            reconciled=frozenset(str(n) for n in given.get("reconcileIssues") or []),
            expand=str(given.get("expand") or ""),
        )
    )


@route(f"{rest.V3}/workflow/rule/config", methods=["GET"])
def get_rules() -> Json:
    """Only the calling app's rules; drafts are told apart by a flag."""
    if not rest.caller().is_app:
        raise RestError(403, ["Only apps can use this resource."])
    types = asking.words("types")
    if not types or set(types) - _RULE_TYPES:
        raise RestError(400, ["types: postfunction, condition or validator"])
    jira = asking.jira()
    with jira.world.lock:
        flows = list(jira.world.state.workflows.values())
        values = [bean for flow in flows for bean in _versions(flow, types)]
    return issue_api.page(values, "workflow/rule/config", _RULES_PAGE)


def _versions(flow: Workflow, types: list[str]) -> Iterator[Json]:
    names = request.args.getlist("workflowNames")
    if names and flow.name not in names:
        return
    wanted = request.args.get("draft")
    for is_draft, rules in ((False, flow.live), (True, flow.draft)):
        if rules is None or wanted == str(not is_draft).lower():
            continue
        shown = {
            member: list(_placed(rules, kind)) if name in types else []
            for name, member, kind in _KINDS
        }
        if any(shown.values()):
            yield {
                "workflowId": {"name": flow.name, "draft": is_draft},
                **shown,
                "validators": [],
            }


def _placed(rules: dict[str, list[Rule]], kind: str) -> Iterator[Json]:
    keys = asking.words("keys")
    own = {module["key"] for module in asking.jira().addon.modules(kind)}
    for made in catalogue.TRANSITIONS:
        for rule in rules.get(made.id, []):
            if rule.kind != kind or rule.module not in own:
                continue
            if keys and rule.module not in keys:
                continue
            bean: Json = {
                "id": rule.id,
                "key": rule.module,
                "configuration": {"value": rule.value, "disabled": False},
            }
            if "transition" in asking.words("expand"):
                bean["transition"] = {"id": int(made.id), "name": made.name}
            yield bean


@route(f"{rest.V3}/permissions/check", methods=["POST"])
def check_permissions() -> Json:
    """What is granted; ids that do not exist are silently left out."""
    given, asker = asking.body(), rest.caller()
    account = given.get("accountId") or asker.account_id
    if account != asker.account_id and not (asker.is_app or asker.is_admin):
        raise RestError(403, ["Only an administrator may ask about others."])
    person = people.find(str(account))
    wanted = given.get("globalPermissions") or []
    if unknown := set(wanted) - people.GLOBAL_PERMISSIONS:
        raise RestError(400, [f"Unrecognized permission: {min(unknown)}"])
    if person is None:
        return {"globalPermissions": [], "projectPermissions": []}
    return {
        "globalPermissions": [p for p in wanted if person.may_globally(p)],
        "projectPermissions": [
            grant
            for group in given.get("projectPermissions") or []
            for grant in _grants(group, person)
        ],
    }


def _grants(group: Json, person: Person) -> Iterator[Json]:
    projects, several = group.get("projects") or [], group.get("issues") or []
    if len(projects) > _MOST_CHECKED or len(several) > _MOST_CHECKED:
        raise RestError(400, ["At most 1000 projects and 1000 issues."])
    for permission in group.get("permissions") or []:
        if permission not in _PROJECT_PERMISSIONS:
            raise RestError(400, [f"Unrecognized permission: {permission}"])
        if not person.may(permission):
            continue
        yield {
            "permission": permission,
            "projects": _existing(projects, _is_project),
            "issues": _existing(several, lambda number: _sees(person, number)),
        }


def _existing(numbers: list[object], exists: Callable[[str], bool]) -> list[int]:
    """Ids are integers; others are ignored like those that are not there."""
    return [n for n in numbers if isinstance(n, int) and exists(str(n))]


def _is_project(number: str) -> bool:
    return any(number == project.id for project in catalogue.PROJECTS)


def _sees(person: Person, number: str) -> bool:
    issue = asking.jira().world.state.issues.get(number)
    return issue is not None and issues.visible(issue, person)
