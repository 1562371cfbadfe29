"""The workflow condition's pages: who may pass is chosen, stored, and said again."""

import json
import re

import pytest
from flask import Flask

from app.rules import soundness
from sandbox import Jira, people
from tests.functional.callers import Caller
from tests.functional.fakes import Clock
from tests.functional.opening import opened, post, text

EDITOR = "/api/v1/pages/condition-editor"
VIEW = "/api/v1/pages/condition-view"
OURS = people.APP.account_id


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


def shown(caller: Caller, path: str, stored: str = "") -> str:
    answer = post(caller, path, {"value": stored})
    assert answer.status == 200
    return re.sub(r"\s+", " ", text(answer))


def options(html: str) -> dict[str, str]:
    """Return the form's choices: what Jira would keep, by label."""
    found = re.findall(r'<option value="([^"]*)"[^>]*>([^<]*)<', html)
    return {label: value.replace("&#34;", '"') for value, label in found}


@pytest.mark.parametrize("view", ["create", "edit", "view"])
def test_page_opens_for_an_admin_only(caller: Caller, view: str) -> None:
    path = f"/condition/{view}"

    assert f'data-view="condition-{view}"' in text(opened(caller, path))
    assert opened(caller, path, "dee").status == 403
    assert caller.send("GET", path).status == 401


def test_form_offers_the_sites_roles_and_stores_our_account(caller: Caller) -> None:
    choices = options(shown(caller, EDITOR))

    assert json.loads(choices["(none)"]) == {"v": 1, "account": OURS, "role": None}
    assert json.loads(choices["Administrators"])["role"] == 10002
    assert choices["Administrators"] == soundness.config_of(OURS, 10002)


def test_what_was_stored_is_chosen_again(caller: Caller) -> None:
    html = shown(caller, EDITOR, soundness.config_of(OURS, 10003))

    assert re.search(r"selected>Developers<", html)
    assert "not for this installation" not in html


def test_role_that_is_gone_is_kept_and_said_to_be_gone(caller: Caller) -> None:
    html = shown(caller, EDITOR, soundness.config_of(OURS, 77))

    assert "selected>role 77, which this site shows no more<" in html


@pytest.mark.parametrize(
    ("role", "words"),
    [
        (None, "Only Countersign may make this transition."),
        (10002, "Only Countersign, and people with the project role “Administrators”,"),
    ],
)
def test_view_says_who_may_pass(caller: Caller, role: int | None, words: str) -> None:
    assert words in shown(caller, VIEW, soundness.config_of(OURS, role))


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "not json",
        "[]",
        soundness.config_of("somebody-else", None),
        json.dumps({"v": 1, "account": OURS, "role": None, "expression": "true"}),
    ],
)
def test_view_warns_of_a_condition_that_is_not_ours(
    caller: Caller, stored: str
) -> None:
    html = shown(caller, VIEW, stored)

    assert "not for this installation" in html
    assert "Only Countersign may make" not in html


def test_jira_that_does_not_answer_is_said_and_nothing_can_be_saved(
    caller: Caller,
) -> None:
    caller.jira.refuses_addon = False
    assert post(caller, EDITOR, {"value": ""}).status == 200  # the permission is known
    caller.jira.refuses_addon = True

    html = shown(caller, EDITOR)

    assert "Jira did not answer" in html
    assert "<select" not in html


def test_t10_pages_are_for_jira_administrators(caller: Caller) -> None:
    for path in (EDITOR, VIEW):
        assert post(caller, path, {"value": ""}, "dee").status == 403


def test_expression_lets_by_whom_the_form_names_and_nobody_else(
    caller: Caller,
) -> None:
    site = caller.jira
    site.add_condition("Deployed", options(shown(caller, EDITOR))["Administrators"])
    site.set_status("DEMO-1", "Deploying")

    with pytest.raises(Exception, match="illegal workflow"):
        site.transition("DEMO-1", "Deployed", user="dee")
    site.transition("DEMO-1", "Deployed", user="ada")

    assert site.status_of("DEMO-1") == "Deployed"
