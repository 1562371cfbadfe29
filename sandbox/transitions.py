"""Moving an issue through its workflow, and telling who listens to that."""

from typing import Any

from sandbox import catalogue, comments, conditions, fields, issues, workflow
from sandbox.catalogue import Transition
from sandbox.people import Person
from sandbox.world import POST_FUNCTION, Event, Issue, Moved, World

Json = dict[str, Any]


def leading_on(issue: Issue, person: Person) -> list[Transition]:
    """Those the workflow has here, whatever the conditions of apps say."""
    if not person.may("TRANSITION_ISSUES"):
        return []
    return [t for t in catalogue.TRANSITIONS if t.starts_at(issue.status)]


def offered(world: World, issue: Issue, person: Person) -> list[Transition]:
    """Those the person can make now."""
    return [
        made
        for made in leading_on(issue, person)
        if conditions.allow(world, issue, made, person)
    ]


def transition(world: World, issue: Issue, body: Json, person: Person) -> Transition:
    """Move the issue, and fire what sits on the transition."""
    wanted = body.get("transition")
    wanted_id = str(wanted.get("id", "")) if isinstance(wanted, dict) else ""
    if not wanted_id:
        raise issues.RestError(400, ["Missing 'transition' identifier"])
    with world.change():
        made = next(
            (t for t in offered(world, issue, person) if t.id == wanted_id), None
        )
        if made is None:
            why = (
                "It seems that you have tried to perform an illegal workflow "
                f"operation: {wanted_id} is not available now for {issue.key}."
            )
            raise issues.RestError(400, [why])
        given = issues.member(body, "fields")
        _on_screen(made, given)
        said = _comments(body)
        before = issue.status
        entry = _move(world, issue, made, given, person)
        for comment_body in said:
            comments.add(world, issue, comment_body, person)
    was = next(s.name for s in catalogue.STATUSES if s.id == before)
    world.tell(Event("jira:issue_updated", issue, person, entry))
    announce(world, Moved(issue, made, was, person, entry))
    return made


def _on_screen(made: Transition, given: Json) -> None:
    wrong = sorted(given.keys() - set(made.screen))
    if wrong:
        why = "Field cannot be set. It is not on the appropriate screen, or unknown."
        raise issues.RestError(400, errors=dict.fromkeys(wrong, why))


def _comments(body: Json) -> list[Json]:
    operations = issues.member(body, "update").get("comment") or []
    added = [operation["add"] for operation in operations if "add" in operation]
    for one in added:
        comments.document(one.get("body"))
    return added


def _move(
    world: World, issue: Issue, made: Transition, given: Json, person: Person
) -> Json | None:
    names = {s.id: s.name for s in catalogue.STATUSES}
    items: list[Json] = []
    resolution = _resolution(made, given)
    if issue.fields.get("resolution") != resolution:
        known = catalogue.field_named("resolution")
        if known is not None:
            items.append(issues.item(known, issue.fields.get("resolution"), resolution))
        issue.fields["resolution"] = resolution
    if made.to != issue.status:
        items.append(
            {
                "field": "status",
                "fieldtype": "jira",
                "fieldId": "status",
                "from": issue.status,
                "fromString": names[issue.status],
                "to": made.to,
                "toString": names[made.to],
            }
        )
    issue.status = made.to
    entry = issues.record(world, issue, items, person)
    world.touched(issue)
    return entry


def _resolution(made: Transition, given: Json) -> str | None:
    """Set in Done, cleared elsewhere, as the stock workflow does."""
    if "resolution" in given:
        known = catalogue.field_named("resolution")
        try:
            return str(fields.kept(known, given["resolution"])) if known else None
        except fields.FieldError as error:
            raise issues.RestError(400, errors={"resolution": str(error)}) from None
    return "10000" if made.to == catalogue.DONE.id else None


def announce(world: World, moved: Moved) -> None:
    if workflow.live_on(world, moved.issue, moved.transition, POST_FUNCTION):
        for listener in world.on_transition:
            listener(moved)
