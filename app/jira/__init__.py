"""One tenant's Jira, through its REST API: every call signed, none of them guessed.

`opening` knows by which door it is reached, `signing` what opens that door, `calling`
sends; `proving` asks which site a token of Forge's opens, `vouching` whether a
secret that is offered is the site's; `issues` is what an answer
says of an issue; `roles` asks who is in a project's role.
"""

from app.jira.calling import (
    ODD,
    Jira,
    JiraError,
    Standing,
    TokenRefusedError,
    segment,
)
from app.jira.issues import CREATED, Issue, StatusChange, instant, issue_of
from app.jira.opening import lent, open_connect, open_jira, open_offered
from app.jira.proving import site_of
from app.jira.roles import is_in_role
from app.jira.vouching import doubt

__all__ = [
    "CREATED",
    "ODD",
    "Issue",
    "Jira",
    "JiraError",
    "Standing",
    "StatusChange",
    "TokenRefusedError",
    "doubt",
    "instant",
    "is_in_role",
    "issue_of",
    "lent",
    "open_connect",
    "open_jira",
    "open_offered",
    "segment",
    "site_of",
]
