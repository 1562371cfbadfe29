"""The repositories, and what their workflows take."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.github.replies import NOT_FOUND, Refused

Json = dict[str, Any]

_MOST_INPUTS = 25
_LONGEST_INPUTS = 65_535


@dataclass(frozen=True, kw_only=True)
class Input:
    required: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Workflow:
    id: int
    name: str
    path: str
    inputs: Mapping[str, Input] | None = None
    """Of `workflow_dispatch`; None: it does not start by that."""
    types: frozenset[str] = frozenset()
    """Of `repository_dispatch`, by which it starts."""

    @property
    def file(self) -> str:
        return self.path.rpartition("/")[2]

    def check(self, given: object) -> dict[str, str]:
        """The inputs, if it can start with them; 422 names what cannot be."""
        if self.inputs is None:
            raise Refused(422, "Workflow does not have 'workflow_dispatch' trigger")
        found = _strings(given)
        unknown = [name for name in found if name not in self.inputs]
        if unknown:
            raise Refused(422, f"Unexpected inputs provided: {json.dumps(unknown)}")
        for name, declared in self.inputs.items():
            value = found.get(name, "")
            if declared.required and not value:
                raise Refused(422, f"Required input '{name}' not provided")
            if declared.choices and value and value not in declared.choices:
                raise Refused(
                    422,
                    f"Provided value '{value}' for input '{name}' not in the list of "
                    "allowed values",
                )
        return found


def _strings(given: object) -> dict[str, str]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise Refused(422, "Invalid request.\n\nFor 'inputs', it is not an object.")
    if len(given) > _MOST_INPUTS:
        raise Refused(422, f"No more than {_MOST_INPUTS} inputs are allowed")
    for name, value in given.items():
        if not isinstance(value, str):
            raise Refused(
                422,
                f"Invalid request.\n\nFor 'properties/{name}', "
                f"{json.dumps(value)} is not a string.",
            )
    if len(json.dumps(given)) > _LONGEST_INPUTS:
        raise Refused(422, "inputs are too large.")
    return given


@dataclass(frozen=True, kw_only=True)
class Repository:
    id: int
    owner: str
    owner_id: int
    name: str
    branches: tuple[str, ...] = ("main",)
    tags: tuple[str, ...] = ()
    workflows: tuple[Workflow, ...] = ()
    is_installed: bool = True
    """Whether the App was given it."""
    default_branch: str = field(default="main")

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"

    def workflow(self, id_or_file: str) -> Workflow:
        for one in self.workflows:
            if id_or_file in {str(one.id), one.file}:
                return one
        raise Refused(404, NOT_FOUND)

    def ref(self, given: object) -> str:
        """In full, from a branch's or a tag's name."""
        if not isinstance(given, str) or not given:
            raise Refused(422, 'Invalid request.\n\n"ref" wasn\'t supplied.')
        known = [f"refs/heads/{name}" for name in self.branches]
        known += [f"refs/tags/{name}" for name in self.tags]
        for full in known:
            if given in {full, full.split("/", 2)[2]}:
                return full
        raise Refused(422, f"No ref found for: {given}")

    def json(self) -> Json:
        return {
            "id": self.id,
            "name": self.name,
            "full_name": self.full_name,
            "private": True,
            "default_branch": self.default_branch,
            "owner": {
                "login": self.owner,
                "id": self.owner_id,
                "type": "Organization",
            },
        }


DEPLOY = Workflow(
    id=161335,
    name="Deploy",
    path=".github/workflows/deploy.yml",
    inputs={
        "version": Input(required=True),
        "environment": Input(choices=("staging", "production")),
        "countersign": Input(),
    },
    types=frozenset({"deploy"}),
)
CHECKS = Workflow(id=161336, name="Checks", path=".github/workflows/checks.yml")
SHOP = Repository(
    id=724712,
    owner="acme",
    owner_id=88213,
    name="shop",
    branches=("main", "next"),
    tags=("v2.4.0",),
    workflows=(DEPLOY, CHECKS),
)
INTRANET = Repository(id=724713, owner="acme", owner_id=88213, name="intranet")
HANDBOOK = Repository(
    id=724714, owner="acme", owner_id=88213, name="handbook", is_installed=False
)
ALL = (SHOP, INTRANET, HANDBOOK)


def find(owner: str, name: str) -> Repository:
    """404 for what is not there."""
    for one in ALL:
        if one.full_name.lower() == f"{owner}/{name}".lower():
            return one
    raise Refused(404, NOT_FOUND)
