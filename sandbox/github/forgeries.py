"""Answers that the add-on must refuse: each is wrong in one thing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sandbox.github import keys
from sandbox.github.build import Build

Json = dict[str, Any]

_TEN_MINUTES = timedelta(minutes=10)


@dataclass(frozen=True)
class Forgery:
    name: str
    label: str
    changes: Callable[[Build], Json]


def _always(**changes: object) -> Callable[[Build], Json]:
    return lambda _: changes


def _expired(build: Build) -> Json:
    issued = int((build.now() - _TEN_MINUTES).timestamp())
    return {"iat": issued, "nbf": issued, "exp": issued + 300}


def _other_branch(build: Build) -> Json:
    full_name = build.run.repository.full_name
    ref = "refs/heads/next"
    workflow = f"{full_name}/{build.run.workflow.path}@{ref}"
    return {
        "ref": ref,
        "sub": f"repo:{full_name}:ref:{ref}",
        "workflow_ref": workflow,
        "job_workflow_ref": workflow,
    }


def _other_workflow(build: Build) -> Json:
    full_name, ref = build.run.repository.full_name, build.run.ref
    path = f"{full_name}/.github/workflows/checks.yml@{ref}"
    return {"workflow": "Checks", "workflow_ref": path, "job_workflow_ref": path}


_ALL = (
    Forgery("wrong-key", "Another answer key", _always(answer_key="k" * 32)),
    Forgery("no-key", "No answer key", _always(answer_key=None)),
    Forgery(
        # Attack: the name was given to somebody else after its owner had gone.
        "other-repository",
        "Another repository of that name",
        _always(repository_id="999999"),
    ),
    Forgery(
        "other-owner", "Another owner of that name", _always(repository_owner_id="7")
    ),
    Forgery(
        "pull-request",
        "From a pull request",
        lambda build: {
            "event_name": "pull_request",
            "ref": "refs/pull/7/merge",
            "sub": f"repo:{build.run.repository.full_name}:pull_request",
        },
    ),
    Forgery("other-branch", "From another branch", _other_branch),
    Forgery("other-workflow", "From another workflow", _other_workflow),
    Forgery(
        "wrong-audience", "For somebody else", _always(aud="https://else.example/in")
    ),
    Forgery(
        "other-run",
        "From another run",
        lambda build: {"run_id": str(build.id + 1)},
    ),
    Forgery("other-issuer", "By another issuer", _always(iss="https://issuer.example")),
    Forgery(
        "other-signer",
        "Signed by somebody else",
        lambda _: {"key": keys.first("stranger")},
    ),
    Forgery("expired", "Expired", _expired),
)
FORGERIES: dict[str, Forgery] = {one.name: one for one in _ALL}


def answer(build: Build, name: str) -> int:
    """Answer so; raise LookupError for one that is not there."""
    if name not in FORGERIES:
        raise LookupError(
            f"there is no forgery {name!r}; there are {', '.join(FORGERIES)}"
        )
    found = FORGERIES[name]
    return build.answer(note=found.label, **found.changes(build))
