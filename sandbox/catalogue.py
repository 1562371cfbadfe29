"""What never changes on this site: projects, types, statuses, transitions, fields."""

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Project:
    id: str
    key: str
    name: str


@dataclass(frozen=True)
class IssueType:
    id: str
    name: str
    description: str
    subtask: bool = False


@dataclass(frozen=True)
class Status:
    id: str
    name: str
    category: int
    """A key of CATEGORIES."""


@dataclass(frozen=True)
class Transition:
    id: str
    name: str
    to: str
    sources: tuple[str, ...] = ()
    is_global: bool = False
    is_initial: bool = False
    screen: tuple[str, ...] = ()
    """Fields that may be set while it is made."""

    def starts_at(self, status: str) -> bool:
        if self.is_initial:
            return False
        # Jira would offer a global transition inside its own target as well;
        # a workflow designer hides it there by a condition, and so do we
        return self.to != status if self.is_global else status in self.sources


@dataclass(frozen=True)
class LinkType:
    id: str
    name: str
    inward: str
    outward: str


@dataclass(frozen=True)
class Field:
    id: str
    name: str
    schema: Json = field(hash=False)
    operations: tuple[str, ...] = ()
    """What editmeta offers; empty means read only."""
    needs: str = "EDIT_ISSUES"
    clauses: tuple[str, ...] = ()

    @property
    def is_custom(self) -> bool:
        return "custom" in self.schema


PROJECTS = (
    Project("10000", "DEMO", "Demo delivery"),
    Project("10001", "OPS", "Operations"),
)
ISSUE_TYPES = (
    IssueType("10001", "Task", "A piece of work."),
    IssueType("10002", "Bug", "Something is broken."),
    IssueType("10003", "Story", "What a user wants."),
    IssueType("10004", "Sub-task", "A part of another issue.", subtask=True),
)
CATEGORIES = {
    2: ("new", "To Do", "blue-gray"),
    4: ("indeterminate", "In Progress", "yellow"),
    3: ("done", "Done", "green"),
}
TO_DO, IN_PROGRESS, IN_REVIEW, DEPLOYING, DEPLOYED, DONE, *_FAILURES = STATUSES = (
    Status("10000", "To Do", 2),
    Status("10001", "In Progress", 4),
    Status("10002", "In Review", 4),
    # the hold: it is left by what the add-on learns, or by an administrator
    Status("10005", "Deploying", 4),
    Status("10007", "Deployed", 3),
    Status("10003", "Done", 3),
    Status("10004", "Deployment failed", 4),
    Status("10006", "Deploy failed", 4),
)
FAILED, DEPLOY_FAILED = _FAILURES
TRANSITIONS = (
    Transition("1", "Create", TO_DO.id, is_initial=True),
    Transition("11", "Start progress", IN_PROGRESS.id, (TO_DO.id,)),
    Transition("21", "Send to review", IN_REVIEW.id, (IN_PROGRESS.id,)),
    Transition("31", "Deploy", DONE.id, (IN_REVIEW.id,), screen=("resolution",)),
    Transition("41", "Deployment failed", FAILED.id, is_global=True),
    Transition("51", "Reopen", TO_DO.id, (DONE.id, DEPLOYED.id, FAILED.id)),
    Transition("61", "Touch", IN_REVIEW.id, (IN_REVIEW.id,)),
    Transition("71", "Dispatch", DEPLOYING.id, (IN_REVIEW.id,)),
    Transition("81", "Deployed", DEPLOYED.id, (DEPLOYING.id,)),
    Transition("91", "Deploy failed", DEPLOY_FAILED.id, (DEPLOYING.id,)),
    Transition("101", "Back to review", IN_REVIEW.id, (DEPLOY_FAILED.id,)),
)
WORKFLOW = "DEMO: Delivery workflow"
PRIORITIES = {"1": "Highest", "2": "High", "3": "Medium", "4": "Low", "5": "Lowest"}
RESOLUTIONS = {"10000": "Done", "10001": "Won't do"}
ENVIRONMENTS = {"10020": "Staging", "10021": "Production"}
SECURITY_LEVELS = {"10000": "Internal"}
LINK_TYPES = (
    LinkType("10000", "Blocks", "is blocked by", "blocks"),
    LinkType("10001", "Cloners", "is cloned by", "clones"),
    LinkType("10002", "Duplicate", "is duplicated by", "duplicates"),
    LinkType("10003", "Relates", "relates to", "relates to"),
)

