"""The control API, on which tests and scripts rely."""

from flask.testing import FlaskClient

from sandbox import Jira
from tests.sandbox.conftest import Clock
from tests.sandbox.stand_in import StandIn

API = "/sandbox/api"


def test_a_whole_story(client: FlaskClient, stand_in: StandIn) -> None:
    rule = client.post(
        f"{API}/post-functions", json={"transition": "Deploy", "value": "v"}
    ).get_json()
    moved = client.post(
        f"{API}/issues/DEMO-1/transition", json={"name": "Deploy", "user": "dee"}
    ).get_json()
    assert moved["status"] == "Done"
    assert moved["history"][0]["author"]["displayName"] == "Dee Designer"
    assert client.post(f"{API}/deliver").get_json() == {"delivered": 1}
    assert len(stand_in.triggered()) == 1
    client.post(f"{API}/issues/DEMO-1/comment", json={"text": "Hi"})
    state = client.get(f"{API}/state").get_json()
    issue = next(i for i in state["issues"] if i["key"] == "DEMO-1")
    assert [comment["text"] for comment in issue["comments"]] == ["Hi"]
    assert (state["installed"], state["pending"]) == (True, 0)
    assert "sharedSecret" not in str(state)
    client.delete(f"{API}/post-functions/{rule['id']}")
    client.post(f"{API}/issues/DEMO-4/transition", json={"id": "31"})
    assert client.post(f"{API}/deliver").get_json() == {"delivered": 0}
    assert client.get(f"{API}/traffic?limit=1").get_json()[0]["note"] == "Deploy"


def test_refusals_are_json(client: FlaskClient) -> None:
    wrong = [
        client.post(f"{API}/issues/DEMO-1/transition", json={"name": "Reopen"}),
        client.post(f"{API}/issues/DEMO-99/transition", json={"name": "Deploy"}),
        client.post(f"{API}/issues/DEMO-1/transition", json={"user": "nobody"}),
        client.post(f"{API}/issues", json={"project": "NONE"}),
        client.post(f"{API}/post-functions", json={"transition": "Fly"}),
        client.delete(f"{API}/post-functions/none"),
        client.post(f"{API}/iframe", json={"module": "none"}),
    ]
    assert [a.status_code for a in wrong] == [400, 404, 404, 400, 404, 404, 404]
    assert all(answer.is_json for answer in wrong)


def test_clock_and_settings(client: FlaskClient, jira: Jira, clock: Clock) -> None:
    client.post(f"{API}/clock", json={"offset_seconds": -60})
    assert (jira.world.now() - clock()).total_seconds() == -60
    given = {"lag": 1, "retry_seconds": 0.5, "identifier_header": False}
    answer = client.post(f"{API}/settings", json=given).get_json()
    assert answer == {"lag": 1.0, "retry_seconds": 0.5, "identifier_header": False}


def test_tokens_and_iframes(client: FlaskClient, jira: Jira) -> None:
    made = jira.add_post_function("Deploy", "v")
    token = client.post(f"{API}/context-token", json={"user": "vic"}).get_json()
    assert token["token"].count(".") == 2
    page = client.post(f"{API}/iframe", json={"module": "config"}).get_json()
    assert page["url"].startswith("https://stand-in.test/page?xdm_e=")
    rule = client.post(f"{API}/iframe", json={"view": "edit", "function": made.id})
    assert f"id={made.id}" in rule.get_json()["url"]


def test_issues_come_and_go(client: FlaskClient, jira: Jira) -> None:
    made = client.post(f"{API}/issues", json={"summary": "New", "user": "dee"})
    assert made.status_code == 201
    key = made.get_json()["key"]
    client.post(f"{API}/issues/{key}/status", json={"status": "In Review"})
    assert jira.status_of(key) == "In Review"
    assert jira.issue(key).history == []
    client.delete(f"{API}/issues/{key}")
    assert jira.world.find_issue(key) is None


def test_reset(client: FlaskClient, jira: Jira) -> None:
    before = jira.site.client_key
    jira.delete_issue("DEMO-1")
    after = client.post(f"{API}/reset").get_json()["clientKey"]
    assert before != after == jira.site.client_key
    assert jira.world.find_issue("DEMO-1")
    answer = client.post(f"{API}/install").get_json()
    assert answer["status"] == 204
