"""Who exists on the site and what each may do."""

from dataclasses import dataclass

READER = frozenset({"BROWSE_PROJECTS"})
EDITOR = READER | {
    "ADD_COMMENTS",
    "ASSIGNABLE_USER",
    "ASSIGN_ISSUES",
    "CREATE_ISSUES",
    "EDIT_ISSUES",
    "LINK_ISSUES",
    "SCHEDULE_ISSUES",
    "TRANSITION_ISSUES",
}
PROJECT_ADMIN = EDITOR | {
    "ADMINISTER_PROJECTS",
    "DELETE_ISSUES",
    "MANAGE_WATCHERS",
    "MODIFY_REPORTER",
    "SET_ISSUE_SECURITY",
}
GLOBAL_PERMISSIONS = frozenset(
    {"ADMINISTER", "BULK_CHANGE", "CREATE_SHARED_OBJECTS", "USER_PICKER"}
)


@dataclass(frozen=True)
class Person:
    account_id: str
    name: str
    role: str
    project_permissions: frozenset[str]
    is_admin: bool = False
    is_app: bool = False
    sees_internal: bool = False
    """Whether issues of the security level "Internal" exist for them."""

    def may(self, permission: str) -> bool:
        return permission in self.project_permissions

    def may_globally(self, permission: str) -> bool:
        if permission == "USER_PICKER":
            return True
        return self.is_admin and permission in GLOBAL_PERMISSIONS


ADA = Person(
    "712020:5c0f1f9e-8a34-4f62-9d0b-1a7e63c4b2d1",
    "Ada Admin",
    "Jira administrator",
    PROJECT_ADMIN,
    is_admin=True,
    sees_internal=True,
)
DEE = Person(
    "5f9c2b7d4e1a6800702d3f18",
    "Dee Designer",
    "edits issues in both projects",
    EDITOR,
    sees_internal=True,
)
VIC = Person("60b8e4a1c7d25f0069f0a9be", "Vic Viewer", "may only look", READER)
APP = Person(
    "557058:e1b6d3f0-7c52-4a89-b0f4-92d8c6a517ee",
    "Countersign",
    "the add-on's own account",
    EDITOR - {"ASSIGNABLE_USER"},
    is_app=True,
)

USERS = (ADA, DEE, VIC)
EVERYONE = (*USERS, APP)


@dataclass(frozen=True)
class ProjectRole:
    """The same people have it in every project."""

    id: int
    name: str
    description: str
    members: tuple[Person, ...]


ROLES = (
    ProjectRole(10002, "Administrators", "Administer the project.", (ADA,)),
    ProjectRole(10003, "Developers", "Work in the project.", (ADA, DEE)),
    ProjectRole(10004, "Service Desk Team", "Answer customers.", ()),
    ProjectRole(
        10005,
        "atlassian-addons-project-access",
        "Jira keeps the accounts of its apps in this role.",
        (APP,),
    ),
)


def roles_of(person: Person) -> list[ProjectRole]:
    return [role for role in ROLES if person in role.members]


def find(account_id: str | None) -> Person | None:
    return next((p for p in EVERYONE if p.account_id == account_id), None)


def named(text: str) -> Person:
    """By account id or first name, for the control API and the tests."""
    for person in EVERYONE:
        if text in {person.account_id, person.name, person.name.split()[0].lower()}:
            return person
    raise LookupError(f"nobody is called {text!r}")
