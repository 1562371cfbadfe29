"""Search: late by its lag, bounded, paged, and strict about what it knows."""

from typing import Any
from urllib.parse import quote

import pytest

from sandbox import Jira
from tests.sandbox.conftest import Clock, Rest

Json = dict[str, Any]
PATH = "/rest/api/3/search/jql"


def keys(rest: Rest, jql: str, **more: Any) -> list[str]:
    body = {"jql": jql, "fields": ["key"]} | more
    answer = rest("POST", "/rest/api/3/search/jql", body)
    assert answer.status_code == 200, answer.text
    return [issue["key"] for issue in answer.get_json()["issues"]]


def test_sees_a_change_only_after_the_lag(rest: Rest, jira: Jira, clock: Clock) -> None:
    jql = "project = DEMO AND status = Done ORDER BY id"
    assert keys(rest, jql) == ["DEMO-5"]
    jira.transition("DEMO-1", "Deploy")
    assert keys(rest, jql) == ["DEMO-5"]
    clock.advance(9.9)
    assert keys(rest, jql) == ["DEMO-5"]
    clock.advance(0.1)
    assert keys(rest, jql) == ["DEMO-1", "DEMO-5"]


def test_shows_old_values_until_then(rest: Rest, jira: Jira, clock: Clock) -> None:
    issue = jira.create_issue(summary="First")
    body = {"jql": f"project = DEMO AND key = {issue.key}", "fields": ["summary"]}
    path = "/rest/api/3/search/jql"
    assert rest("POST", path, body).get_json()["issues"] == []
    clock.advance(10)
    rest("PUT", f"/rest/api/3/issue/{issue.key}", {"fields": {"summary": "Second"}})
    [row] = rest("POST", path, body).get_json()["issues"]
    assert row["fields"]["summary"] == "First"
    clock.advance(10)
    [row] = rest("POST", path, body).get_json()["issues"]
    assert row["fields"]["summary"] == "Second"


def test_reconciled_issues_are_fresh(rest: Rest, jira: Jira) -> None:
    issue = jira.create_issue(summary="New")
    jql = f"id = {issue.id}"
    assert keys(rest, jql) == []
    assert keys(rest, jql, reconcileIssues=[int(issue.id)]) == [issue.key]


@pytest.mark.parametrize(
    ("jql", "expected"),
    [
        ("project = OPS ORDER BY key", ["OPS-1", "OPS-2", "OPS-3"]),
        ("project = 10001 ORDER BY key DESC", ["OPS-3", "OPS-2", "OPS-1"]),
        ("project = OPS", ["OPS-3", "OPS-2", "OPS-1"]),
        ("key = DEMO-1", ["DEMO-1"]),
        ("id in (10100, 10101) ORDER BY id", ["DEMO-1", "DEMO-2"]),
        ("id IN (10101) and project = demo", ["DEMO-2"]),
        ('status in ("In Review", 10004) AND labels = release ORDER BY id', None),
        ("labels in (billing, urgent) order by id", ["DEMO-2", "DEMO-6"]),
        ("parent = DEMO-1", ["DEMO-7"]),
        ("parent = 10100", ["DEMO-7"]),
        ("project = OPS AND status != 10001 ORDER BY id", ["OPS-1", "OPS-3"]),
        ("created >= -5m", []),
        ('created <= "2026-11-15" ORDER BY created', ["DEMO-1", "DEMO-2"]),
        ('issue.property[countersign.run].step = "s1"', []),
    ],
)
def test_what_it_understands(rest: Rest, jql: str, expected: list[str] | None) -> None:
    assert keys(rest, jql) == (expected or keys(rest, jql))
    if expected is None:
        assert keys(rest, jql) == ["DEMO-1", "DEMO-4", "DEMO-6"]


def test_created_is_relative_to_the_clock(rest: Rest, jira: Jira, clock: Clock) -> None:
    issue = jira.create_issue()
    clock.advance(299)
    assert keys(rest, "created >= -5m") == [issue.key]
    clock.advance(2)
    assert keys(rest, "created >= -5m") == []


def test_a_property_the_add_on_made_searchable(
    rest: Rest, jira: Jira, clock: Clock
) -> None:
    path = "/rest/api/3/issue/DEMO-2/properties/countersign.run"
    rest("PUT", path, {"step": "s1"})
    clock.advance(10)
    jql = 'project = DEMO AND issue.property[countersign.run].step = "s1"'
    assert keys(rest, jql) == ["DEMO-2"]
    jira.site.descriptor["modules"].pop("jiraEntityProperties")
    answer = rest("POST", "/rest/api/3/search/jql", {"jql": jql})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "jql",
    [
        "",
        "ORDER BY id",
        "project = NONE",
        "status = Nowhere",
        "key = DEMO-999",
        "colour = red",
        "project ~ DEMO",
        "project = DEMO OR project = OPS",
        "project = DEMO AND",
        "project = ",
        "id in (10100",
        "created >= yesterday",
        "labels > a",
        "project = DEMO ORDER BY summary",
        "issue.property[other].x = 1",
    ],
)
def test_what_it_refuses(rest: Rest, jql: str) -> None:
    answer = rest("POST", "/rest/api/3/search/jql", {"jql": jql})
    assert answer.status_code == 400
    assert answer.get_json()["errorMessages"]


@pytest.mark.parametrize(
    "jql",
    [
        "status = 10005 AND project in (10000, 10001) ORDER BY updated ASC",
        "status in (10005, 10006) AND project in (10000, 10001) ORDER BY updated ASC",
        "status in (10005, 10006)  ORDER BY updated ASC",
    ],
)
def test_what_is_held_by_integer_ids(
    rest: Rest, jira: Jira, clock: Clock, jql: str
) -> None:
    for key in ("DEMO-4", "OPS-3", "DEMO-1"):
        clock.advance(60)
        jira.transition(key, "Dispatch")
    held = ["DEMO-4", "OPS-3", "DEMO-1"]
    assert keys(rest, jql) == held[:2]
    fresh = int(jira.issue("DEMO-1").id)
    assert keys(rest, jql, reconcileIssues=[fresh]) == held
    clock.advance(10)
    assert keys(rest, jql) == held
    first = rest("GET", f"{PATH}?jql={quote(jql)}&maxResults=2&fields=key").get_json()
    token = quote(first["nextPageToken"])
    rest_of = f"{PATH}?jql={quote(jql)}&fields=key&nextPageToken={token}"
    [last] = rest("GET", rest_of).get_json()["issues"]
    assert last["key"] == "DEMO-1"


def test_pages(rest: Rest) -> None:
    body: Json = {"jql": "project = DEMO ORDER BY id", "maxResults": 3}
    seen: list[str] = []
    answer: Json = {}
    for _ in range(3):
        answer = rest("POST", "/rest/api/3/search/jql", body).get_json()
        seen += [issue["id"] for issue in answer["issues"]]
        assert all(set(issue) == {"id"} for issue in answer["issues"])
        if answer["isLast"]:
            break
        body["nextPageToken"] = answer["nextPageToken"]
    assert seen == sorted(seen)
    assert len(seen) == 7
    assert "nextPageToken" not in answer
    wrong = body | {"jql": "project = OPS"}
    assert rest("POST", "/rest/api/3/search/jql", wrong).status_code == 400
