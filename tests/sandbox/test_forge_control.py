"""The control API and the buttons of Forge, on which tests and people rely."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from sandbox import Jira, create_app
from tests.sandbox.forge_stand_in import APP_ID
from tests.sandbox.stand_in import StandIn

Json = dict[str, Any]
API = "/sandbox/api/forge"


@pytest.fixture
def client(forge: Jira) -> FlaskClient:
    return create_app(forge).test_client()


def test_life_of_an_app(client: FlaskClient, stand_in: StandIn) -> None:
    first = client.get(API).get_json()
    assert (first["installed"], first["appId"]) == (True, APP_ID)
    second = client.post(f"{API}/install").get_json()
    assert second["answers"] == [{"status": 204, "answer": ""}]
    assert second["installationId"] != first["installationId"]
    assert second["cloudId"] == first["cloudId"]
    assert client.post(f"{API}/upgrade").get_json()["appVersion"] == "2.0.0"
    assert len(client.post(f"{API}/tick").get_json()["answers"]) == 1
    gone = client.post(f"{API}/uninstall").get_json()
    assert (gone["installed"], len(gone["answers"])) == (False, 1)
    paths = [path for _, path, _, _ in stand_in.seen]
    assert paths[-2:] == ["/forge/tick", "/forge/pre-uninstall"]


def test_what_needs_the_app_says_so(client: FlaskClient, stand_in: StandIn) -> None:
    client.post(f"{API}/uninstall", json={"quietly": True})
    assert stand_in.seen[-1][1] == "/forge/lifecycle"
    for what in ("tick", "upgrade", "uninstall"):
        answer = client.post(f"{API}/{what}")
        assert answer.status_code == 409
        assert "not installed" in answer.get_json()["error"]


def test_settings(client: FlaskClient, forge: Jira) -> None:
    given = {"retry_seconds": 2, "nests_payload": True, "hides_status": True}
    answer = client.post(f"{API}/settings", json=given).get_json()
    assert answer == given | {"names_page_module": False}
    assert forge.forge.app.nests_payload
    assert forge.forge.events.pause.total_seconds() == 2


def test_headers(client: FlaskClient) -> None:
    event = client.post(f"{API}/headers", json={"endpoint": "tick"}).get_json()
    page = client.post(f"{API}/headers", json={"user": "dee"}).get_json()
    assert "x-forge-oauth-system" in event
    assert "x-forge-oauth-user" in page
    assert client.post(f"{API}/headers", json={"module": "no"}).status_code == 404


def test_mishaps_are_caused_by_name_and_by_button(
    client: FlaskClient, stand_in: StandIn
) -> None:
    caused = client.post("/sandbox/api/mishaps/forge-expired", json={}).get_json()
    assert caused["status"] == 204
    page = client.post("/mishaps/forge-unknown-key", follow_redirects=True).text
    assert "signed by an unknown key" in page
    sent = [path for _, path, _, _ in stand_in.seen]
    assert sent.count("/forge/post-function") == 2


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("install", "is installed. It answered 204"),
        ("upgrade", "is upgraded. It answered 204"),
        ("tick", "An hour is over"),
        ("uninstall", "is uninstalled. It answered 204"),
        ("vanish", "was not told"),
    ],
)
def test_buttons(client: FlaskClient, what: str, said: str) -> None:
    assert said in client.post(f"/apps/forge/{what}", follow_redirects=True).text


def test_button_that_cannot_do_it_says_so(client: FlaskClient, forge: Jira) -> None:
    forge.forge.vanish()
    page = client.post("/apps/forge/tick", follow_redirects=True).text
    assert "The Forge app is not installed." in page
    assert "Install: the Forge app" in page
