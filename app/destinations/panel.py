"""An entry of an issue's development panel: what is said of a run, and what Jira said.

Source: Jira Software Cloud REST API, "Submit build data", "Submit deployment data".
"""

import json
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from app.destinations.answers import Judged, Verdict
from app.destinations.attempting import Form
from app.destinations.events import Progress
from app.http import Response

_NAMED = r"^[A-Za-z0-9._/:-]{1,255}$"


class Settings(Form):
    """Under which name an issue's development panel shows what a rule started."""

    shows: Literal["deployments", "builds"] = Field(
        default="deployments",
        title="Shown as",
        description="Jira shows builds and deployments apart from each other",
    )
    pipeline_id: str = Field(
        title="Pipeline",
        description="What Jira groups the entries by: any word of yours, such as"
        " deploy-shop",
        pattern=_NAMED,
    )
    pipeline_name: str = Field(
        title="Pipeline's name",
        description="What people read in the issue's panel: Deploy the shop",
        min_length=1,
        max_length=255,
    )
    environment_id: str = Field(
        default="",
        title="Environment",
        description="For deployments: any word of yours, such as prod-eu",
        pattern=r"^[A-Za-z0-9._/:-]{0,255}$",
    )
    environment_name: str = Field(
        default="",
        title="Environment's name",
        description="For deployments, what people read: Production, Europe",
        max_length=255,
    )
    environment_type: Literal[
        "unmapped", "development", "testing", "staging", "production"
    ] = Field(
        default="unmapped",
        title="Sort of environment",
        description="For deployments: how Jira sorts and counts them",
    )

    @model_validator(mode="after")
    def _names_its_environment(self) -> Self:
        if not self.is_builds and not (self.environment_id and self.environment_name):
            raise ValueError("for deployments, name the environment, in both fields")
        return self

    @property
    def is_builds(self) -> bool:
        return self.shows == "builds"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What the panel is to show of one run."""

    number: int
    progress: Progress
    at: datetime
    issue: str
    url: str
    about: str


_SINCE = datetime(2025, 1, 1, tzinfo=UTC)
_LOW_BITS = 14


def number(run_id: uuid.UUID) -> int:
    """Return what Jira numbers a run by: the same for all that is said of it.

    A run's id is a UUID of version 7: its time in milliseconds, counted from 2025, and
    its lowest bits. So a later run has a greater number, as Jira wants it, and two of
    one millisecond differ, as their ids do. Until 2042 it stays below 2^53, so that no
    script rounds it.
    """
    since = (run_id.int >> 80) - int(_SINCE.timestamp() * 1000)
    return (max(since, 0) << _LOW_BITS | run_id.int % 2**_LOW_BITS) or 1


def _sequence(entry: Entry) -> int:
    """Return what Jira orders the entry's states by; it ignores what is not greater.

    The moment in milliseconds, and behind it how far the run is: the same moment may
    see more than one state.
    """
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return (entry.at - epoch) // timedelta(milliseconds=1) + entry.progress.rank


def written(settings: Settings, entry: Entry) -> str:
    """Return the request's body. The issue is named by its id: keys are given anew."""
    known: dict[str, Any] = {
        "schemaVersion": "1.0",
        "updateSequenceNumber": _sequence(entry),
        "displayName": settings.pipeline_name,
        "description": entry.about,
        "url": entry.url,
        "state": entry.progress.value,
        "lastUpdated": entry.at.isoformat(timespec="milliseconds"),
        "associations": [{"associationType": "issueIdOrKeys", "values": [entry.issue]}],
    }
    if settings.is_builds:
        own = {"pipelineId": settings.pipeline_id, "buildNumber": entry.number}
        return json.dumps({"builds": [known | own]}, sort_keys=True)
    own = {
        "deploymentSequenceNumber": entry.number,
        "pipeline": {
            "id": settings.pipeline_id,
            "displayName": settings.pipeline_name,
            "url": entry.url,
        },
        "environment": {
            "id": settings.environment_id,
            "displayName": settings.environment_name,
            "type": settings.environment_type,
        },
    }
    return json.dumps({"deployments": [known | own]}, sort_keys=True)


UNKNOWN = "Jira does not know the issue (any more): nothing was stored"


def stored(judged: Judged, answer: Response) -> Judged:
    """Read which of one entry it was: stored, refused, or of an unknown issue."""
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):
        said = None
    said = said if isinstance(said, dict) else {}
    words = ""
    if said.get("rejectedBuilds") or said.get("rejectedDeployments"):
        words = (
            "Jira refused the entry: look at what it says, and at the destination's"
            " pipeline and environment"
        )
    elif said.get("unknownIssueKeys") or said.get("unknownAssociations"):
        words = UNKNOWN
    if words:
        return replace(judged, verdict=Verdict.REJECTED, words=words)
    if said.get("acceptedBuilds") or said.get("acceptedDeployments"):
        return replace(judged, words="Jira took it for the issue's development panel")
    words = "Jira's answer does not say that it stored anything"
    return replace(judged, verdict=Verdict.RETRY, words=words)
