"""What Jira says of held issues: which there are, and how they came into the hold."""

from collections.abc import Iterator
from dataclasses import dataclass

from app.jira import Issue, Jira, JiraError, StatusChange, segment
from app.steps.base import RUN_PROPERTY

PAGE = 100
MOST = 1000
"""Issues of one hold that one look asks for; the next look begins anew."""

NOT_FOUND = 404


@dataclass(frozen=True, kw_only=True)
class Held:
    """An issue that is in the hold: Jira's own word, not its search index's."""

    issue: Issue
    arrival: StatusChange


def ids(jira: Jira, hold: str) -> Iterator[str]:
    """Yield the issues that the index believes to be in the hold, oldest first.

    Attack (T12): a status is named by its number alone, so nothing that a designer
    wrote becomes a part of the query.
    """
    query = {
        "jql": f"status = {int(hold)} ORDER BY created ASC",
        "fields": "id",
        "maxResults": str(PAGE),
    }
    found = 0
    while found < MOST:
        page = jira.get("/rest/api/3/search/jql", query)
        for row in page.get("issues") or []:
            yield str(row["id"])
            found += 1
        token = page.get("nextPageToken")
        if not token:
            return
        query["nextPageToken"] = str(token)


def read(jira: Jira, issue_id: str, hold: str) -> Held | None:
    """Read an issue again (rule T12); None if it is not held, or not by a change.

    An issue whose history does not say how it came there was put there by a migration
    or an import: no transition, so no rule's.
    """
    try:
        issue = jira.issue(issue_id, properties=RUN_PROPERTY)
    except JiraError as error:
        if error.status == NOT_FOUND:
            return None
        raise
    arrival = issue.arrival
    if issue.id != issue_id or issue.status_id != hold or arrival is None:
        return None
    return Held(issue=issue, arrival=arrival)


def offered(jira: Jira, issue: Issue) -> list[str]:
    """Return names and ids of the transitions that we may make on the issue now."""
    answer = jira.get(f"/rest/api/3/issue/{segment(issue.id)}/transitions")
    return [str(each[key]) for each in answer["transitions"] for key in ("name", "id")]
