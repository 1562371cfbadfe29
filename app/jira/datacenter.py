"""A self-managed Jira, spoken to in its own words: REST v2, wiki markup, user keys.

The rest of the product speaks as Jira Cloud does. What is said otherwise here stands in
this one place: a call is translated before it is sent, and its answer afterwards. A
person is known by the *key* there, which survives renames, as by the account id in
Cloud. What a self-managed Jira does not have is answered as it answers itself: by 404.

Source: "Jira Data Center REST API reference" (v2).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from app.jira import wiki
from app.jira.answers import NOT_FOUND, JiraError, segment

Raw = Callable[[str, str, Any], Any]
"""Sends one call in Jira's own words: method, path, body."""

CLOUD, OWN = "/rest/api/3/", "/rest/api/2/"

DEFAULT_ASSIGNEE = "-1"

ABSENT = (
    ("/rest/builds/", "development panel that takes builds"),
    ("/rest/deployments/", "development panel that takes deployments"),
    ("/rest/atlassian-connect/", "Connect"),
    ("/rest/api/3/workflow/rule/", "rules of apps in its workflows"),
)
"""What there is in Cloud alone, by the beginning of its path."""

_ADMINISTER = "ADMINISTER"
_UNINDEXED = "issue.property["


def path_of(path: str) -> str:
    """Return where a self-managed Jira has what Cloud has at `path`."""
    return OWN + path.removeprefix(CLOUD) if path.startswith(CLOUD) else path


def call(raw: Raw, method: str, path: str, body: Any) -> Any:  # noqa: ANN401
    """Carry out one call of the product's and return the answer in Cloud's words."""
    for beginning, what in ABSENT:
        if path.startswith(beginning):
            raise JiraError(NOT_FOUND, f"a self-managed Jira has no {what}")
    parts = urlsplit(path)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    match method, parts.path:
        case "GET", "/rest/api/3/search/jql":
            return _searched(raw, query)
        case "GET", "/rest/api/3/project/search":
            return _projects(raw, query)
        case "POST", "/rest/api/3/comment/list":
            return {"values": list(_comments(raw, body["ids"]))}
        case _, where if "/properties/" in where:
            return raw(method, path, body)  # whoever's JSON: nobody's person or text
        case "GET", where if where.endswith("/transitions"):
            # It tells those that we may make; of the others it says nothing.
            return raw(method, where, None)
        case _:
            return _understood(raw(method, path, _said(raw, body)))


def is_permitted(raw: Raw, person: str, permission: str, *, issue_id: str = "") -> bool:
    """Say whether a person has a permission, as far as Jira lets us ask.

    It answers for the token's own owner alone. Anybody else it only knows, or has shut
    out: that he administers is what the operator's sign-in link vouches for, and no
    link vouches for anything else (ADR 21).
    """
    mine = raw("GET", f"{OWN}myself", None)
    if mine["key"] == person:
        about = {"issueId": issue_id} if issue_id else {}
        query = urlencode({"permissions": permission, **about})
        said = raw("GET", f"{OWN}mypermissions?{query}", None)["permissions"]
        return said.get(permission, {}).get("havePermission") is True
    if permission != _ADMINISTER:
        return False
    return _user(raw, person).get("active") is True


def person(raw: Raw, said: str) -> str | None:
    """Return the key of an active user, by key or else by name; None if there is none.

    Attack: a user is given the name that is another one's key. The key is first.
    """
    for field in ("key", "username"):
        try:
            found = raw("GET", f"{OWN}user?{field}={segment(said)}", None)
        except JiraError as error:
            if error.status != NOT_FOUND:
                raise
            continue
        return str(found["key"]) if found.get("active") is True else None
    return None


def _searched(raw: Raw, query: Mapping[str, str]) -> Mapping[str, Any]:
    """Search with pages that are counted; Cloud's have a token each."""
    if _UNINDEXED in query["jql"]:
        # Only an app in Jira itself has its properties indexed. Nothing is found, and
        # who asked knows that what a search does not find may be there.
        return {"issues": []}
    start = int(query.get("nextPageToken") or 0)
    asked = {
        "jql": query["jql"],
        "fields": query.get("fields", "id"),
        "startAt": str(start),
        "maxResults": query.get("maxResults", "50"),
    }
    text = urlencode(asked, quote_via=quote, safe="")
    found = raw("GET", f"{OWN}search?{text}", None)
    issues = found.get("issues") or []
    seen = start + len(issues)
    is_more = bool(issues) and seen < int(found.get("total") or 0)
    return {"issues": issues, **({"nextPageToken": str(seen)} if is_more else {})}


def _projects(raw: Raw, query: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the projects, all of them on one page, as they come."""
    found = (
        raw("GET", f"{OWN}project", None) if not int(query.get("startAt", 0)) else []
    )
    return {"values": found, "isLast": True}


def _comments(raw: Raw, ids: list[int]) -> Iterator[Mapping[str, Any]]:
    """Yield each comment's properties, those that are ours with their values.

    There is no list of comments with properties; each is asked for its own.
    """
    for number in ids:
        place = f"{OWN}comment/{segment(str(number))}/properties"
        try:
            keys = raw("GET", place, None).get("keys") or []
            named = [str(each["key"]) for each in keys]
            properties = [
                raw("GET", f"{place}/{segment(name)}", None)
                for name in named
                if name.startswith("countersign.")
            ]
        except JiraError as error:
            if error.status != NOT_FOUND:
                raise
            continue  # deleted meanwhile
        yield {"id": str(number), "properties": properties}


def _said(raw: Raw, body: Any) -> Any:  # noqa: ANN401
    """Return a body in Jira's own words: markup for documents, names for accounts."""
    if isinstance(body, list):
        return [_said(raw, item) for item in body]
    if not isinstance(body, Mapping):
        return body
    if body.get("type") == "doc":
        names = {each: _name(raw, each) for each in wiki.mentions(body)}
        return wiki.markup(body, names)
    if set(body) == {"accountId"}:
        return {"name": _name_or_none(raw, body["accountId"])}
    return {key: _part(raw, key, item) for key, item in body.items()}


def _part(raw: Raw, key: str, item: Any) -> Any:  # noqa: ANN401
    # A property's value is whoever's JSON it is: nothing in it is a person or a text.
    return item if key == "properties" else _said(raw, item)


def _name_or_none(raw: Raw, account_id: str | None) -> str | None:
    if account_id is None or account_id == DEFAULT_ASSIGNEE:
        return account_id
    return _name(raw, account_id)


def _name(raw: Raw, key: str) -> str:
    """Return the user name of a key: names change, and REST v2 takes nothing else."""
    return str(_user(raw, key)["name"])


def _user(raw: Raw, key: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = raw("GET", f"{OWN}user?key={segment(key)}", None)
    return found


def _understood(value: Any) -> Any:  # noqa: ANN401
    """Return an answer in which people have account ids: their keys."""
    if isinstance(value, list):
        return [_understood(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    found = {
        key: item if key == "properties" else _understood(item)
        for key, item in value.items()
    }
    if "displayName" in found and isinstance(found.get("key"), str):
        found.setdefault("accountId", found["key"])
    return found
