"""Our pages through Forge: the same views, asked for with a person's token (T10)."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from app.http import Response
from app.runs import Run
from app.worker import Worker
from sandbox import Jira, people
from tests.functional.conftest import BASE_URL, rule
from tests.functional.doors import Pass, invocation, meant
from tests.functional.fakes import Clock, call
from tests.functional.opening import NEW, START

ADA, DEE = people.named("ada").account_id, people.named("dee").account_id
API = "/forge/api/v1"


@dataclass(frozen=True)
class Front:
    """Forge's front end on one site, as this person uses it."""

    app: Flask
    site: Jira

    def shown(self, account_id: str) -> Pass:
        return invocation(self.site, "forge_page", API, account_id, {})

    def ask(self, method: str, path: str, shown: Pass, body: Any = None) -> Response:
        data = b"" if body is None else json.dumps(body).encode()
        headers = shown.headers | {"Content-Type": "application/json"}
        return call(self.app, method, f"{BASE_URL}{API}/{path}", headers, data)


@pytest.fixture
def front(app: Flask, forge_site: Jira) -> Front:
    return Front(app=app, site=forge_site)


def test_fragment_comes_inside_json(front: Front) -> None:
    answer = front.ask("GET", "pages/overview", front.shown(ADA))

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    said = json.loads(answer.body)
    assert said["answered"] == 200
    assert "<h1>Countersign</h1>" in said["body"]["html"]


def test_problems_of_a_form_and_what_is_gone_come_through(front: Front) -> None:
    broken = front.ask(
        "POST", "rules/check", front.shown(ADA), {"rule": NEW | {"v": 2}}
    )
    gone = front.ask("GET", "pages/nowhere", front.shown(ADA))

    assert (broken.status, meant(broken).status) == (200, 422)
    assert json.loads(meant(broken).body)["problems"]
    assert gone.status == 404


def test_run_is_carried_out_again_at_a_site_that_has_no_other_door(
    front: Front, worker: Worker, all_runs: Callable[[], list[Run]]
) -> None:
    fails = {"do": "transition-issue", "transition": "Fly"}
    front.site.add_post_function(START, rule(fails))
    front.site.set_status("DEMO-1", "To Do")
    front.site.transition("DEMO-1", START)
    front.site.deliver_pending()
    worker.drain()
    [failed] = all_runs()

    answer = front.ask("POST", f"runs/{failed.id}/replay", front.shown(ADA), {})
    worker.drain()

    assert meant(answer).status == 202
    assert [run.replay_of for run in all_runs()] == [None, failed.id]


def test_download_is_fetched_by_its_whole_address(front: Front) -> None:
    asked = front.ask("POST", "downloads", front.shown(ADA), {"what": "diagnostics"})

    url = json.loads(meant(asked).body)["url"]
    file = call(front.app, "GET", url, {}, b"")

    assert url.startswith(f"{BASE_URL}/downloads/")
    assert file.status == 200


def test_t10_another_persons_token_says_nothing_more_of_who_asks(
    front: Front, clock: Clock
) -> None:
    """Attack: an administrator's token beside a page of somebody who is none."""
    admins, others = front.shown(ADA), front.shown(DEE)
    mixed = replace(others, lent=admins.lent)
    turned = replace(admins, lent=others.lent)

    found = [
        meant(front.ask("GET", "pages/keys", shown)).status
        for shown in (others, mixed, turned)
    ]

    assert found == [403, 403, 403]
    clock.advance(timedelta(seconds=11))  # a no is asked again by then
    assert meant(front.ask("GET", "pages/keys", front.shown(ADA))).status == 200


def test_t10_without_a_persons_token_nobody_is_an_administrator(front: Front) -> None:
    bare = replace(front.shown(ADA), lent={})

    assert meant(front.ask("GET", "pages/keys", bare)).status == 403


def test_t16_pages_token_is_refused_when_it_has_expired(
    front: Front, clock: Clock
) -> None:
    shown = front.shown(ADA)
    clock.advance(timedelta(minutes=1))

    assert front.ask("GET", "pages/keys", shown).status == 401


def test_keys_page_names_the_token_that_forge_lends(front: Front) -> None:
    answer = front.ask("GET", "pages/keys", front.shown(ADA))

    html = json.loads(answer.body)["body"]["html"]
    assert "Token that Forge lends" in html
    assert "Secret shared with Jira" not in html
