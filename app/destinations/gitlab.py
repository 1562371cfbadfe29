"""Kind: GitLab, whose pipelines start by a trigger token.

Sources: GitLab's documentation, "Pipeline trigger tokens API", "Trigger pipelines with
the API", "Pipelines API", "CI/CD inputs".
"""

import json
import uuid
from datetime import datetime
from typing import Any, Literal, Self
from urllib.parse import quote, urlencode, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from app.destinations import asking, events, gitlab_answers, gitlab_snippet, inputs
from app.destinations.answers import Judged, Verdict
from app.destinations.asking import Root
from app.destinations.attempting import Exchange, Form, Line, Target
from app.destinations.connector import Connector
from app.destinations.events import Delivery
from app.destinations.findings import Finding, Sight
from app.destinations.inputs import Declared
from app.destinations.snippets import Snippet
from app.destinations.tables import Pace
from app.http import Request, Response, SendError

VARIABLE = "COUNTERSIGN"
"""The pipeline's variable by which we say what run it is, and where to answer."""

NEWEST = 10
"""Pipelines that one look asks about."""

_LIST_SECONDS, _VARIABLES_SECONDS, _POLL_SECONDS = 6, 3, 10
"""Of each question; all of one look and a poll together are shorter than a lease."""

_ENDS = frozenset({"success", "failed", "canceled", "skipped"})


class Settings(Form):
    """Which project, on which branch, and how its pipeline takes what a rule passes."""

    root_url: Root = Field(
        default="https://gitlab.com",
        title="GitLab",
        description="Its address; another one than gitlab.com if you host it yourself",
    )
    project_id: str = Field(
        title="Project's number",
        description="From the menu beside the project's name: “Copy project ID”",
        pattern=r"^[0-9]{1,19}$",
    )
    project: str = Field(
        default="",
        title="Project's path",
        description="For people, and checked by the test: acme/shop",
        pattern=r"^([A-Za-z0-9_.-]{1,200}(/[A-Za-z0-9_.-]{1,200}){1,20})?$",
    )
    ref: str = Field(
        default="main",
        title="Branch or tag",
        description="On which the pipeline runs",
        pattern=r"^[A-Za-z0-9._/-]{1,200}$",
    )
    passes: Literal["inputs", "variables"] = Field(
        default="inputs",
        title="Inputs are passed as",
        description="“inputs” are checked by the pipeline's own “spec:inputs” (GitLab"
        " 17.11 or later); “variables” are plain variables of the pipeline",
    )
    inputs: Declared = ()

    @model_validator(mode="after")
    def _are_variables(self) -> Self:
        if self.passes == "variables" and any("-" in name for name in self.names):
            raise ValueError("a variable's name has no hyphen: use “_”")
        return self

    @property
    def names(self) -> list[str]:
        """What the inputs are called."""
        return [each.name for each in inputs.declarations(self.inputs)]

    @property
    def base(self) -> str:
        """Where the project is in the API."""
        return f"{self.root_url}/api/v4/projects/{self.project_id}"


