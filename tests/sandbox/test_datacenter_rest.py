"""REST v2 of a self-managed Jira: who gets in, and how it differs from Jira Cloud's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from sandbox import Jira, adf, mishaps, people, speak_for
from sandbox.web import causing
from tests.sandbox.conftest import Clock, Rest
from tests.sandbox.datacenter import Api

Json = dict[str, Any]
JSON = {"Accept": "application/json"}


def test_site_says_what_it_is_to_everybody(api: Api) -> None:
    told = api.bare("GET", "/rest/api/2/serverInfo").get_json()

    assert told["deploymentType"] == "Server"
    assert told["baseUrl"] == "http://jira.test/jira"
    assert told["versionNumbers"] == [10, 3, 2]


def test_token_is_its_owner(api: Api) -> None:
    me = api.get("/myself")

    assert (me["name"], me["key"]) == ("countersign", "JIRAUSER10103")
    assert me["displayName"] == "Countersign"
    assert me["emailAddress"] == "countersign@example.com"
    assert "accountId" not in me
    ada = api.jira.datacenter.access.make(people.ADA, "hers")
    answer = api("GET", "/myself", Authorization=f"Bearer {ada.raw}")
    assert answer.get_json()["name"] == "ada"


@pytest.mark.parametrize(
    "given",
    [
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Basic YWRhOmFkYQ=="},
        {"Authorization": "JWT a.b.c"},
    ],
    ids=str,
)
def test_no_other_token_gets_in(api: Api, given: dict[str, str]) -> None:
    answer = api.bare("GET", "/rest/api/2/myself", **given, **JSON)

    assert answer.status_code == 401
    assert answer.mimetype == "text/html"
    assert answer.headers["X-Seraph-LoginReason"] == "AUTHENTICATED_FAILED"


@pytest.mark.parametrize("scheme", ["JWT", "Basic", "Token"])
def test_token_in_another_scheme_is_none(api: Api, scheme: str) -> None:
    given = {"Authorization": f"{scheme} {api.jira.datacenter.pat}"}
    assert api.bare("GET", "/rest/api/2/myself", **given).status_code == 401


def test_nobody_is_answered_as_nobody(api: Api) -> None:
    answer = api.bare("GET", "/rest/api/2/issue/DEMO-1", **JSON)
    assert answer.status_code == 401
    assert answer.get_json()["status-code"] == 401
    xml = api.bare("GET", "/rest/api/2/issue/DEMO-1")
    assert xml.mimetype == "application/xml"
    rights = api.bare("GET", "/rest/api/2/mypermissions").get_json()["permissions"]
    assert not any(right["havePermission"] for right in rights.values())


def test_revoked_or_expired_token_opens_nothing(api: Api, clock: Clock) -> None:
    access = api.jira.datacenter.access
    old = api.jira.datacenter.pat
    causing.cause(api.jira, "dc-revoke-pat", {})
    bearer = {"Authorization": f"Bearer {old}"}

    assert api.bare("GET", "/rest/api/2/myself", **bearer).status_code == 401
    assert "was revoked" in api.jira.traffic.newest(1)[0].why
    access.make(people.APP, "another", days=1)
    assert api("GET", "/myself").status_code == 200
    clock.advance(24 * 3600)
    assert api("GET", "/myself").status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        "/rest/api/3/myself",
        "/rest/api/2/search/jql",
        "/rest/api/2/permissions/check",
        "/rest/api/2/comment/list",
        "/rest/api/2/workflow/rule/config",
        "/rest/api/2/user/groups",
        "/rest/api/2/issue/DEMO-1/changelog",
        "/rest/atlassian-connect/1/addons/countersign",
    ],
)
def test_what_jira_cloud_alone_has_is_not_there(api: Api, path: str) -> None:
    bearer = {"Authorization": f"Bearer {api.jira.datacenter.pat}"}
    answer = api.bare("GET", path, **bearer, **JSON)

    assert answer.status_code == 404
    assert "null for uri" in answer.get_json()["message"]


def test_jira_cloud_has_no_such_face(api: Api, jira: Jira, lent: Flask) -> None:
    pat = api.jira.datacenter.pat
    speak_for(jira, lent)
    bearer = {"Authorization": f"Bearer {pat}"}
    answer = lent.test_client().get("/rest/api/2/myself", headers=bearer)
    assert answer.status_code == 404


def test_outside_of_the_context_path_there_is_no_jira(api: Api) -> None:
    bearer = {"Authorization": f"Bearer {api.jira.datacenter.pat}"}
    assert api.client.get("/rest/api/2/myself", headers=bearer).status_code == 404
    assert api.client.get("/").headers["Location"] == "/jira/"
    assert api.client.get("/sandbox/api/datacenter").status_code == 200


def test_history_is_told_as_this_jira_tells_it(api: Api) -> None:
    api.jira.transition("DEMO-1", "Touch")
    api.jira.transition("DEMO-1", "Dispatch", "dee")
    api("PUT", "/issue/DEMO-1/assignee", {"name": "ada"})

    log = api.get("/issue/10100?expand=changelog")["changelog"]
    first, second = log["histories"]
    assert (log["total"], log["maxResults"]) == (2, 2)
    assert (first["author"]["name"], first["author"]["key"]) == ("dee", "ddesigner")
    [moved] = first["items"]
    assert (moved["field"], moved["from"], moved["to"]) == ("status", "10002", "10005")
    assert "fieldId" not in moved
    [assigned] = second["items"]
    assert (assigned["from"], assigned["to"]) == ("ddesigner", "JIRAUSER10100")


def test_comments_are_wiki_markup(api: Api) -> None:
    said = r"*Done*, [~ada] \[~dee\]"
    made = api(
        "POST",
        "/issue/DEMO-1/comment",
        {"body": said, "properties": [{"key": "countersign.run", "value": {"run": 1}}]},
    )

    assert made.status_code == 201
    comment = made.get_json()
    assert (comment["body"], comment["author"]["name"]) == (said, "countersign")
    listed = api.get("/issue/DEMO-1/comment?orderBy=-created&maxResults=5")
    assert (listed["total"], listed["comments"][0]["body"]) == (1, said)
    kept = api.get(f"/comment/{comment['id']}/properties/countersign.run")
    assert kept["value"] == {"run": 1}
    marks = api.client.get("/sandbox/api/issues/DEMO-1/marks").get_json()
    assert [(m["kind"], m["target"]) for m in marks[0]] == [("mention", "ada")]
    page = api.client.get("/jira/browse/DEMO-1").text
    assert "<strong>Done</strong>" in page
    assert '<span class="chip mention">@ada</span>' in page


def test_documents_of_rest_v3_are_refused(api: Api) -> None:
    document = {"type": "doc", "version": 1, "content": []}
    assert api("POST", "/issue/DEMO-1/comment", {"body": document}).status_code == 400
    fields = {"fields": {"description": document}}
    assert api("PUT", "/issue/DEMO-1", fields).status_code == 400
    person = {"fields": {"assignee": {"accountId": "x"}}}
    assert api("PUT", "/issue/DEMO-1", person).status_code == 400


def test_wiki_markup_does_not_get_into_jira_cloud(rest: Rest) -> None:
    document = adf.document("harmless") | {"wiki": "[~ada]"}
    body = {"body": document}
    answer = rest("POST", "/rest/api/3/issue/DEMO-1/comment", body)
    assert answer.status_code == 400


def test_issue_is_made_edited_linked_and_moved(api: Api) -> None:
    fields = {
        "project": {"id": "10000"},
        "issuetype": {"name": "Task"},
        "summary": "From v2",
        "description": "h1. Hello",
    }
    mark = [{"key": "countersign.run", "value": 1}]
    made = api("POST", "/issue", {"fields": fields, "properties": mark}).get_json()
    place = f"/issue/{made['id']}"
    ends = {"inwardIssue": {"id": made["id"]}, "outwardIssue": {"key": "DEMO-1"}}

    link = {"type": {"id": "10000"}, **ends}
    assert api("POST", "/issueLink", link).status_code == 201
    edit = {"fields": {"description": "_new_"}, "update": {"labels": [{"add": "x"}]}}
    assert api("PUT", place, edit).status_code == 204
    move = {"transition": {"id": "11"}, "update": {"comment": [{"add": {"body": "!"}}]}}
    assert api("POST", f"{place}/transitions", move).status_code == 204
    seen = api.get(f"{place}?properties=countersign.run")
    assert seen["fields"]["description"] == "_new_"
    assert seen["fields"]["labels"] == ["x"]
    assert seen["fields"]["status"]["name"] == "In Progress"
    assert seen["fields"]["creator"]["name"] == "countersign"
    assert seen["fields"]["issuelinks"][0]["outwardIssue"]["key"] == "DEMO-1"
    assert seen["properties"] == {"countersign.run": 1}
    assert seen["self"] == f"http://jira.test/jira/rest/api/2{place}"


def test_transitions_are_only_those_that_one_can_make(api: Api) -> None:
    offered = api.get("/issue/DEMO-1/transitions")["transitions"]
    assert {one["name"] for one in offered} >= {"Deploy", "Dispatch"}
    assert set(offered[0]) == {"opsbarSequence", "id", "name", "to"}
    assert offered[0]["to"]["id"].isdigit()


def test_assignee_and_watchers_go_by_name(api: Api) -> None:
    assert api("PUT", "/issue/DEMO-1/assignee", {"name": "ada"}).status_code == 204
    assert api.get("/issue/DEMO-1")["fields"]["assignee"]["name"] == "ada"
    assert api("PUT", "/issue/DEMO-1/assignee", {"name": None}).status_code == 204
    assert api.get("/issue/DEMO-1")["fields"]["assignee"] is None
    assert api("PUT", "/issue/DEMO-1/assignee", {"name": "zoe"}).status_code == 400
    assert api("POST", "/issue/DEMO-1/watchers", "dee").status_code == 204
    assert api("POST", "/issue/DEMO-1/watchers", "zoe").status_code == 404
    watching = api.get("/issue/DEMO-1/watchers")
    assert [one["name"] for one in watching["watchers"]] == ["dee"]


def test_search_counts_and_pages(api: Api) -> None:
    api.jira.world.lag = api.jira.world.lag * 0
    jql = "status = 10002 ORDER BY created ASC"
    body = {"jql": jql, "fields": ["summary"], "maxResults": 1, "startAt": 1}
    page = api("POST", "/search", body).get_json()

    assert (page["startAt"], page["maxResults"], page["total"]) == (1, 1, 3)
    assert [one["key"] for one in page["issues"]] == ["DEMO-4"]
    assert set(page["issues"][0]["fields"]) == {"summary"}
    assert api.get("/search")["total"] == 10
    hidden = api("GET", "/search?jql=issue.property[countersign.run].step='x'")
    assert hidden.status_code == 400


def test_users_roles_and_permissions(api: Api) -> None:
    assert api.get("/user?username=dee")["key"] == "ddesigner"
    groups = api.get("/user?key=JIRAUSER10102&expand=groups")["groups"]["items"]
    assert [one["name"] for one in groups] == ["on-call-engineers"]
    assert api("GET", "/user?username=zoe").status_code == 404
    actors = api.get("/project/10000/role/10006")["actors"]
    assert [(a["type"], a["name"]) for a in actors] == [
        ("atlassian-group-role-actor", "on-call-engineers")
    ]
    rights = api.get("/mypermissions?issueKey=DEMO-1")["permissions"]
    assert rights["EDIT_ISSUES"]["havePermission"]
    assert not rights["ADMINISTER"]["havePermission"]
    assert api("GET", "/issue/DEMO-8").status_code == 404


def test_mishaps_of_answers_meet_it(api: Api) -> None:
    mishaps.cause(api.jira, "answer-429", {"seconds": 7})
    late = api("GET", "/myself")
    assert (late.status_code, late.headers["Retry-After"]) == (429, "7")
    mishaps.cause(api.jira, "refuse-addon", {"on": True})
    assert api("GET", "/myself").status_code == 401


def test_restart_keeps_tokens_and_webhooks(
    make_jira: Callable[..., Jira], tmp_path: Path
) -> None:
    given: Json = {"is_datacenter": True, "state_path": tmp_path / "site.json"}
    first = make_jira(**given)
    made = first.datacenter.add_webhook("http://127.0.0.1/x", events=())
    first.datacenter.place("Deploy", made)
    first.comment("DEMO-1", "[~ada]")
    key = first.datacenter.public_key("EdDSA")

    second = make_jira(**given)
    assert second.datacenter.pat == first.datacenter.pat
    assert second.datacenter.get(made.id) == made
    assert second.datacenter.public_key("EdDSA") == key
    assert second.issue("DEMO-1").comments == first.issue("DEMO-1").comments
