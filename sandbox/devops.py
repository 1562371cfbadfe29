"""Builds and deployments of an issue's development panel: what is taken, and shown.

Jira judges every entry by itself and answers 202 whatever came of them: those that it
took, those that it rejects, and the issues that it does not know. Source: Jira Software
Cloud REST API, "Submit build data" and "Submit deployment data".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox.world import Issue, World

Json = dict[str, Any]

STATES = {
    "builds": frozenset(
        {"pending", "in_progress", "successful", "failed", "cancelled", "unknown"}
    ),
    "deployments": frozenset(
        {
            "unknown",
            "pending",
            "in_progress",
            "cancelled",
            "failed",
            "rolled_back",
            "successful",
        }
    ),
}
MODULES = {
    "builds": ("jiraBuildInfoProvider", "devops:buildInfoProvider"),
    "deployments": ("jiraDeploymentInfoProvider", "devops:deploymentInfoProvider"),
}
"""What an app has to declare: in Connect's descriptor, or in Forge's manifest."""

_TYPES = frozenset({"unmapped", "development", "testing", "staging", "production"})
_LONG = 2**63
_NAME, _URL = 255, 2000
_MOST_ISSUES = 500
_ADDRESS = re.compile(r"https?://[^\s/]+(/\S*)?")


@dataclass(frozen=True)
class Fields:
    """One entry, as an app sent it."""

    kind: str
    raw: Json

    @property
    def key(self) -> Json:
        """By which Jira knows it again."""
        if self.kind == "builds":
            names = ("pipelineId", "buildNumber")
            return {name: self.raw.get(name) for name in names}
        return {
            "pipelineId": _part(self.raw, "pipeline").get("id"),
            "environmentId": _part(self.raw, "environment").get("id"),
            "deploymentSequenceNumber": self.raw.get("deploymentSequenceNumber"),
        }

    @property
    def name(self) -> str:
        return "/".join([self.kind, *map(str, self.key.values())])

    def issues(self) -> list[str]:
        """Ids or keys that it says it belongs to."""
        found = [str(one) for one in self.raw.get("issueKeys") or []]
        for one in self.raw.get("associations") or []:
            if one.get("associationType") in {"issueKeys", "issueIdOrKeys"}:
                found += map(str, one.get("values") or [])
        return found

    def faults(self) -> list[str]:
        raw = self.raw
        numbers = {**self.key, "updateSequenceNumber": raw.get("updateSequenceNumber")}
        judged = {
            **{
                f"{name} is no positive number of 64 bits": _is_long(value)
                for name, value in numbers.items()
                if name.endswith("Number")
            },
            "displayName is missing or too long": _is_text(
                raw.get("displayName"), _NAME
            ),
            "url is no address, or too long": _is_text(raw.get("url"), _URL)
            and _ADDRESS.fullmatch(raw["url"]) is not None,
            "state is none of those that there are": raw.get("state")
            in STATES[self.kind],
            "schemaVersion is unknown": raw.get("schemaVersion", "1.0") == "1.0",
            "lastUpdated is no moment": _is_moment(raw.get("lastUpdated")),
            "associations name no issue, or too many": 0
            < len(self.issues())
            <= _MOST_ISSUES,
        }
        wrong = (words for words, fits in judged.items() if not fits)
        return [*wrong, *self._own_faults()]

    def _own_faults(self) -> Iterator[str]:
        if self.kind == "builds":
            if not _is_text(self.raw.get("pipelineId"), _NAME):
                yield "pipelineId is missing or too long"
            return
        if not _is_text(self.raw.get("description"), _NAME):
            yield "description is missing or too long"
        for part, names in (
            ("pipeline", ("id", "displayName", "url")),
            ("environment", ("id", "displayName")),
        ):
            for name in names:
                most = _URL if name == "url" else _NAME
                if not _is_text(_part(self.raw, part).get(name), most):
                    yield f"{part}.{name} is missing or too long"
        if _part(self.raw, "environment").get("type") not in _TYPES:
            yield "environment.type is none of those that there are"


def submit(world: World, kind: str, several: list[Any]) -> Json:
    """Take what can be taken; return what Jira says of each."""
    accepted, rejected, unknown = [], [], []
    with world.change() as state:
        for raw in several:
            entry = Fields(kind, raw if isinstance(raw, dict) else {})
            faults = entry.faults()
            if faults:
                errors = [{"message": words} for words in faults]
                rejected.append({"key": entry.key, "errors": errors})
                continue
            known = [world.find_issue(named) for named in entry.issues()]
            pairs = zip(entry.issues(), known, strict=True)
            unknown += [named for named, issue in pairs if issue is None]
            ids = [issue.id for issue in known if issue is not None]
            if not ids:
                continue
            accepted.append(entry.key)
            old = state.devops.get(entry.name)
            if old is None or _order(raw) > _order(old["entry"]):
                # Equal or lower is ignored, and taken all the same.
                kept = {"kind": kind, "issues": ids, "entry": raw}
                state.devops[entry.name] = kept
    title = kind.capitalize()
    return {
        f"accepted{title}": accepted,
        f"rejected{title}": rejected,
        "unknownIssueKeys": unknown,
        "unknownAssociations": [],
    }


def of_issue(world: World, issue: Issue) -> list[Json]:
    """What its development panel shows, the newest first."""
    with world.lock:
        found = [
            {"kind": kept["kind"], **kept["entry"]}
            for kept in world.state.devops.values()
            if issue.id in kept["issues"]
        ]
    return sorted(found, key=_order, reverse=True)


def _order(raw: Json) -> int:
    return int(raw["updateSequenceNumber"])


def _part(raw: Json, name: str) -> Json:
    found = raw.get(name)
    return found if isinstance(found, dict) else {}


def _is_long(value: object) -> bool:
    return type(value) is int and 0 < value < _LONG


def _is_text(value: object, most: int) -> bool:
    return isinstance(value, str) and 0 < len(value) <= most


def _is_moment(value: object) -> bool:
    try:
        return datetime.fromisoformat(str(value)).tzinfo is not None
    except ValueError:
        return False
