"""The pages without a browser: they are there, and they are careful."""

from html import unescape

import pytest
from flask.testing import FlaskClient

from sandbox import Jira, adf, catalogue, mishaps, people, workflow
from sandbox.web import hosting
from sandbox.web.asking import COOKIE
from tests.sandbox.stand_in import StandIn

SITE = "http://jira.test"
EVIL = "<script>alert(1)</script>"
PAGES = (
    "/projects/DEMO",
    "/projects/DEMO/columns",
    "/projects/OPS",
    "/browse/DEMO-1",
    "/workflows/DEMO: Delivery workflow",
    "/apps/",
    "/traffic",
    "/traffic/rows",
    "/mishaps/",
    "/receiver/deploy",
    "/receiver/deploy/received",
)


@pytest.mark.parametrize("path", PAGES)
def test_page_is_there(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


def test_what_people_write_is_shown_as_text(client: FlaskClient, jira: Jira) -> None:
    issue = jira.create_issue(summary=EVIL, labels=[EVIL.replace(" ", "")])
    jira.comment(issue.key, adf.document(EVIL))
    link = {"type": "link", "attrs": {"href": "javascript:alert(1)"}}
    node = {"type": "text", "text": "click", "marks": [link]}
    body = adf.document("x")
    body["content"][0]["content"] = [node]
    jira.comment(issue.key, body)
    jira.issue(issue.key).properties[EVIL] = {"x": EVIL}
    jira.add_post_function("Deploy", EVIL)
    for path in (*PAGES, f"/browse/{issue.key}"):
        text = client.get(path).text
        assert "<script>alert" not in text
        assert 'href="javascript' not in text


def test_moving_an_issue_by_its_button(client: FlaskClient, jira: Jira) -> None:
    moved = {"transition": "31", "next": "/projects/DEMO"}
    answer = client.post("/browse/DEMO-1/transition", data=moved)
    assert answer.headers["Location"] == "/projects/DEMO"
    assert jira.status_of("DEMO-1") == "Done"
    away = {"transition": "51", "next": "//elsewhere.test"}
    answer = client.post("/browse/DEMO-1/transition", data=away)
    assert answer.headers["Location"] == "/browse/DEMO-1"


def test_who_one_is_decides_what_one_sees(client: FlaskClient) -> None:
    assert "DEMO-8" in client.get("/projects/DEMO").text
    client.post("/user", data={"account_id": people.VIC.account_id})
    assert "DEMO-8" not in client.get("/projects/DEMO").text
    hidden = client.get("/browse/DEMO-8")
    assert hidden.status_code == 404
    assert "or you do not have permission to see it." in hidden.text
    assert "Signed in as" in hidden.text
    client.post("/browse/DEMO-1/transition", data={"transition": "31"})
    assert "illegal workflow operation" in client.get("/browse/DEMO-1").text
    client.post("/user", data={"account_id": people.APP.account_id})
    cookie = client.get_cookie(COOKIE)
    assert cookie is not None
    assert cookie.value == people.VIC.account_id


def test_editing_a_workflow_is_on_the_draft(client: FlaskClient, jira: Jira) -> None:
    base = "/workflows/DEMO: Delivery workflow"
    added = {"value": '{"v": 1}', "rule_id": "f-1"}
    client.post(f"{base}/transitions/31/add/rule", data=added)
    flow = workflow.get(jira.world, catalogue.WORKFLOW)
    assert flow.live == {}
    assert flow.draft is not None
    assert flow.draft["31"][0].id == "f-1"
    client.post(f"{base}/publish")
    assert flow.live["31"][0].value == '{"v": 1}'
    client.post(f"{base}/functions/f-1/edit", data={"value": "new"})
    assert flow.live["31"][0].value == '{"v": 1}'
    client.post(f"{base}/discard")
    client.post(f"{base}/functions/f-1/delete")
    client.post(f"{base}/publish")
    assert flow.live["31"] == []


def test_mishap_button_tells_the_answer(client: FlaskClient) -> None:
    answer = client.post(
        "/mishaps/clock-drift?seconds=-60",
        data={"issue": "DEMO-4"},
        follow_redirects=True,
    )
    assert "clock that is -60 s off for DEMO-4" in answer.text
    assert "The add-on answered 204." in answer.text
    assert 'Look at its <a href="/plugins/servlet/ac/stand-in/config">' in answer.text


def test_mishap_tells_the_answer_in_one_line(
    client: FlaskClient, stand_in: StandIn
) -> None:
    stand_in.status, stand_in.text = 401, '{\n  "error": "no"\n}\n'
    client.post("/mishaps/wrong-secret", data={"issue": "DEMO-4"})
    text = unescape(client.get("/mishaps/").text)
    assert 'The add-on answered 401 ({ "error": "no" }). Look at its' in text
    assert "the refused call stands there" in text


def test_what_is_amiss_is_on_every_page(client: FlaskClient) -> None:
    for name in ("cut-wire", "refuse-addon"):
        client.post(f"/mishaps/{name}")
    for path in ("/projects/DEMO", "/traffic", "/receiver/deploy"):
        text = client.get(path).text
        assert "The wire is cut." in text
        assert "Jira refuses the add-on" in text
    for name in ("cut-wire", "refuse-addon"):
        client.post(f"/mishaps/{name}")
    client.get("/mishaps/")
    assert "The wire is cut." not in client.get("/mishaps/").text


def test_page_of_the_app_belongs_to_apps(client: FlaskClient) -> None:
    if not hosting.is_there():
        pytest.skip("there is no node_modules: npm ci --ignore-scripts")
    text = client.get("/plugins/servlet/ac/stand-in/config", base_url=SITE).text
    assert '<a href="/apps/" aria-current="page">Apps</a>' in text


def test_every_mishap_has_a_button(client: FlaskClient) -> None:
    text = client.get("/mishaps/").text
    for name in mishaps.MISHAPS:
        assert f'formaction="/mishaps/{name}' in text


def test_missing_library_is_said_plainly(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosting, "is_there", lambda: False)
    answer = client.get("/plugins/servlet/ac/stand-in/config")
    assert answer.status_code == 503
    assert "npm ci --ignore-scripts" in answer.text


def test_unknown_pages(client: FlaskClient) -> None:
    for path in ("/projects/X", "/browse/DEMO-99", "/workflows/X", "/nothing"):
        assert client.get(path).status_code == 404
        assert "<h1>Not here</h1>" in client.get(path).text
    assert client.get("/plugins/servlet/ac/stand-in/none").status_code == 404
    assert client.get("/plugins/servlet/ac/another/config").status_code == 404


def test_apps_page_installs_and_uninstalls(client: FlaskClient, jira: Jira) -> None:
    client.post("/apps/uninstall")
    assert not jira.site.installed
    assert "Not installed" in client.get("/apps/").text
    assert client.get("/plugins/servlet/ac/stand-in/config").status_code in {409, 503}
    client.post("/apps/install")
    assert jira.site.installed
