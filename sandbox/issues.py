"""An issue: who sees it, how its fields are edited, how its history is written.

What Jira refuses is a `RestError` with the status and the shape of Jira's answer.
"""

from dataclasses import dataclass, field
from typing import Any

from sandbox import catalogue, fields
from sandbox.catalogue import Field
from sandbox.people import Person
from sandbox.world import Event, Issue, World

Json = dict[str, Any]

LARGEST_PROPERTY = 32_768
NOT_SEEN = "Issue does not exist or you do not have permission to see it."


@dataclass
class RestError(Exception):
    status: int
    messages: list[str] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)


def visible(issue: Issue, person: Person) -> bool:
    if not person.may("BROWSE_PROJECTS"):
        return False
    return person.sees_internal or not issue.fields.get("security")


def get(world: World, id_or_key: str, person: Person) -> Issue:
    issue = world.find_issue(id_or_key)
    if issue is None or not visible(issue, person):
        raise RestError(404, [NOT_SEEN])
    return issue


def checked(given: Json, person: Person) -> Json:
    """Every field as it is kept, or all that is wrong at once."""
    allowed = {f.id: f for f in fields.editable(person)}
    stored, errors = {}, {}
    for name, value in given.items():
        if name not in allowed:
            errors[name] = (
                f"Field '{name}' cannot be set. "
                "It is not on the appropriate screen, or unknown."
            )
            continue
        try:
            stored[name] = fields.kept(allowed[name], value)
        except fields.FieldError as error:
            errors[name] = str(error)
    if errors:
        raise RestError(400, errors=errors)
    return stored


def edit(world: World, issue: Issue, body: Json, person: Person) -> None:
    """Carry out `fields` and `update` of a REST body, all or nothing."""
    if not person.may("EDIT_ISSUES"):
        raise RestError(403, ["You do not have permission to edit this issue."])
    given, operations = member(body, "fields"), member(body, "update")
    both = given.keys() & operations.keys()
    if both:
        why = "Field cannot appear in both 'fields' and 'update'"
        raise RestError(400, errors=dict.fromkeys(sorted(both), why))
    with world.change():
        new = checked(given | _resolved(issue, operations, person), person)
        for key, value in properties_of(body).items():
            issue.properties[key] = value
        change(world, issue, new, person)


def member(body: Json, name: str) -> Json:
    """An object inside a REST body; empty when it is left out."""
    value = body.get(name) or {}
    if not isinstance(value, dict):
        raise RestError(400, [f"{name} is not an object"])
    return value


def _resolved(issue: Issue, operations: Json, person: Person) -> Json:
    """What the fields would be after the `update` operations."""
    offered = {f.id: f.operations for f in fields.editable(person)}
    result: Json = {}
    for name, several in operations.items():
        value: object = issue.fields.get(name)
        for operation in several if isinstance(several, list) else []:
            verb, given = next(iter(operation.items()))
            if name in offered and verb not in offered[name]:
                why = f"Field '{name}' does not support operation '{verb}'"
                raise RestError(400, errors={name: why})
            value = _applied(name, value, verb, given)
        result[name] = value
    return result


def _applied(name: str, value: object, verb: str, given: object) -> object:
    if verb == "set":
        return given
    labels = set(value) if isinstance(value, list) else set()
    try:
        one = fields.label(given)
    except fields.FieldError as error:
        raise RestError(400, errors={name: str(error)}) from None
    return sorted(labels | {one} if verb == "add" else labels - {one})


def change(world: World, issue: Issue, new: Json, person: Person) -> None:
    """Write stored values with their history; under the lock."""
    items = []
    for name, value in new.items():
        before = issue.fields.get(name)
        if before == value:
            continue
        known = catalogue.field_named(name)
        if known is not None:
            items.append(item(known, before, value))
        issue.fields[name] = value
    entry = record(world, issue, items, person)
    world.touched(issue)
    if entry is not None:
        world.tell(Event("jira:issue_updated", issue, person, entry))


def item(known: Field, before: object, after: object) -> Json:
    by_id = known.id in fields.CHOICES or known.schema["type"] == "user"
    return {
        "field": known.name if known.is_custom else known.id,
        "fieldtype": "custom" if known.is_custom else "jira",
        "fieldId": known.id,
        "from": str(before) if by_id and before else None,
        "fromString": fields.display(known, before),
        "to": str(after) if by_id and after else None,
        "toString": fields.display(known, after),
    }


def record(
    world: World, issue: Issue, items: list[Json], person: Person
) -> Json | None:
    """One history entry; without items none, as for a looped transition."""
    if not items:
        return None
    entry = {
        "id": str(world.next_number("history", 10400)),
        "author": person.account_id,
        "created": world.stamp(),
        "items": items,
    }
    issue.history.append(entry)
    return entry


def property_list(body: Json) -> list[Json]:
    return [{"key": k, "value": v} for k, v in properties_of(body).items()]


def properties_of(body: Json) -> Json:
    return {one["key"]: one["value"] for one in body.get("properties") or []}
