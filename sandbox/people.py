"""Who exists on the site and what each may do."""

from dataclasses import dataclass, field

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
    """The account says who it is; what one may can change."""

    account_id: str
    name: str = field(compare=False)
    role: str = field(compare=False)
    project_permissions: frozenset[str] = field(compare=False)
    is_admin: bool = field(default=False, compare=False)
    is_app: bool = field(default=False, compare=False)
    sees_internal: bool = field(default=False, compare=False)
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

FORGE = Person(
    "557058:3d9a41c7-5e0b-4f7a-8c16-b7a2f04de981",
    "Countersign (Forge)",
    "the Forge app's own account, which is not the add-on's",
    EDITOR - {"ASSIGNABLE_USER"},
    is_app=True,
)

USERS = (ADA, DEE, VIC)
EVERYONE = (*USERS, APP, FORGE)


@dataclass(frozen=True)
class Group:
    id: str
    name: str
    members: tuple[Person, ...]


ON_CALL = Group("2f6d1c0e-7b54-4a8e-9d21-6c3b5e0f9a17", "on-call-engineers", (VIC,))
GROUPS = (
    Group("9c4e7a52-3d18-4f60-8b7e-1a5d2c6f0e43", "jira-administrators", (ADA,)),
    ON_CALL,
)


@dataclass(frozen=True)
class ProjectRole:
    """The same people have it in every project."""

    id: int
    name: str
    description: str
    members: tuple[Person, ...]
    groups: tuple[Group, ...] = ()

    def has(self, person: Person) -> bool:
        among = (person in group.members for group in self.groups)
        return person in self.members or any(among)


ROLES = (
    ProjectRole(10002, "Administrators", "Administer the project.", (ADA,)),
    ProjectRole(10003, "Developers", "Work in the project.", (ADA, DEE)),
    ProjectRole(10004, "Service Desk Team", "Answer customers.", ()),
    ProjectRole(
        10005,
        "atlassian-addons-project-access",
        "Jira keeps the accounts of its apps in this role.",
        (APP, FORGE),
    ),
    ProjectRole(10006, "On-call", "Are called at night.", (), (ON_CALL,)),
)


def roles_of(person: Person) -> list[ProjectRole]:
    return [role for role in ROLES if role.has(person)]


def groups_of(person: Person) -> list[Group]:
    return [group for group in GROUPS if person in group.members]


def find(account_id: str | None) -> Person | None:
    return next((p for p in EVERYONE if p.account_id == account_id), None)


def named(text: str) -> Person:
    """By account id or first name, for the control API and the tests."""
    for person in EVERYONE:
        if text in {person.account_id, person.name, person.name.split()[0].lower()}:
            return person
    raise LookupError(f"nobody is called {text!r}")
