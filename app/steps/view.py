"""What templates may read: the confirmed issue and the run, as plain read-only data."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from app.jira import Issue
from app.steps import adf


def view(
    issue: Issue,
    *,
    transition: Mapping[str, str],
    actor: str | None,
    run: Mapping[str, str],
) -> Mapping[str, Any]:
    """Return the five roots of a template; nothing in them can be changed or called.

    Every field of the issue is there by its id; rich text is there as plain text.
    Where Jira names no actor, `actor.accountId` is empty.
    """
    project = issue.fields.get("project") or {}
    roots = {
        "issue": {**issue.fields, "id": issue.id, "key": issue.key},
        "project": {name: project.get(name) for name in ("id", "key", "name")},
        "transition": transition,
        "actor": {"accountId": actor},
        "run": run,
    }
    return MappingProxyType({name: _frozen(value) for name, value in roots.items()})


def _frozen(value: Any) -> Any:  # noqa: ANN401
    if adf.is_document(value):
        return adf.text(value)
    if isinstance(value, Mapping):
        return MappingProxyType({key: _frozen(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return tuple(_frozen(item) for item in value)
    return value
