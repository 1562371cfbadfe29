"""Comments on issues, in Atlassian Document Format."""

from typing import Any

from sandbox import adf, fields, issues
from sandbox.people import Person
from sandbox.world import Event, Issue, World

Json = dict[str, Any]


def add(world: World, issue: Issue, body: Json, person: Person) -> Json:
    if not person.may("ADD_COMMENTS"):
        why = "You do not have the permission to comment on this issue."
        raise issues.RestError(400, [why])
    said = document(body.get("body"))
    with world.change():
        made = {
            "id": str(world.next_number("comment", 10200)),
            "author": person.account_id,
            "body": said,
            "created": world.stamp(),
            "properties": issues.property_list(body),
            "visibility": body.get("visibility"),
        }
        issue.comments.append(made)
        world.touched(issue)
    world.tell(Event("comment_created", issue, person, comment=made))
    return made


def document(value: object) -> Json:
    try:
        document = adf.check(value)
    except adf.InvalidDocumentError as error:
        errors = {"comment": f"Comment body is not valid! {error}"}
        raise issues.RestError(400, ["INVALID_INPUT"], errors) from None
    if not adf.text(document).strip():
        raise issues.RestError(
            400, errors={"comment": "Comment body can not be empty!"}
        )
    if len(adf.text(document)) > fields.LONGEST_TEXT:
        raise issues.RestError(400, errors={"comment": "The entered text is too long."})
    return document
