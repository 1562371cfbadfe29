"""One tenant's Jira, through its REST API: every call signed, none of them guessed.

`calling` signs and sends; `issues` is what an answer says of an issue.
"""

from app.jira.calling import Jira, JiraError, open_jira, segment
from app.jira.issues import CREATED, Issue, StatusChange, instant, issue_of

__all__ = [
    "CREATED",
    "Issue",
    "Jira",
    "JiraError",
    "StatusChange",
    "instant",
    "issue_of",
    "open_jira",
    "segment",
]
