"""The issues a new site starts with."""

from datetime import timedelta
from typing import Any

from sandbox import adf, catalogue, people
from sandbox.world import Issue, World, stamp

Json = dict[str, Any]

HIDDEN = "DEMO-8"
"""Has a security level that the add-on and Vic are not in: 404 for them."""

# project, type, status, summary, description, further fields
_ISSUES: tuple[tuple[str, str, str, str, str, Json], ...] = (
    (
        "DEMO",
        "Story",
        "In Review",
        "Ship invoice service 2.4.0 to production",
        "Release train of this week.\nSmoke tests are green on staging.",
        {
            "labels": ["release"],
            "priority": "2",
            "assignee": people.DEE.account_id,
            "customfield_10010": "2.4.0",
            "customfield_10011": "10021",
            "customfield_10012": 5,
            "customfield_10013": adf.document("Credit notes can be corrected."),
            "duedate": "2026-12-04",
        },
    ),
    (
        "DEMO",
        "Bug",
        "In Progress",
        "Totals are rounded twice on credit notes",
        "A credit note of 0.125 shows 0.12 in the list and 0.13 in the PDF.",
        {"labels": ["billing"], "priority": "1", "assignee": people.DEE.account_id},
    ),
    (
        "DEMO",
        "Task",
        "To Do",
        "Rotate the signing key of the staging registry",
        "Due every ninety days. The runbook is in the wiki.",
        {"labels": ["security"], "customfield_10011": "10020"},
    ),
    (
        "DEMO",
        "Story",
        "In Review",
        "Ship the web shop 7.1.0 to staging",
        "Second candidate; the first one had the wrong base image.",
        {
            "labels": ["release"],
            "assignee": people.ADA.account_id,
            "customfield_10010": "7.1.0-rc2",
            "customfield_10011": "10020",
            "customfield_10012": 3,
        },
    ),
    (
        "DEMO",
        "Task",
        "Done",
        "Move the nightly export to the new queue",
        "Both ran side by side for a week and agreed.",
        {"labels": ["export"], "customfield_10012": 2, "resolution": "10000"},
    ),
    (
        "DEMO",
        "Story",
        "Deployment failed",
        "Ship the mail gateway 1.9.3 to production",
        "The health check of the canary never turned green.",
        {
            "labels": ["release", "urgent"],
            "priority": "1",
            "assignee": people.DEE.account_id,
            "customfield_10010": "1.9.3",
            "customfield_10011": "10021",
        },
    ),
    (
        "DEMO",
        "Sub-task",
        "To Do",
        "Write the release notes for 2.4.0",
        "One page, for customers.",
        {"parent": "DEMO-1"},
    ),
    (
        "DEMO",
        "Bug",
        "In Review",
        "Session tokens survive a password change",
        "Not to be discussed outside the team before the fix is out.",
        {"labels": ["security"], "priority": "1", "security": "10000"},
    ),
    (
        "OPS",
        "Task",
        "To Do",
        "Renew the certificate of the status page",
        "Expires at the end of the month.",
        {"labels": ["certificates"], "assignee": people.ADA.account_id},
    ),
    (
        "OPS",
        "Bug",
        "In Progress",
        "Alerts arrive twice since the failover",
        "Both gateways believe that they are the primary one.",
        {"priority": "2"},
    ),
    (
        "OPS",
        "Task",
        "In Review",
        "Double the disk of the log store",
        "",
        {"customfield_10011": "10021"},
    ),
)


def plant(world: World) -> None:
    """Fill an empty site; everything is days old, so the index knows it."""
    born = world.now() - timedelta(days=9)
    with world.change():
        for hours, row in enumerate(_ISSUES):
            _plant(world, row, stamp(born + timedelta(hours=7 * hours)))
        first, second = world.issue("DEMO-1"), world.issue("DEMO-2")
        world.state.links.append(
            {
                "id": str(world.next_number("link", 10300)),
                "type": "10000",
                "inward": second.id,
                "outward": first.id,
            }
        )


def _plant(
    world: World, row: tuple[str, str, str, str, str, Json], created: str
) -> None:
    project, kind, status, summary, description, rest = row
    number = world.next_number(f"issue {project}", 1)
    found = catalogue.issue_type(kind), catalogue.status(status)
    issue = Issue(
        id=str(world.next_number("issue", 10100)),
        key=f"{project}-{number}",
        project=project,
        issuetype=found[0].id if found[0] else "",
        status=found[1].id if found[1] else "",
        created=created,
        updated=created,
        creator=people.ADA.account_id,
        fields=_fields(world, summary, description, rest),
    )
    world.state.issues[issue.id] = issue
    world.settled(issue)


def _fields(world: World, summary: str, description: str, rest: Json) -> Json:
    empty: Json = {f.id: None for f in catalogue.FIELDS if f.operations}
    filled = empty | {
        "summary": summary,
        "description": adf.document(description) if description else None,
        "labels": [],
        "priority": "3",
        "reporter": people.ADA.account_id,
        "resolution": None,
        "parent": None,
    }
    parent = rest.get("parent")
    return filled | rest | ({"parent": world.issue(parent).id} if parent else {})
