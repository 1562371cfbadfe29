"""What happens to issues, by REST: history, permissions, fields, properties."""

from typing import Any

import pytest

from sandbox import Jira, adf, people, workflow
from sandbox.catalogue import WORKFLOW
from sandbox.web.asking import COOKIE
from sandbox.world import Rule
from tests.sandbox.conftest import Clock, Rest

Json = dict[str, Any]
DEMO_1 = "/rest/api/3/issue/DEMO-1"


def text(words: str) -> Json:
    return adf.document(words)


def move(rest: Rest, number: str, issue: str = DEMO_1) -> int:
    body = {"transition": {"id": number}}
    return rest("POST", f"{issue}/transitions", body).status_code


def test_transition_writes_the_history(rest: Rest) -> None:
    assert move(rest, "31") == 204
    [entry] = rest("GET", f"{DEMO_1}/changelog").get_json()["values"]
    assert entry["author"]["accountId"] == people.APP.account_id
    assert entry["created"] == "2026-11-23T12:00:00.000+0000"
    changes = {item["field"]: item for item in entry["items"]}
    assert changes["status"] | {"fieldtype": "jira"} == {
        "field": "status",
        "fieldtype": "jira",
        "fieldId": "status",
        "from": "10002",
        "fromString": "In Review",
        "to": "10003",
        "toString": "Done",
    }
    assert changes["resolution"]["toString"] == "Done"


def test_looped_transition_leaves_none(rest: Rest, clock: Clock) -> None:
    clock.advance(60)
    assert move(rest, "61") == 204
    answer = rest("GET", f"{DEMO_1}?expand=changelog").get_json()
    assert answer["changelog"]["total"] == 0
    assert answer["fields"]["updated"] == "2026-11-23T12:01:00.000+0000"


def test_transition_that_is_not_there(rest: Rest) -> None:
    assert move(rest, "11") == 400
    assert move(rest, "1") == 400
    assert move(rest, "999") == 400
    assert rest("POST", f"{DEMO_1}/transitions", {}).status_code == 400


def test_global_transition_starts_anywhere_but_at_its_end(rest: Rest) -> None:
    assert move(rest, "41") == 204
    assert move(rest, "41") == 400
    offered = rest("GET", f"{DEMO_1}/transitions").get_json()["transitions"]
    assert [one["name"] for one in offered] == ["Reopen"]


def test_comment_on_a_transition(rest: Rest) -> None:
    update = {"comment": [{"add": {"body": text("Shipped")}}]}
    body = {"transition": {"id": "31"}, "update": update}
    assert rest("POST", f"{DEMO_1}/transitions", body).status_code == 204
    [comment] = rest("GET", f"{DEMO_1}/comment").get_json()["comments"]
    assert comment["body"] == text("Shipped")


def test_field_off_the_screen_stops_the_transition(rest: Rest, jira: Jira) -> None:
    body = {"transition": {"id": "31"}, "fields": {"summary": "x"}}
    answer = rest("POST", f"{DEMO_1}/transitions", body)
    assert (answer.status_code, list(answer.get_json()["errors"])) == (400, ["summary"])
    assert jira.status_of("DEMO-1") == "In Review"


def test_changelog_by_expand_is_newest_first_and_by_itself_oldest(rest: Rest) -> None:
    for number in ("31", "51", "11"):
        move(rest, number)
    expanded = rest("GET", f"{DEMO_1}?expand=changelog").get_json()["changelog"]
    ids = [int(entry["id"]) for entry in expanded["histories"]]
    assert ids == sorted(ids, reverse=True)
    values = rest("GET", f"{DEMO_1}/changelog?maxResults=2").get_json()
    assert [int(entry["id"]) for entry in values["values"]] == sorted(ids)[:2]
    assert (values["total"], values["isLast"]) == (3, False)


def test_edit_is_all_or_nothing(rest: Rest, jira: Jira) -> None:
    body = {
        "fields": {
            "summary": "New",
            "customfield_10011": {"value": "Moon"},
            "customfield_10012": "five",
            "customfield_10013": "plain text",
            "duedate": "tomorrow",
            "nonsense": 1,
        }
    }
    answer = rest("PUT", DEMO_1, body)
    assert answer.status_code == 400
    assert set(answer.get_json()["errors"]) == set(body["fields"]) - {"summary"}
    assert jira.issue("DEMO-1").fields["summary"].startswith("Ship invoice")


