"""Links between issues; Jira keeps one record that both ends show."""

from typing import Any

from sandbox import catalogue, issues
from sandbox.people import Person
from sandbox.world import Issue, World

Json = dict[str, Any]


def add(world: World, body: Json, person: Person) -> Json:
    """Make the link of a REST body; the same link twice is one link."""
    wanted = body.get("type") or {}
    kind = catalogue.link_type(str(wanted.get("id") or wanted.get("name") or ""))
    if kind is None:
        raise issues.RestError(404, ["No issue link type with that id or name."])
    if not person.may("LINK_ISSUES"):
        raise issues.RestError(404, ["No Link Issue Permission for the issues."])
    inward = _end(world, body, "inwardIssue", person)
    outward = _end(world, body, "outwardIssue", person)
    with world.change() as state:
        same = {"type": kind.id, "inward": inward.id, "outward": outward.id}
        for link in state.links:
            if same.items() <= link.items():
                return link
        made = {"id": str(world.next_number("link", 10300)), **same}
        state.links.append(made)
        for issue, other, words in (
            (inward, outward, kind.outward),
            (outward, inward, kind.inward),
        ):
            issues.record(world, issue, [_item(words, other)], person)
            world.touched(issue)
    return made


def _end(world: World, body: Json, name: str, person: Person) -> Issue:
    end = body.get(name) or {}
    return issues.get(world, str(end.get("id") or end.get("key") or ""), person)


def _item(words: str, other: Issue) -> Json:
    return {
        "field": "Link",
        "fieldtype": "jira",
        "fieldId": "issuelinks",
        "from": None,
        "fromString": None,
        "to": other.key,
        "toString": f"This issue {words} {other.key}",
    }


def of(world: World, issue: Issue, person: Person) -> list[tuple[Json, str, Issue]]:
    """Links of the issue that this person may see: link, which end is there, issue."""
    found = []
    for link in world.state.links:
        for here, there in (("inward", "outward"), ("outward", "inward")):
            other = world.state.issues.get(link[there])
            if link[here] == issue.id and other and issues.visible(other, person):
                found.append((link, there, other))
    return found