class Credentials(Form):
    """What starts a pipeline, and what may ask about it."""

    trigger_token: SecretStr = Field(
        title="Trigger token",
        description="From the project's Settings, CI/CD, “Pipeline trigger tokens”; it"
        " begins with glptt-",
    )
    api_token: SecretStr | None = Field(
        default=None,
        title="Access token",
        description="Not needed to start a pipeline. With it Countersign finds one"
        " again after an unclear answer, asks how it ended, and can test this"
        " destination: a token with “read_api” of whoever made the trigger token, or a"
        " project access token with the role Maintainer",
    )

    @field_validator("trigger_token")
    @classmethod
    def _starts(cls, value: SecretStr) -> SecretStr:
        text = _token(value)
        if text.startswith(("glpat-", "gldt-", "glcbt-")):
            raise ValueError("this is another kind of token: one begins with glptt-")
        return value

    @field_validator("api_token")
    @classmethod
    def _asks(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and _token(value).startswith("glptt-"):
            raise ValueError("this is a trigger token, which can ask nothing")
        return value


def _token(value: SecretStr) -> str:
    """Return the token. Attack: a line break in it is a header of somebody's own."""
    text = value.get_secret_value()
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError("a token is one word, without spaces")
    return text


GitLabTarget = Target[Settings, Credentials]


class GitLab(Connector[Settings, Credentials]):
    """Starts a pipeline; asks how it ended where a token was given for that."""

    kind = "gitlab"
    title = "GitLab CI"
    about = "Starts a pipeline by a trigger token; its job can answer by its own token"
    url_key = "settings.root_url"
    pace = Pace.DEPLOY
    awaits = True
    polls = True
    looks = True
    settings_form = Settings
    credentials_form = Credentials

    def url(self, settings: Settings, credentials: Credentials | None) -> str:
        del credentials
        return settings.root_url

    def address(self, settings: Settings) -> str:
        return f"{settings.base}/trigger/pipeline"

    def place(self, settings: Settings) -> str:
        host = urlsplit(settings.root_url).hostname or ""
        at = "" if host == "gitlab.com" else f" at {host}"
        return f"{settings.project or f'project {settings.project_id}'}{at}"

    def inputs(self, settings: Settings) -> type[Form]:
        return inputs.model(settings.inputs)

    def body(self, settings: Settings, delivery: Delivery, *, base_url: str) -> str:
        """Return the form that starts it, but for the token (rule T8)."""
        del base_url
        ours = json.dumps(events.reference(delivery), sort_keys=True)
        fields = [("ref", settings.ref)]
        fields += [
            (f"{settings.passes}[{name}]", text)
            for name, text in sorted(delivery.inputs.items())
        ]
        return urlencode([*fields, (f"variables[{VARIABLE}]", ours)])

    def request(self, target: GitLabTarget, delivery: Delivery, body: bytes) -> Request:
        """Put the token into the form: an address is written into logs on its way."""
        del delivery
        token = target.credentials.trigger_token.get_secret_value()
        return Request(
            method="POST",
            url=self.address(target.settings),
            headers={
                "Accept": "application/json",
                "Content-Type": "application/x-www-form-urlencoded",
            },
            body=urlencode({"token": token}).encode() + b"&" + body,
        )

    def judge(self, answer: Response | SendError, now: datetime) -> Judged:
        return gitlab_answers.judge_start(answer, now)

    def look(
        self, target: GitLabTarget, delivery_id: uuid.UUID, line: Line
    ) -> Sight | None:
        """Find the pipeline that was given the delivery's id, among the newest."""
        base, ref = target.settings.base, quote(target.settings.ref, safe="")
        asked = f"source=trigger&ref={ref}&order_by=id&sort=desc&per_page={NEWEST}"
        rows = _read(target, f"{base}/pipelines?{asked}", line, _LIST_SECONDS)
        for row in asking.as_objects(rows)[:NEWEST]:
            number = row.get("id")
            if not isinstance(number, int):
                continue
            where = f"{base}/pipelines/{number}/variables"
            given = _read(target, where, line, _VARIABLES_SECONDS)
            if any(_names(each, delivery_id) for each in asking.as_objects(given)):
                return Sight(reference=str(number), url=str(row.get("web_url", "")))
        return None

    def poll(self, target: GitLabTarget, reference: str, line: Line) -> Finding | None:
        if not (reference.isascii() and reference.isdigit()):
            return None
        where = f"{target.settings.base}/pipelines/{reference}"
        found = _read(target, where, line, _POLL_SECONDS)
        if not isinstance(found, dict) or found.get("status") not in _ENDS:
            return None
        return Finding(
            succeeded=found["status"] == "success",
            words=f"GitLab says that the pipeline ended with “{found['status']}”",
            url=str(found.get("web_url", "")),
        )

    def has_trial(self, settings: Settings) -> bool:
        del settings
        return True

    def trial(self, target: GitLabTarget, line: Line) -> Exchange:
        """Ask for the project, then for the branch.

        A trigger token can start a pipeline and nothing else: of it, nothing can be
        found out that starts none.
        """
        settings = target.settings
        if target.credentials.api_token is None:
            return Exchange(judged=gitlab_answers.NOTHING_TO_ASK, duration_ms=0)

        def judge_project(answer: Response | SendError, now: datetime) -> Judged:
            return gitlab_answers.judge_project(
                answer, now, number=settings.project_id, path=settings.project
            )

        asked = self.ready(_question(target, settings.base), target)
        came = self.exchange(asked, line, judge_project)
        if came.judged.verdict is not Verdict.ACCEPTED:
            return came
        where = f"{settings.base}/repository/commits/{quote(settings.ref, safe='')}"
        asked = self.ready(_question(target, where), target)
        return self.exchange(asked, line, gitlab_answers.judge_ref)

    def snippets(self, settings: Settings, *, answer_to: str) -> list[Snippet]:
        text = gitlab_snippet.pipeline(
            inputs.declarations(settings.inputs),
            is_typed=settings.passes == "inputs",
            answer_to=answer_to,
        )
        return [Snippet(".gitlab-ci.yml", text)]


def _question(target: GitLabTarget, url: str, seconds: float | None = None) -> Request:
    token = target.credentials.api_token
    headers = {"Accept": "application/json"}
    if token is not None:
        headers["PRIVATE-TOKEN"] = token.get_secret_value()
    return Request(method="GET", url=url, headers=headers, seconds=seconds)


def _read(target: GitLabTarget, url: str, line: Line, seconds: float) -> object:
    if target.credentials.api_token is None:
        return None
    return asking.read(target, _question(target, url, seconds), line)


def _names(variable: dict[str, Any], delivery_id: uuid.UUID) -> bool:
    return variable.get("key") == VARIABLE and str(delivery_id) in str(
        variable.get("value")
    )
