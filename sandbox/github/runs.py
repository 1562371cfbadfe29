"""The runs of workflows."""

import contextlib
import json
import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sandbox.github.repository import Repository, Workflow

Json = dict[str, Any]

QUEUED, IN_PROGRESS, COMPLETED = "queued", "in_progress", "completed"
SUCCESS, FAILURE = "success", "failure"
_PER_SECOND = 1_000
_HIDDEN = "(hidden)"
_MEMBERS = ("run", "delivery", "answer_to", "answer_key")


@dataclass(frozen=True)
class Countersign:
    """What the add-on says of itself in a dispatch, as the workflow reads it."""

    run: str = ""
    delivery: str = ""
    answer_to: str = ""
    answer_key: str = field(default="", repr=False)
    fault: str = ""
    """Why the workflow cannot read it; it fails then."""


@dataclass(kw_only=True)
class Order:
    """What is to be run."""

    repository: Repository
    workflow: Workflow
    event: str
    ref: str
    """In full."""
    inputs: dict[str, str]
    countersign: Countersign = field(default_factory=Countersign)
    actor: str = "countersign[bot]"
    actor_type: str = "Bot"
    """What an App starts is its bot's; a person's is a User's."""


@dataclass(kw_only=True)
class Run(Order):
    id: int
    number: int
    created: datetime
    status: str = QUEUED
    conclusion: str | None = None
    updated: datetime | None = None
    attempt: int = 1

    @property
    def path(self) -> str:
        """Below the site, or below its API and `repos`."""
        return f"{self.repository.full_name}/actions/runs/{self.id}"

    @property
    def title(self) -> str:
        """The run-name of the workflow."""
        version = self.inputs.get("version", "")
        delivery = self.countersign.delivery
        return f"Deploy {version}" + (f" ({delivery})" if delivery else "")

    @property
    def shown_inputs(self) -> Json:
        """Without the answer's key."""
        shown = hidden(self.inputs)
        return shown if isinstance(shown, dict) else {}

    def json(self, site: str, api: str) -> Json:
        return {
            "id": self.id,
            "name": self.workflow.name,
            "display_title": self.title,
            "event": self.event,
            "status": self.status,
            "conclusion": self.conclusion,
            "html_url": f"{site}/{self.path}",
            "url": f"{api}/repos/{self.path}",
            "created_at": stamp(self.created),
            "updated_at": stamp(self.updated or self.created),
            "head_branch": self.ref.split("/", 2)[2],
            "actor": {"login": self.actor, "type": self.actor_type},
            "path": self.workflow.path,
            "workflow_id": self.workflow.id,
            "run_number": self.number,
            "run_attempt": self.attempt,
            "repository": self.repository.json(),
        }


class Runs:
    """Every run, in the order in which they were made."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: list[Run] = []

    def add(self, order: Order, created: datetime) -> Run:
        with self._lock:
            count = len(self._runs)
            # More than 32 bits, as GitHub's own, and none twice after a new start.
            number = int(created.timestamp()) * _PER_SECOND + count % _PER_SECOND
            run = Run(id=number, number=count + 1, created=created, **vars(order))
            self._runs.append(run)
            return run

    def all(self) -> list[Run]:
        with self._lock:
            return list(self._runs)


def read(given: object) -> Countersign:
    """From an object or its JSON text; nothing was given for None or no text."""
    if given is None or given == "":
        return Countersign()
    if isinstance(given, str):
        # what is no JSON is no object either
        with contextlib.suppress(ValueError, RecursionError):
            given = json.loads(given)
    if not isinstance(given, dict):
        return Countersign(fault="countersign is no object")
    texts = {name: given.get(name, "") for name in _MEMBERS}
    found = Countersign(**texts)
    fault = _fault(found)
    # with a fault, the step that would answer is not reached
    return Countersign(fault=fault) if fault else found


def _fault(found: Countersign) -> str:
    if not all(isinstance(getattr(found, name), str) for name in _MEMBERS):
        return "a member of countersign is no text"
    if not found.run or not found.delivery:
        return "countersign has no run, or no delivery"
    if bool(found.answer_to) != bool(found.answer_key):
        return "answer_to and answer_key come together or not at all"
    return ""


def hidden(given: object) -> object:
    """A copy without the keys of answers, in texts of JSON neither."""
    if isinstance(given, dict):
        return {
            name: _HIDDEN if name == "answer_key" else hidden(value)
            for name, value in given.items()
        }
    if isinstance(given, list):
        return [hidden(one) for one in given]
    if isinstance(given, str) and "answer_key" in given:
        try:
            return json.dumps(hidden(json.loads(given)))
        except (ValueError, RecursionError):
            return _HIDDEN
    return given


def stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
