"""The pages in Jira: who may open them, where, and with what in them."""

import json
import re
from dataclasses import replace

import pytest
from flask import Flask

from app.runtime import Runtime
from app.web import create_app, pages
from sandbox import Jira, people
from tests.functional.callers import Caller
from tests.functional.conftest import BASE_URL, SITE
from tests.functional.fakes import Clock, Wire, call
from tests.functional.opening import (
    CHECK,
    CONFIG,
    EDITOR,
    NEW,
    VIEW,
    opened,
    post,
    text,
)

SHELLS = (
    "/post-function/create",
    "/post-function/edit",
    "/post-function/view",
    "/condition/create",
    "/condition/edit",
    "/condition/view",
    "/config",
)


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


@pytest.mark.parametrize("path", SHELLS)
def test_shell_opens_for_an_admin_and_holds_nothing_of_the_tenants(
    caller: Caller, path: str
) -> None:
    answer = opened(caller, path)

    assert answer.status == 200
    page = text(answer)
    assert caller.jira.site.client_key not in page
    assert "eyJ" not in page  # no token
    assert 'data-options="margin:false"' in page
    assert not re.search(r"<script(?![^>]* src=)|style=|\son\w+=", page)


@pytest.mark.parametrize("path", SHELLS)
def test_shell_is_refused_without_a_token_and_with_a_context_token(
    caller: Caller, path: str
) -> None:
    bare = caller.send("GET", path)
    other_family = caller.send("GET", path, token=caller.context())

    assert (bare.status, other_family.status) == (401, 401)
    assert bare.body == other_family.body
    assert "text/html" in bare.headers["Content-Type"]


def test_refused_page_can_be_read_inside_the_frame_of_any_site(caller: Caller) -> None:
    policy = caller.send("GET", "/config").headers["Content-Security-Policy"]

    sites = "frame-ancestors https://*.atlassian.net https://*.jira.com"
    assert sites in policy
    assert "'unsafe" not in policy


def test_t10_page_is_for_jira_administrators(caller: Caller) -> None:
    answers = [opened(caller, "/config", user) for user in ("dee", "vic")]

    assert [answer.status for answer in answers] == [403, 403]
    assert "for Jira administrators" in text(answers[0])
    assert answers[0].body == answers[1].body


def test_t10_token_without_a_person_opens_no_page(caller: Caller) -> None:
    token = caller.url_bound("GET", "/config")

    assert caller.send("GET", "/config", token=token).status == 401


def test_page_is_framed_by_its_own_site_only_and_runs_no_foreign_script(
    caller: Caller,
) -> None:
    policy = opened(caller, "/config").headers["Content-Security-Policy"]

    directives = dict(part.split(" ", 1) for part in policy.split("; "))
    assert directives["frame-ancestors"] == SITE
    assert directives["script-src"] == "'self' https://connect-cdn.atl-paas.net"
    assert directives["connect-src"] == "'self'"
    assert directives["default-src"] == directives["form-action"] == "'none'"
    assert "'unsafe" not in policy


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", CONFIG), ("POST", EDITOR), ("POST", VIEW), ("POST", CHECK)],
)
def test_fragment_takes_a_context_token_of_an_admin_only(
    caller: Caller, method: str, path: str
) -> None:
    body = json.dumps({"value": "", "rule": NEW}).encode()
    of_jira = caller.url_bound(method, path, sub="somebody")

    assert caller.send(method, path, body=body).status == 401
    assert caller.send(method, path, token=of_jira, body=body).status == 401
    for user, status in (("vic", 403), ("ada", 200)):
        token = caller.context(user)
        assert caller.send(method, path, token=token, body=body).status == status


def test_t10_checking_while_typing_asks_jira_once_a_minute(
    caller: Caller, wire: Wire
) -> None:
    for _ in range(3):
        assert post(caller, CHECK, {"rule": NEW}).status == 200
    caller.later(seconds=61)
    assert post(caller, CHECK, {"rule": NEW}).status == 200

    asked = [r for r in wire.sent if "permissions/check" in r.url]
    assert len(asked) == 2


def test_page_below_a_path_prefix_finds_its_files_and_its_api(
    caller: Caller, runtime: Runtime
) -> None:
    below = runtime.settings.model_copy(update={"base_url": f"{BASE_URL}/sign"})
    app = create_app(replace(runtime, settings=below))
    token = caller.url_bound("GET", "/config", sub=people.ADA.account_id)

    answer = call(app, "GET", f"{BASE_URL}/sign/config?jwt={token}", {}, b"")

    assert answer.status == 200
    assert 'data-base="/sign"' in text(answer)
    assert re.search(r'"/sign/static/\w+/app\.js"', text(answer))


def test_every_page_has_a_title() -> None:
    views = {path.removeprefix("/post-function") for path in SHELLS}

    titled = {view[1:].replace("/", "-") for view in views}
    assert set(pages.TITLES) == titled | {"issue"}


def test_static_files_are_served_and_kept_by_their_version(caller: Caller) -> None:
    addresses = set(re.findall(r'"(/static/[^"]+)"', text(opened(caller, "/config"))))

    assert {name.rpartition("/")[2] for name in addresses} >= {"app.css", "app.js"}
    for address in addresses:
        answer = caller.send("GET", address)
        assert answer.status == 200
        assert "immutable" in answer.headers["Cache-Control"]


def test_static_file_of_another_version_is_served_and_not_kept(caller: Caller) -> None:
    answer = caller.send("GET", "/static/0123456789ab/app.css")

    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-cache"
