"""JQL search: bounded, paged, and as late as the real one."""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from sandbox import issues, jql
from sandbox.beans import Beans, names, selected
from sandbox.issues import RestError
from sandbox.world import Issue

Json = dict[str, Any]

PAGE = 50
LARGEST_PAGE = 100
LARGEST_LEAN_PAGE = 5000
"""When only ids and keys are asked for."""
MOST_RECONCILED = 50


@dataclass(frozen=True)
class Search:
    text: str
    fields: tuple[str, ...] = ("id",)
    size: int = PAGE
    token: str | None = None
    reconciled: frozenset[str] = frozenset()
    expand: str = ""
    is_bounded: bool = True
    """Whether a query needs a restriction; a self-managed Jira asks for none."""


def run(beans: Beans, search: Search, paths: frozenset[str]) -> Json:
    """One page, as the index knows it; `reconciled` issues as they are."""
    if len(search.reconciled) > MOST_RECONCILED:
        raise RestError(400, [f"reconcileIssues: at most {MOST_RECONCILED} ids"])
    try:
        with beans.world.lock:
            found = matching(beans, search, paths)
            return _page(beans, search, found)
    except jql.JqlError as error:
        raise RestError(400, [str(error)]) from None


def matching(beans: Beans, search: Search, paths: frozenset[str]) -> list[Issue]:
    """All that the query finds, in its order."""
    query = jql.parse(search.text, is_bounded=search.is_bounded)
    test = jql.matcher(beans.world, query, paths)
    found = [
        issue
        for issue in beans.world.indexed(reconciled=search.reconciled)
        if issues.visible(issue, beans.viewer) and test(issue)
    ]
    # without an order Jira gives the newest first
    found.sort(key=lambda issue: int(issue.id), reverse=True)
    for name, descending in reversed(query.order):
        found.sort(key=lambda issue: _sort_key(issue, name), reverse=descending)
    return found


def _sort_key(issue: Issue, name: str) -> tuple[str, int]:
    if name == "id":
        return "", int(issue.id)
    if name == "key":
        project, _, number = issue.key.rpartition("-")
        return project, int(number)
    return str(getattr(issue, name)), int(issue.id)


def _page(beans: Beans, search: Search, found: list[Issue]) -> Json:
    lean = set(search.fields) <= {"id", "key"}
    size = min(search.size, LARGEST_LEAN_PAGE if lean else LARGEST_PAGE)
    start = _start(search)
    page = found[start : start + size]
    answer: Json = {"issues": [_row(beans, search, issue) for issue in page]}
    answer["isLast"] = start + size >= len(found)
    if not answer["isLast"]:
        answer["nextPageToken"] = _token(search.text, start + size)
    if "names" in search.expand:
        answer["names"] = selected(names(), list(search.fields))
    return answer


def _row(beans: Beans, search: Search, issue: Issue) -> Json:
    row = beans.issue(issue, list(search.fields))
    if set(search.fields) <= {"id"}:
        return {"id": row["id"]}
    if set(search.fields) <= {"id", "key"}:
        return {name: row[name] for name in ("id", "key", "self")}
    if "changelog" in search.expand:
        row["changelog"] = beans.changelog(issue)
    return row


def _token(text: str, start: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([text, start]).encode()).decode()


def _start(search: Search) -> int:
    if not search.token:
        return 0
    try:
        text, start = json.loads(base64.urlsafe_b64decode(search.token))
    except (binascii.Error, ValueError):
        raise RestError(400, ["The nextPageToken is invalid."]) from None
    if text != search.text:
        raise RestError(400, ["The nextPageToken belongs to another query."])
    return int(start)
