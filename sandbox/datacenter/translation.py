"""REST v2 bodies as the site's nouns take them: wiki markup, and users by name."""

from typing import Any

from sandbox import adf, fields
from sandbox.datacenter import users
from sandbox.issues import RestError

Json = dict[str, Any]

PEOPLE = frozenset({"assignee", "reporter"})


def issue(body: Json) -> Json:
    """Of a creation, an edit or a transition."""
    found = dict(body)
    if isinstance(body.get("fields"), dict):
        found["fields"] = values(body["fields"])
    if isinstance(body.get("update"), dict):
        found["update"] = {
            name: [_operation(name, one) for one in several]
            for name, several in body["update"].items()
            if isinstance(several, list)
        }
    return found


def values(given: Json) -> Json:
    return {name: _value(name, value) for name, value in given.items()}


def comment(body: Json) -> Json:
    return body | {"body": _document("comment", body.get("body"))}


def _operation(name: str, operation: Json) -> Json:
    if name == "comment":
        return {verb: comment(said) for verb, said in operation.items()}
    return {verb: _value(name, value) for verb, value in operation.items()}


def _value(name: str, value: object) -> object:
    if value is None:
        return None
    if name in fields.RICH:
        return _document(name, value) if value else None
    return user(name, value) if name in PEOPLE else value


def _document(name: str, value: object) -> Json:
    if not isinstance(value, str):
        # what Jira says to a document of REST v3
        raise RestError(400, errors={name: "Operation value must be a string"})
    return adf.from_wiki(value)


def user(name: str, value: object) -> Json | None:
    """`{"name": …}` or `{"key": …}`; no account ids are known here."""
    if not isinstance(value, dict) or not value.keys() & {"name", "key"}:
        raise RestError(400, errors={name: "expected Object containing a name"})
    wanted = value.get("name", value.get("key"))
    if wanted in {None, "", "-1"}:
        return None
    find = users.named if "name" in value else users.keyed
    person = find(str(wanted))
    if person is None:
        raise RestError(400, errors={name: f"User '{wanted}' does not exist."})
    return {"accountId": person.account_id}
