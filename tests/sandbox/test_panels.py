"""Panels beside an issue: shown to whom the app's conditions let, with its context."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient

from sandbox import Jira, people, tokens
from sandbox.web import hosting
from sandbox.web.asking import COOKIE

Json = dict[str, Any]
LOCATION = "atl.jira.view.issue.right.context"
SEES = {"condition": "has_issue_permission", "params": {"permission": "EDIT_ISSUES"}}
PANEL: Json = {
    "key": "panel",
    "name": {"value": "Stand-in panel"},
    "url": "/page?issue={issue.id}&key={issue.key}",
    "location": LOCATION,
    "conditions": [SEES],
}
SITE = "http://jira.test"


@pytest.fixture
def page(client: FlaskClient, jira: Jira) -> FlaskClient:
    if not hosting.is_there():
        pytest.skip("there is no node_modules: npm ci --ignore-scripts")
    jira.site.descriptor["modules"]["webPanels"] = [dict(PANEL)]
    return client


def look(page: FlaskClient, person: people.Person, key: str = "DEMO-1") -> str:
    page.set_cookie(COOKIE, person.account_id, domain="jira.test")
    return page.get(f"/browse/{key}", base_url=SITE).text


def test_panel_is_beside_the_issue_for_whom_its_conditions_let(
    page: FlaskClient,
) -> None:
    assert "Stand-in panel" in look(page, people.DEE)
    assert "Stand-in panel" not in look(page, people.VIC)


@pytest.mark.parametrize(
    ("conditions", "is_shown"),
    [
        ([], True),
        ([{"condition": "user_is_logged_in"}], True),
        ([SEES | {"invert": True}], False),
        ([{"condition": "user_is_admin"}], False),
        ([{"or": [{"condition": "user_is_admin"}, SEES]}], True),
        ([{"and": [{"condition": "user_is_admin"}, SEES]}], False),
        ([{"condition": "nobody_knows_it"}], False),
    ],
)
def test_conditions_are_joined_and_an_unknown_one_hides(
    page: FlaskClient, jira: Jira, conditions: list[Json], *, is_shown: bool
) -> None:
    jira.site.descriptor["modules"]["webPanels"][0]["conditions"] = conditions
    assert ("Stand-in panel" in look(page, people.DEE)) is is_shown


def test_panel_elsewhere_is_not_shown(page: FlaskClient, jira: Jira) -> None:
    jira.site.descriptor["modules"]["webPanels"][0]["location"] = "atl.elsewhere"
    assert "Stand-in panel" not in look(page, people.ADA)


def test_panel_knows_its_issue_and_who_looks(page: FlaskClient, jira: Jira) -> None:
    del page
    query = parse_qs(urlsplit(jira.panel_url("DEMO-1", "dee")).query)
    assert (query["issue"], query["key"]) == (["10100"], ["DEMO-1"])
    claims = tokens.peek(query["jwt"][0])
    assert claims["sub"] == people.DEE.account_id
    assert claims["context"]["jira"]["issue"]["id"] == "10100"


def test_issue_is_opened_by_the_name_that_may_hold_the_panel(
    page: FlaskClient,
) -> None:
    answer = page.get("/browse/DEMO-1", base_url="http://elsewhere.test")
    assert answer.headers["Location"] == f"{SITE}/browse/DEMO-1"
