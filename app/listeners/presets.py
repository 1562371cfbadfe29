"""Jobs of two build systems, by the tokens that these make for each of them (T17).

Everybody has such tokens made, for any `aud`. So the numbers of project and owner are
pinned, which are never given to another, and with them what may run: never what comes
along with a stranger's pull request.

Source: GitHub, "OpenID Connect reference"; GitLab, "ID token authentication".
"""

import re
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from app.listeners.defining import Federated, Issuer, frozen
from app.listeners.tables import Proof
from app.tokens.listener import Pins

_PART = r"[A-Za-z0-9_.-]{1,100}"
_REPOSITORY = re.compile(f"{_PART}/{_PART}", re.ASCII)
_WORKFLOW = re.compile(r"[A-Za-z0-9_.-]{1,100}\.ya?ml", re.ASCII)
_REF = re.compile(r"refs/(heads|tags)/[^\s~^:?*\[\\]{1,200}")
_BRANCH = re.compile(r"[^\s~^:?*\[\\]{1,200}")


class GitHubEvent(StrEnum):
    """What may start the workflow. A pull request may not: its author writes it."""

    WORKFLOW_DISPATCH = "workflow_dispatch"
    REPOSITORY_DISPATCH = "repository_dispatch"


class GitLabSource(StrEnum):
    """What may start the pipeline. A merge request may not: its author writes it."""

    TRIGGER = "trigger"
    API = "api"
    WEB = "web"
    PIPELINE = "pipeline"


def _is_number(value: str) -> str:
    if not (value.isascii() and value.isdigit() and len(value) <= 20):  # noqa: PLR2004
        raise ValueError("write the number, in digits: names are given to others")
    return value


def _is_repository(value: str) -> str:
    if not _REPOSITORY.fullmatch(value):
        raise ValueError("write it as owner/name")
    return value


def _is_workflow(value: str) -> str:
    if not _WORKFLOW.fullmatch(value):
        raise ValueError("write the file's name alone, such as deploy.yml")
    return value


def _is_ref(value: str) -> str:
    if not _REF.fullmatch(value) or not value.isprintable():
        # Attack: `refs/pull/7/merge` is what the author of a pull request wrote.
        raise ValueError("name one branch (refs/heads/main) or tag (refs/tags/v1)")
    return value


def _is_branch(value: str) -> str:
    if value.startswith("refs/") or not _BRANCH.fullmatch(value):
        raise ValueError("write the branch's name alone, such as main")
    if not value.isprintable():
        raise ValueError("write the branch's name alone, such as main")
    return value


Number = Annotated[str, AfterValidator(_is_number)]


class GitHubProof(Federated):
    """One workflow of one GitHub repository."""

    proof = Proof.GITHUB_ACTIONS

    issuer: Issuer = Field(
        default="https://token.actions.githubusercontent.com",
        title="Issuer",
        description="Another one only with GitHub Enterprise.",
    )
    repository: Annotated[str, AfterValidator(_is_repository)] = Field(
        title="Repository", description="As owner/name."
    )
    repository_id: Number = Field(
        title="Repository's number",
        description="“id” of api.github.com/repos/owner/name.",
    )
    repository_owner_id: Number = Field(
        title="Owner's number",
        description="“owner.id” of api.github.com/repos/owner/name.",
    )
    workflow: Annotated[str, AfterValidator(_is_workflow)] = Field(
        title="Workflow", description="Its file in .github/workflows."
    )
    ref: Annotated[str, AfterValidator(_is_ref)] = Field(
        default="refs/heads/main",
        title="Branch or tag",
        description="On which it runs: refs/heads/… or refs/tags/….",
    )
    events: tuple[GitHubEvent, ...] = Field(
        default=tuple(GitHubEvent),
        min_length=1,
        max_length=len(GitHubEvent),
        title="Started by",
    )

    @property
    def identity(self) -> Pins:
        return frozen(
            {
                "repository_id": (self.repository_id,),
                "repository_owner_id": (self.repository_owner_id,),
            }
        )

    @property
    def pins(self) -> Pins:
        place = f"{self.repository}/.github/workflows/{self.workflow}"
        return frozen(
            {
                "ref": (self.ref,),
                "workflow_ref": (f"{place}@{self.ref}",),
                "event_name": self.events,
            }
        )

    @property
    def run_claim(self) -> str:
        return "run_id"


class GitLabProof(Federated):
    """The pipelines of one GitLab project."""

    proof = Proof.GITLAB_CI

    issuer: Issuer = Field(
        default="https://gitlab.com",
        title="Issuer",
        description="Your GitLab's address.",
    )
    project_id: Number = Field(title="Project's number")
    namespace_id: Number = Field(
        title="Namespace's number", description="Of the group, or user, it is in."
    )
    ref: Annotated[str, AfterValidator(_is_branch)] = Field(
        default="main", title="Branch", description="On which the pipeline runs."
    )
    sources: tuple[GitLabSource, ...] = Field(
        default=tuple(GitLabSource),
        min_length=1,
        max_length=len(GitLabSource),
        title="Started by",
    )

    @property
    def identity(self) -> Pins:
        return frozen(
            {"project_id": (self.project_id,), "namespace_id": (self.namespace_id,)}
        )

    @property
    def pins(self) -> Pins:
        return frozen(
            {
                "ref": (self.ref,),
                "ref_type": ("branch",),
                "pipeline_source": self.sources,
            }
        )

    @property
    def run_claim(self) -> str:
        return "pipeline_id"
