"""What the product says as to Jira Cloud, in a self-managed Jira's own words."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from app.datacenter import WrongAddressError, address
from app.jira import JiraError, datacenter

USER = {"key": "K1", "name": "ada", "displayName": "Ada", "active": True}
GONE = JiraError(404, "gone")


@dataclass
class Raw:
    """Answers by method and path, and keeps what it was asked."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)

    def __call__(self, method: str, path: str, body: Any) -> Any:
        self.asked.append((method, path, body))
        answer = self.answers.get(f"{method} {path}")
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_people_are_known_by_their_keys() -> None:
    path = "/rest/api/3/issue/1"
    raw = Raw({f"GET {path}": {"fields": {"reporter": USER, "project": {"key": "D"}}}})

    found = datacenter.call(raw, "GET", path, None)

    assert found["fields"]["reporter"]["accountId"] == "K1"
    assert "accountId" not in found["fields"]["project"]
    assert datacenter.path_of(path) == "/rest/api/2/issue/1"
    assert datacenter.path_of("/rest/x") == "/rest/x"


@pytest.mark.parametrize(
    ("account", "name"), [("K1", "ada"), ("-1", "-1"), (None, None)]
)
def test_assignee_is_named(account: str | None, name: str | None) -> None:
    raw = Raw({"GET /rest/api/2/user?key=K1": USER})

    datacenter.call(raw, "PUT", "/rest/api/3/issue/1/assignee", {"accountId": account})

    assert raw.asked[-1] == ("PUT", "/rest/api/3/issue/1/assignee", {"name": name})


def test_documents_become_markup_wherever_they_stand() -> None:
    text = {"type": "text", "text": "[~x]"}
    document = {"type": "doc", "content": [{"type": "paragraph", "content": [text]}]}
    mark = {"key": "countersign.run", "value": {"accountId": "K1"}}
    body = {"fields": {"description": document}, "properties": [mark]}
    raw = Raw()

    datacenter.call(raw, "POST", "/rest/api/3/issue", body)

    [(_, _, sent)] = raw.asked
    assert sent == {"fields": {"description": r"\[\~x\]"}, "properties": [mark]}


def test_property_is_whoevers_json() -> None:
    path, value = "/rest/api/3/issue/1/properties/countersign.x", {"accountId": "K1"}
    raw = Raw({f"GET {path}": {"value": USER}})

    datacenter.call(raw, "PUT", path, value)

    assert raw.asked == [("PUT", path, value)]
    assert datacenter.call(raw, "GET", path, None) == {"value": USER}


def test_search_has_pages_that_are_counted() -> None:
    def page(start: int) -> str:
        query = f"jql=status%20%3D%205&fields=id&startAt={start}&maxResults=100"
        return f"GET /rest/api/2/search?{query}"

    first, last = [{"id": "1"}, {"id": "2"}], [{"id": "3"}]
    raw = Raw({page(0): {"issues": first, "total": 3}, page(2): {"issues": last}})
    asked = "/rest/api/3/search/jql?jql=status%20%3D%205&fields=id&maxResults=100"

    found = datacenter.call(raw, "GET", asked, None)
    again = datacenter.call(raw, "GET", f"{asked}&nextPageToken=2", None)

    assert found == {"issues": first, "nextPageToken": "2"}
    assert again == {"issues": last}


def test_search_by_a_property_finds_nothing_and_is_not_asked() -> None:
    jql = "issue.property%5Bcountersign.run%5D.step%20%3D%20%221%22"
    raw = Raw()

    found = datacenter.call(raw, "GET", f"/rest/api/3/search/jql?jql={jql}", None)

    assert (found, raw.asked) == ({"issues": []}, [])


def test_comments_tell_their_properties_one_by_one() -> None:
    mine = {"key": "countersign.run", "value": {"run": "1"}}
    keys = {"keys": [{"key": "countersign.run"}, {"key": "sd.public.comment"}]}
    at = "/rest/api/2/comment"
    raw = Raw(
        {
            f"GET {at}/7/properties": keys,
            f"GET {at}/7/properties/countersign.run": mine,
            f"GET {at}/8/properties": GONE,
        }
    )

    path = "/rest/api/3/comment/list?expand=properties"
    found = datacenter.call(raw, "POST", path, {"ids": [7, 8]})

    assert found == {"values": [{"id": "7", "properties": [mine]}]}


def test_what_is_not_there_is_answered_as_jira_would() -> None:
    for path in ("/rest/builds/0.1/bulk", "/rest/atlassian-connect/1/addons/a"):
        with pytest.raises(JiraError, match="a self-managed Jira has no") as caught:
            datacenter.call(Raw(), "POST", path, {})
        assert caught.value.status == 404


def test_projects_are_one_page() -> None:
    raw = Raw({"GET /rest/api/2/project": [{"id": "1"}]})
    path = "/rest/api/3/project/search?startAt="

    assert datacenter.call(raw, "GET", f"{path}0", None)["values"] == [{"id": "1"}]
    assert datacenter.call(raw, "GET", f"{path}1", None)["values"] == []


Asked = Callable[[str], bool]


def permitted(person: str, permission: str, **answers: Any) -> bool:
    mine = "GET /rest/api/2/mypermissions?permissions=ADMINISTER"
    has = {"permissions": {"ADMINISTER": {"havePermission": answers.get("has", True)}}}
    raw = Raw(
        {
            "GET /rest/api/2/myself": {"key": "own"},
            mine: has,
            "GET /rest/api/2/user?key=K1": answers.get("user", USER),
        }
    )
    return datacenter.is_permitted(raw, person, permission)


def test_t10_active_user_has_what_the_link_vouches_for_and_no_more() -> None:
    assert permitted("K1", "ADMINISTER")
    assert not permitted("K1", "ADMINISTER", user=USER | {"active": False})
    assert not permitted("K1", "BROWSE_PROJECTS")
    assert permitted("own", "ADMINISTER")
    assert not permitted("own", "ADMINISTER", has=False)
    with pytest.raises(JiraError):
        permitted("K1", "ADMINISTER", user=GONE)


def test_person_is_found_by_key_before_name() -> None:
    at = "GET /rest/api/2/user"
    named = USER | {"key": "K2"}
    both = Raw({f"{at}?key=ada": USER, f"{at}?username=ada": named})
    by_name = Raw({f"{at}?key=ada": GONE, f"{at}?username=ada": named})
    nobody = Raw({f"{at}?key=ada": GONE, f"{at}?username=ada": GONE})
    shut_out = Raw({f"{at}?key=ada": USER | {"active": False}})

    found = [datacenter.person(raw, "ada") for raw in (both, by_name, nobody, shut_out)]
    assert found == ["K1", "K2", None, None]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("https://jira.example", "https://jira.example"),
        ("https://JIRA.example:8443/jira/", "https://jira.example:8443/jira"),
        ("http://10.0.0.7:8080/a/b", "http://10.0.0.7:8080/a/b"),
    ],
)
def test_address_may_have_a_port_and_a_path(said: str, kept: str) -> None:
    assert address(said) == kept


@pytest.mark.parametrize(
    "said",
    [
        "jira.example",
        "ftp://jira.example",
        "https://u:p@jira.example",
        "https://jira.example?x=1",
        "https://jira.example#x",
        "https://jira.example/../x y",
        "https://jira.example/a//b/..",
        "https://jira.example:99999",
        "https://evil.com\\.jira.example",
    ],
)
def test_t11_what_could_lead_elsewhere_is_no_address(said: str) -> None:
    with pytest.raises(WrongAddressError):
        address(said)