_PLUGIN = "com.atlassian.jira.plugin.system.customfieldtypes:"
_SET = ("set",)


def _system(kind: str, name: str, items: str | None = None) -> Json:
    return {"type": kind, "system": name} | ({"items": items} if items else {})


def _custom(kind: str, plugin: str, number: int) -> Json:
    return {"type": kind, "custom": _PLUGIN + plugin, "customId": number}


FIELDS = (
    Field("summary", "Summary", _system("string", "summary"), _SET),
    Field("description", "Description", _system("string", "description"), _SET),
    Field(
        "labels",
        "Labels",
        _system("array", "labels", "string"),
        ("add", "set", "remove"),
        clauses=("labels",),
    ),
    Field("priority", "Priority", _system("priority", "priority"), _SET),
    Field(
        "assignee", "Assignee", _system("user", "assignee"), _SET, needs="ASSIGN_ISSUES"
    ),
    Field(
        "reporter",
        "Reporter",
        _system("user", "reporter"),
        _SET,
        needs="MODIFY_REPORTER",
    ),
    Field(
        "security",
        "Security Level",
        _system("securitylevel", "security"),
        _SET,
        needs="SET_ISSUE_SECURITY",
    ),
    Field("duedate", "Due date", _system("date", "duedate"), _SET),
    Field("customfield_10010", "Version", _custom("string", "textfield", 10010), _SET),
    Field("customfield_10011", "Environment", _custom("option", "select", 10011), _SET),
    Field("customfield_10012", "Story points", _custom("number", "float", 10012), _SET),
    Field(
        "customfield_10013", "Release notes", _custom("string", "textarea", 10013), _SET
    ),
    Field("project", "Project", _system("project", "project"), clauses=("project",)),
    Field("issuetype", "Issue Type", _system("issuetype", "issuetype")),
    Field("status", "Status", _system("status", "status"), clauses=("status",)),
    Field("resolution", "Resolution", _system("resolution", "resolution")),
    Field("creator", "Creator", _system("user", "creator")),
    Field("created", "Created", _system("datetime", "created"), clauses=("created",)),
    Field("updated", "Updated", _system("datetime", "updated"), clauses=("updated",)),
    Field("parent", "Parent", _system("issuelink", "parent"), clauses=("parent",)),
    Field("subtasks", "Sub-tasks", _system("array", "subtasks", "issuelinks")),
    Field("issuelinks", "Linked Issues", _system("array", "issuelinks", "issuelinks")),
    Field("comment", "Comment", _system("comments-page", "comment")),
)


def project(key_or_id: str) -> Project | None:
    return next(
        (p for p in PROJECTS if key_or_id == p.id or key_or_id.upper() == p.key), None
    )


def issue_type(id_or_name: str) -> IssueType | None:
    return next((t for t in ISSUE_TYPES if id_or_name in {t.id, t.name}), None)


def status(id_or_name: str) -> Status | None:
    wanted = id_or_name.casefold()
    return next(
        (s for s in STATUSES if wanted in {s.id, s.name.casefold()}),
        None,
    )


def transition(id_or_name: str) -> Transition | None:
    wanted = id_or_name.casefold()
    return next(
        (t for t in TRANSITIONS if wanted in {t.id, t.name.casefold()}),
        None,
    )


def field_named(field_id: str) -> Field | None:
    return next((f for f in FIELDS if f.id == field_id), None)


def link_type(id_or_name: str) -> LinkType | None:
    return next((t for t in LINK_TYPES if id_or_name in {t.id, t.name}), None)