def test_edit_sets_and_updates(rest: Rest) -> None:
    body = {
        "fields": {
            "customfield_10011": {"value": "Staging"},
            "customfield_10012": 8,
            "assignee": None,
        },
        "update": {"labels": [{"add": "fast"}, {"remove": "release"}]},
        "properties": [{"key": "run", "value": {"id": 1}}],
    }
    assert rest("PUT", DEMO_1, body).status_code == 204
    answer = rest("GET", f"{DEMO_1}?properties=run&expand=changelog").get_json()
    assert answer["fields"]["labels"] == ["fast"]
    assert answer["fields"]["assignee"] is None
    assert answer["fields"]["customfield_10011"]["value"] == "Staging"
    assert answer["properties"] == {"run": {"id": 1}}
    [entry] = answer["changelog"]["histories"]
    assert {item["field"] for item in entry["items"]} == {
        "Environment",
        "Story points",
        "assignee",
        "labels",
    }


def test_edit_honours_editmeta(rest: Rest) -> None:
    offered = rest("GET", f"{DEMO_1}/editmeta").get_json()["fields"]
    assert "summary" in offered
    assert not {"reporter", "security", "status"} & offered.keys()
    for name in ("reporter", "security", "status"):
        answer = rest("PUT", DEMO_1, {"fields": {name: None}})
        assert list(answer.get_json()["errors"]) == [name]
    rest.client.set_cookie(COOKIE, people.ADA.account_id)
    own = rest.open("GET", f"{DEMO_1}/editmeta").get_json()["fields"]
    assert {"reporter", "security"} <= own.keys()


def test_overrides_are_not_for_the_add_on(rest: Rest) -> None:
    body = {"fields": {"summary": "x"}}
    target = f"{DEMO_1}?overrideEditableFlag=true"
    assert rest("PUT", target, body).status_code == 403


def test_a_field_stands_in_one_of_both(rest: Rest) -> None:
    body = {"fields": {"labels": []}, "update": {"labels": [{"add": "x"}]}}
    assert rest("PUT", DEMO_1, body).status_code == 400


@pytest.mark.parametrize(
    ("node", "why"),
    [
        ({"type": "text", "text": ""}, "empty text"),
        ({"type": "blink", "text": "x"}, "unknown node"),
        ({"type": "text", "text": "x", "marks": [{"type": "loud"}]}, "unknown mark"),
        ({"type": "mention", "attrs": {}}, "without attrs.id"),
        ({"type": "paragraph", "content": []}, "paragraph in paragraph"),
    ],
)
def test_broken_documents_are_refused(rest: Rest, node: Json, why: str) -> None:
    paragraph = {"type": "paragraph", "content": [node]}
    body = {"body": {"type": "doc", "version": 1, "content": [paragraph]}}
    answer = rest("POST", f"{DEMO_1}/comment", body)
    assert answer.status_code == 400
    assert why in answer.get_json()["errors"]["comment"]


def test_comment_properties_come_from_the_list_only(rest: Rest) -> None:
    properties = [{"key": "run", "value": "r1"}]
    body = {"body": text("Hello"), "properties": properties}
    made = rest("POST", f"{DEMO_1}/comment", body).get_json()
    [shown] = rest("GET", f"{DEMO_1}/comment").get_json()["comments"]
    assert "properties" not in shown
    ids = {"ids": [int(made["id"]), 1]}
    plain = rest("POST", "/rest/api/3/comment/list", ids).get_json()["values"]
    assert [set(c) & {"properties"} for c in plain] == [set()]
    full = rest("POST", "/rest/api/3/comment/list?expand=properties", ids).get_json()
    assert full["values"][0]["properties"] == properties


def test_viewer_may_look_only(rest: Rest) -> None:
    rest.client.set_cookie(COOKIE, people.VIC.account_id)
    assert rest.open("GET", DEMO_1).status_code == 200
    assert rest.open("GET", "/rest/api/3/issue/DEMO-8").status_code == 404
    moves = rest.open("GET", f"{DEMO_1}/transitions").get_json()["transitions"]
    assert moves == []
    refused = [
        rest.open("PUT", DEMO_1, {"fields": {"summary": "x"}}),
        rest.open("POST", f"{DEMO_1}/transitions", {"transition": {"id": "31"}}),
        rest.open("POST", f"{DEMO_1}/comment", {"body": text("x")}),
        rest.open("PUT", f"{DEMO_1}/assignee", {"accountId": None}),
        rest.open("PUT", f"{DEMO_1}/properties/x", 1),
        rest.open("GET", "/rest/api/3/workflow/rule/config?types=postfunction"),
    ]
    assert [answer.status_code for answer in refused] == [403, 400, 400, 403, 403, 403]


