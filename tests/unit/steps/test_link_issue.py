from typing import Any

import pytest

from app.http import Response
from app.jira import JiraError
from app.steps.base import Looked, StepError
from app.steps.link_issue import LinkIssue
from tests.unit.steps.conftest import World

TYPES = {
    "issueLinkTypes": [{"id": "7", "name": "Blocks"}, {"id": "8", "name": "Relates"}]
}
OTHER = "/rest/api/3/issue/DEMO-2"


@pytest.fixture(autouse=True)
def _around(world: World) -> None:
    world.answer("GET", "/rest/api/3/issueLinkType", TYPES)
    target(world)


def target(world: World, *, number: str = "10002", project: str = "10000") -> None:
    found = {"id": number, "fields": {"project": {"id": project}}}
    world.answer("GET", OTHER, found)


def link(**more: Any) -> LinkIssue:
    given = {"type": "blocks", "target": "{{ issue.customfield_10010 }}", **more}
    return LinkIssue.model_validate(given)


@pytest.mark.parametrize(
    ("direction", "inward", "outward"),
    [("outward", "10001", "10002"), ("inward", "10002", "10001")],
)
def test_plan_links_two_numbers(
    world: World, direction: str, inward: str, outward: str
) -> None:
    planned = link(direction=direction).plan(world.context)

    assert planned is not None
    assert (planned.method, planned.path) == ("POST", "/rest/api/3/issueLink")
    assert planned.body == {
        "type": {"id": "7"},
        "inwardIssue": {"id": inward},
        "outwardIssue": {"id": outward},
    }
    assert world.http.writes == []


def test_t6_an_issue_of_another_project_is_refused(world: World) -> None:
    target(world, project="10099")

    with pytest.raises(StepError, match="another project"):
        link().plan(world.context)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "demo-2",
        "DEMO-2/../X-1",
        "DEMO-2\nDEMO-3",
        "10002",
        "DEMO-\N{FULLWIDTH DIGIT TWO}",
    ],
)
def test_what_is_no_key_is_refused_before_jira_is_asked(world: World, key: str) -> None:
    world.fields["customfield_10010"] = key

    with pytest.raises(StepError, match="gives no issue key"):
        link().plan(world.context)
    assert all("DEMO" not in sent.path for sent in world.http.sent)


def test_an_issue_that_is_not_there_or_itself_is_refused(world: World) -> None:
    target(world, number="10001")
    with pytest.raises(StepError, match="itself"):
        link().plan(world.context)

    world.answer("GET", OTHER, None)
    with pytest.raises(StepError, match="names no issue"):
        link().plan(world.context)

    world.answer("GET", OTHER, Response(status=500))
    with pytest.raises(JiraError):
        link().plan(world.context)


def test_an_unknown_type_is_an_error_that_names_the_others(world: World) -> None:
    with pytest.raises(StepError, match="“Clones”; there are “Blocks”, “Relates”"):
        link(type="Clones").plan(world.context)


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        ([], Looked.NOT_DONE),
        ([{"type": {"id": "7"}, "outwardIssue": {"id": "10002"}}], Looked.DONE),
        ([{"type": {"id": "7"}, "inwardIssue": {"id": "10002"}}], Looked.NOT_DONE),
        ([{"type": {"id": "8"}, "outwardIssue": {"id": "10002"}}], Looked.NOT_DONE),
        ([{"type": {"id": "7"}, "outwardIssue": {"id": "10003"}}], Looked.NOT_DONE),
    ],
)
def test_look_reads_the_issues_links(
    world: World, links: list[dict[str, Any]], expected: Looked
) -> None:
    planned = link().plan(world.context)
    assert planned is not None
    world.fields["issuelinks"] = links

    assert link().look(world.context, planned) is expected
    assert (link().plan(world.context) is None) == (expected is Looked.DONE)


def test_describe() -> None:
    described = link(target="DEMO-2").describe()

    assert described == "link the issue to “DEMO-2” (blocks, outward)"
