"""GitHub inside the sandbox: at its address, on its pages, by the control API."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from sandbox.github import GitHub
from tests.sandbox.conftest import Clock
from tests.sandbox.github_app import ASKED, DISPATCHES, Owner, order
from tests.sandbox.stand_in import StandIn

Json = dict[str, Any]

CONTROL = "/sandbox/api/github"
ANSWER_TO = "https://stand-in.test/answers"


@pytest.fixture
def owner(client: FlaskClient, lent: Flask, clock: Clock) -> Owner:
    del client
    return Owner(lent.extensions["github"], clock)


def send(client: FlaskClient, owner: Owner, body: Json) -> Any:
    """A dispatch, over the wire."""
    headers = owner.headers | {"Authorization": f"Bearer {owner.token()}"}
    return client.post(f"/github/api{DISPATCHES}", json=body, headers=headers)


def test_build_goes_from_dispatch_to_answer(
    client: FlaskClient, owner: Owner, stand_in: StandIn
) -> None:
    stand_in.status, stand_in.text = 200, "thank you"
    asked = json.dumps(ASKED)
    answer = send(client, owner, order(countersign=asked))
    assert answer.status_code == 200
    where = answer.get_json()["html_url"]
    assert where.startswith("http://jira.test/github/acme/shop/actions/runs/")
    assert client.post(f"{CONTROL}/go").get_json() == {"builds": 1}
    method, path, headers, body = stand_in.seen[-1]
    assert (method, path) == ("POST", "/answers")
    assert headers["Authorization"].startswith("Bearer ey")
    assert json.loads(body)["answer_key"] == ASKED["answer_key"]
    page = client.get(where.removeprefix("http://jira.test")).text
    assert "thank you" in page
    assert ASKED["delivery"] in page
    overview = client.get("/github").text
    assert "our answer: 200" in overview
    assert "acme/shop" in overview
    told = client.get(f"{CONTROL}").get_json()
    for shown in (page, overview, client.get("/github/runs").text, json.dumps(told)):
        assert ASKED["answer_key"] not in shown
    [run] = told["runs"]
    assert (run["status"], run["answers"][0]["status"]) == ("completed", 200)


def test_issuer_is_published(client: FlaskClient) -> None:
    found = client.get("/github/token/.well-known/openid-configuration").get_json()
    assert found["issuer"] == "http://jira.test/github/token"
    [key] = client.get(found["jwks_uri"].removeprefix("http://jira.test")).get_json()[
        "keys"
    ]
    assert (key["alg"], key["use"], key["kty"]) == ("RS256", "sig", "RSA")
    assert "d" not in key
    assert client.get("/github/token/elsewhere").status_code == 404


def test_api_answers_as_such_on_the_network(client: FlaskClient, owner: Owner) -> None:
    headers = owner.headers | {"Authorization": f"Bearer {owner.app_jwt()}"}
    answer = client.get("/github/api/app", headers=headers)
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert client.get("/github/api/nothing", headers=headers).status_code == 404
    client.post(f"{CONTROL}/api", json={"how": "429", "times": 1, "seconds": 9})
    limited = send(client, owner, order())
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "9")
    client.post(f"{CONTROL}/api", json={"how": "drop", "times": 1})
    # there is no connection to close in a test: the server is told by an exception
    assert send(client, owner, order()).status_code == 500
    assert len(client.get(CONTROL).get_json()["runs"]) == 1


def test_key_is_shown_on_demand_only(client: FlaskClient) -> None:
    key = client.get(f"{CONTROL}/key").get_json()["private_key"]
    assert key.startswith("-----BEGIN RSA PRIVATE KEY-----")
    second_line = key.splitlines()[1]
    assert second_line not in client.get("/github").text
    shown = client.post("/github/key")
    assert second_line in shown.text
    assert shown.headers["Cache-Control"] == "no-store"
    other = client.post("/github/key", data={"new": "1"})
    assert second_line not in other.text
    assert "PRIVATE KEY" in other.text
    assert client.get(f"{CONTROL}/key").get_json()["private_key"] != key


def test_manners_are_forms(client: FlaskClient, owner: Owner) -> None:
    client.post("/github/manners", data={"of": "api", "how": "422", "on": "any"})
    client.post("/github/manners", data={"of": "builds", "how": "late", "times": "1"})
    page = client.get("/github").text
    assert "Answer 422." in page
    assert "For the next 1 builds." in page
    client.post("/github/manners", data={"of": "api", "how": "well", "on": "dispatch"})
    send(client, owner, order(countersign=json.dumps(ASKED)))
    client.post(f"{CONTROL}/go")
    build = owner.github.builds[-1]
    where = f"/github/{build.run.path}"
    assert "Answer now" in client.get(where).text
    told = client.post(where, data={"do": "answer"}, follow_redirects=True)
    assert "The add-on said 204." in told.text
    client.post(where, data={"do": "other-run"})
    client.post(where, data={"do": "finish"})
    page = client.get(where).text
    assert "From another run" in page
    assert [one.note for one in build.answers] == ["", "From another run"]
    assert build.run.conclusion == "success"
    assert (
        "no manner"
        in client.post(
            "/github/manners", data={"how": "badly"}, follow_redirects=True
        ).text
    )
    assert (
        client.get(f"/github/acme/intranet/actions/runs/{build.id}").status_code == 404
    )


def test_control_answers_for_a_build(client: FlaskClient, owner: Owner) -> None:
    client.post(f"{CONTROL}/builds", json={"how": "late"})
    send(client, owner, order(countersign=json.dumps(ASKED)))
    client.post(f"{CONTROL}/go")
    number = owner.github.builds[0].id
    where = f"{CONTROL}/runs/{number}"
    for given in ({}, {"as": "expired"}, {"changes": {"result": "failed"}}):
        assert client.post(f"{where}/answer", json=given).get_json() == {"status": 204}
    assert client.post(f"{where}/answer", json={"as": "x"}).status_code == 404
    assert client.post(f"{where}/finish").get_json()["conclusion"] == "success"
    assert [one["note"] for one in client.get(where).get_json()["answers"]] == [
        "",
        "Expired",
        "",
    ]
    assert client.get(f"{CONTROL}/runs/1").status_code == 404
    assert len(client.post(f"{CONTROL}/issuer").get_json()["kids"]) == 2
    assert client.delete(CONTROL).get_json()["runs"] == []


def test_builds_go_by_themselves_in_background(clock: Clock) -> None:
    heard = threading.Event()

    def transport(*_: object) -> tuple[int, bytes]:
        heard.set()
        return 204, b""

    github = GitHub(now=clock, transport=transport, pause=0)
    Owner(github, clock).started()
    assert heard.wait(10)


def test_key_outlives_a_restart(clock: Clock, tmp_path: Path) -> None:
    path = tmp_path / "state.github.pem"
    before = GitHub(now=clock, key_path=path)
    key = before.new_private_key()
    assert path.stat().st_mode & 0o077 == 0
    after = Owner(GitHub(now=clock, key_path=path), clock)
    assert after.github.private_key == key
    assert after.ask("GET", "/app", token=after.app_jwt()).status == 200