def test_the_hidden_issue_is_nowhere(rest: Rest) -> None:
    hidden = "/rest/api/3/issue/DEMO-8"
    for path in ("", "/comment", "/transitions", "/changelog", "/properties/x"):
        assert rest("GET", hidden + path).status_code == 404
    body = {"jql": "project = DEMO", "fields": ["key"], "maxResults": 100}
    found = rest("POST", "/rest/api/3/search/jql", body).get_json()["issues"]
    assert "DEMO-8" not in [issue["key"] for issue in found]
    body = {
        "projectPermissions": [
            {"permissions": ["BROWSE_PROJECTS"], "issues": [10100, 10107]}
        ]
    }
    answer = rest("POST", "/rest/api/3/permissions/check", body).get_json()
    assert answer["projectPermissions"][0]["issues"] == [10100]


def test_permissions_are_what_is_returned(rest: Rest) -> None:
    asked = {
        "globalPermissions": ["ADMINISTER"],
        "projectPermissions": [
            {"permissions": ["ADMINISTER_PROJECTS"], "projects": [10000, 99]}
        ],
    }
    for person, granted in ((people.ADA, True), (people.DEE, False)):
        body = asked | {"accountId": person.account_id}
        answer = rest("POST", "/rest/api/3/permissions/check", body).get_json()
        assert answer["globalPermissions"] == (["ADMINISTER"] if granted else [])
        assert bool(answer["projectPermissions"]) is granted
    unknown = asked | {"accountId": "nobody"}
    answer = rest("POST", "/rest/api/3/permissions/check", unknown).get_json()
    assert answer == {"globalPermissions": [], "projectPermissions": []}
    rest.client.set_cookie(COOKIE, people.DEE.account_id)
    other = asked | {"accountId": people.ADA.account_id}
    path = "/rest/api/3/permissions/check"
    assert rest.open("POST", path, other).status_code == 403


def test_sub_task_with_properties(rest: Rest) -> None:
    given = {
        "project": {"id": "10000"},
        "issuetype": {"id": "10004"},
        "parent": {"key": "DEMO-2"},
        "summary": "Part",
        "labels": ["x"],
    }
    body = {"fields": given, "properties": [{"key": "run", "value": 1}]}
    made = rest("POST", "/rest/api/3/issue", body).get_json()
    path = f"/rest/api/3/issue/{made['id']}?properties=*all"
    issue = rest("GET", path).get_json()
    assert issue["fields"]["parent"]["key"] == "DEMO-2"
    assert issue["fields"]["creator"]["accountId"] == people.APP.account_id
    assert issue["properties"] == {"run": 1}
    parent = rest("GET", "/rest/api/3/issue/DEMO-2?fields=subtasks").get_json()
    assert [one["key"] for one in parent["fields"]["subtasks"]] == [made["key"]]
    for parent_name in ("OPS-1", "DEMO-8", "DEMO-999"):
        wrong = {"fields": given | {"parent": {"key": parent_name}}}
        answer = rest("POST", "/rest/api/3/issue", wrong)
        assert list(answer.get_json()["errors"]) == ["parent"]


def test_a_link_is_made_once_and_seen_from_both_ends(rest: Rest) -> None:
    body = {
        "type": {"name": "Relates"},
        "inwardIssue": {"key": "DEMO-3"},
        "outwardIssue": {"key": "OPS-1"},
    }
    for _ in range(2):
        assert rest("POST", "/rest/api/3/issueLink", body).status_code == 201
    for key, end, other in (
        ("DEMO-3", "outwardIssue", "OPS-1"),
        ("OPS-1", "inwardIssue", "DEMO-3"),
    ):
        issue = rest("GET", f"/rest/api/3/issue/{key}").get_json()
        [link] = issue["fields"]["issuelinks"]
        assert link[end]["key"] == other


def test_rule_inventory_tells_draft_from_live(rest: Rest, jira: Jira) -> None:
    live = jira.add_post_function("Deploy", "live")
    place = workflow.Place(WORKFLOW, "51")
    workflow.add(jira.world, place, Rule("f-draft", "rule", "draft"))
    workflow.add(jira.world, place, Rule("f-hidden", "somebody-elses", "hidden"))
    path = "/rest/api/3/workflow/rule/config?types=postfunction"
    values = rest("GET", path).get_json()["values"]
    assert [value["workflowId"]["draft"] for value in values] == [False, True]
    assert [rule["id"] for rule in values[0]["postFunctions"]] == [live.id]
    told = [r["configuration"]["value"] for r in values[1]["postFunctions"]]
    assert told == ["live", "draft"]
    assert "transition" not in values[0]["postFunctions"][0]
    only = rest("GET", path + "&draft=false&expand=transition").get_json()["values"]
    assert [value["workflowId"]["draft"] for value in only] == [False]
    where = only[0]["postFunctions"][0]["transition"]
    assert where == {"id": 31, "name": "Deploy"}
    assert rest("GET", path + "&workflowNames=Other").get_json()["total"] == 0
    assert rest("GET", path + "&keys=other").get_json()["total"] == 0
    assert rest("GET", "/rest/api/3/workflow/rule/config").status_code == 400
