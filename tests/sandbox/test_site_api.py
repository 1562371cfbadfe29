"""Roles, projects and statuses, as the add-on and a person on its pages see them."""

import pytest
from flask.testing import FlaskClient

from sandbox import Jira, people
from sandbox.web.asking import COOKIE
from tests.sandbox.conftest import Rest

API = "/rest/api/3"
IN_OUR_NAME = {"AP-App-Key": "stand-in"}


def test_roles_of_a_project_with_their_ids(rest: Rest) -> None:
    found = rest("GET", f"{API}/project/10000/role").get_json()
    assert list(found) == [role.name for role in people.ROLES]
    assert found["Administrators"].endswith("/project/10000/role/10002")
    role = rest("GET", f"{API}/project/DEMO/role/10002").get_json()
    assert (role["id"], role["name"]) == (10002, "Administrators")
    [actor] = role["actors"]
    assert actor["actorUser"]["accountId"] == people.ADA.account_id
    assert rest("GET", f"{API}/project/DEMO/role/1").status_code == 404


def test_all_roles_are_for_administrators_and_the_scope_admin(
    rest: Rest, client: FlaskClient
) -> None:
    assert rest("GET", f"{API}/role").status_code == 403
    client.set_cookie(COOKIE, people.ADA.account_id)
    found = client.get(f"{API}/role").get_json()
    assert [role["id"] for role in found] == [10002, 10003, 10004, 10005, 10006]
    assert client.get(f"{API}/role", headers=IN_OUR_NAME).status_code == 403
    client.set_cookie(COOKIE, people.DEE.account_id)
    assert client.get(f"{API}/role").status_code == 403
    assert client.get(f"{API}/project/DEMO/role").status_code == 401


def test_role_names_its_groups_and_a_person_his(rest: Rest) -> None:
    role = rest("GET", f"{API}/project/DEMO/role/10006").get_json()
    [actor] = role["actors"]
    assert actor["type"] == "atlassian-group-role-actor"
    groups = f"{API}/user/groups?accountId="
    [group] = rest("GET", f"{groups}{people.VIC.account_id}").get_json()
    assert group["groupId"] == actor["actorGroup"]["groupId"]
    assert rest("GET", f"{groups}{people.DEE.account_id}").get_json() == []
    assert rest("GET", f"{groups}nobody").status_code == 404


def test_what_is_taken_from_a_person_is_gone_at_once(
    rest: Rest, client: FlaskClient, jira: Jira
) -> None:
    asked = {"accountId": people.ADA.account_id, "globalPermissions": ["ADMINISTER"]}
    path = f"{API}/permissions/check"
    taken = {"user": "ada", "permission": "ADMINISTER", "granted": False}
    client.post("/sandbox/api/permissions", json=taken)
    assert rest("POST", path, asked).get_json()["globalPermissions"] == []
    client.set_cookie(COOKIE, people.ADA.account_id)
    assert client.get(f"{API}/role").status_code == 403
    jira.set_permission("ada", "ADMINISTER", granted=True)
    assert rest("POST", path, asked).get_json()["globalPermissions"] == ["ADMINISTER"]


def test_request_of_a_page_is_held_to_the_scopes_of_the_app(
    client: FlaskClient, jira: Jira
) -> None:
    client.set_cookie(COOKIE, people.ADA.account_id)
    jira.site.descriptor["scopes"] = ["READ"]
    path = f"{API}/issue/DEMO-1/properties/x"
    assert client.put(path, json=1, headers=IN_OUR_NAME).status_code == 403
    assert client.get(f"{API}/status", headers=IN_OUR_NAME).status_code == 200
    assert client.put(path, json=1).status_code == 201


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("", ["DEMO", "OPS"]),
        ("?id=10001", ["OPS"]),
        ("?id=10001&id=10000", ["DEMO", "OPS"]),
        ("?keys=demo", ["DEMO"]),
        ("?query=oper", ["OPS"]),
        ("?startAt=1&maxResults=1", ["OPS"]),
    ],
)
def test_projects(rest: Rest, query: str, keys: list[str]) -> None:
    answer = rest("GET", f"{API}/project/search{query}").get_json()
    assert [project["key"] for project in answer["values"]] == keys
    assert {"id", "name"} <= set(answer["values"][0])


def test_statuses_of_a_project_have_numbers(rest: Rest) -> None:
    kinds = rest("GET", f"{API}/project/DEMO/statuses").get_json()
    assert [kind["name"] for kind in kinds] == ["Task", "Bug", "Story", "Sub-task"]
    statuses = {one["name"]: one["id"] for one in kinds[0]["statuses"]}
    assert statuses["Deploying"] == "10005"
    assert all(number.isdigit() for number in statuses.values())


def test_the_app_knows_who_it_is(rest: Rest) -> None:
    found = rest("GET", f"{API}/myself").get_json()
    assert (found["accountId"], found["accountType"]) == (
        people.APP.account_id,
        "app",
    )
