"""One tenant's Jira, through its REST API: every call signed, none of them guessed.

`opening` knows by which door it is reached, `signing` what opens that door, `calling`
sends and `answers` reads; `datacenter` says the same to a self-managed Jira, `wiki` its
texts; `proving` asks which site a token of Forge's opens, `vouching` whether a
secret that is offered is the site's; `issues` is what an answer
says of an issue; `roles` asks who is in a project's role.
"""

from app.jira.answers import ODD, JiraError, TokenRefusedError, segment
from app.jira.calling import Jira, Standing
from app.jira.issues import (
    CREATED,
    Issue,
    StatusChange,
    instant,
    is_of_status,
    issue_of,
)
from app.jira.opening import (
    lent,
    open_connect,
    open_jira,
    open_offered,
    open_self_managed,
)
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
    "is_of_status",
    "issue_of",
    "lent",
    "open_connect",
    "open_jira",
    "open_offered",
    "open_self_managed",
    "segment",
    "site_of",
]
