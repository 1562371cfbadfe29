"""Kind: GitHub, as a GitHub App that starts a workflow.

Sources: GitHub's documentation, "Create a workflow dispatch event" (with
`return_run_details`), "Create a repository dispatch event", "Get a workflow run".
"""

import json
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from app import crypto
from app.destinations import events, github_app, github_snippet, inputs
from app.destinations.answers import Judged, Verdict, judge
from app.destinations.asking import Root, as_objects
from app.destinations.attempting import Exchange, Form, Line, Signed, Target
from app.destinations.connector import Connector
from app.destinations.events import Delivery
from app.destinations.findings import Finding, Sight
from app.destinations.github_app import NoTokenError
from app.destinations.inputs import Declared
from app.destinations.snippets import Snippet
from app.destinations.tables import Pace
from app.http import Request, Response, SendError

_UNAUTHORIZED = 401


class Settings(Form):
    """Which workflow of which repository, and by which installation of which app."""

    repository: str = Field(
        title="Repository",
        description="Its owner and its name: acme/shop",
        pattern=r"^[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}$",
    )
    app_id: str = Field(
        title="App id",
        description="Of the GitHub App, from its settings page",
        pattern=r"^[A-Za-z0-9.]{1,40}$",
    )
    installation_id: str = Field(
        title="Installation id",
        description="The number at the end of the address of the app's installation",
        pattern=r"^[0-9]{1,19}$",
    )
    starts: Literal["workflow_dispatch", "repository_dispatch"] = Field(
        default="workflow_dispatch",
        title="Starts",
        description="A workflow by its file (the app needs “Actions: write”), or an"
        " event of the repository (“Contents: write”)",
    )
    workflow: str = Field(
        default="",
        title="Workflow",
        description="Its file name, for workflow_dispatch: deploy.yml",
        pattern=r"^([A-Za-z0-9._-]{1,100}\.ya?ml)?$",
    )
    ref: str = Field(
        default="main",
        title="Branch or tag",
        description="For workflow_dispatch; a repository_dispatch runs on the default"
        " branch",
        pattern=r"^[A-Za-z0-9._/-]{1,200}$",
    )
    event_type: str = Field(
        default="",
        title="Event type",
        description="For repository_dispatch: deploy",
        pattern=r"^[A-Za-z0-9._-]{0,100}$",
    )
    inputs: Declared = ()
    api_url: Root = Field(
        default="https://api.github.com",
        title="API",
        description="GitHub Enterprise has another one: https://HOST/api/v3",
    )

    @field_validator("repository", "ref")
    @classmethod
    def _leads_nowhere_else(cls, value: str) -> str:
        # Attack: `acme/..` is another place in the API once a client has tidied it up.
        if {".", ".."} & set(value.split("/")):
            raise ValueError("it is not what the hint below it describes")
        return value

    @model_validator(mode="after")
    def _names_what_it_starts(self) -> Self:
        if self.starts == "workflow_dispatch" and not self.workflow:
            raise ValueError("name the workflow's file")
        if self.starts == "repository_dispatch" and not self.event_type:
            raise ValueError("name the event's type")
        return self

    @property
    def is_workflow(self) -> bool:
        return self.starts == "workflow_dispatch"

    @property
    def permission(self) -> str:
        """What the app must be allowed to write."""
        return "actions" if self.is_workflow else "contents"

    @property
    def base(self) -> str:
        """Where the repository is in the API."""
        return f"{self.api_url}/repos/{self.repository}"

    @property
    def of_workflow(self) -> str:
        return f"{self.base}/actions/workflows/{quote(self.workflow, safe='')}"


class Credentials(Form):
    """What proves that we are the app."""

    private_key: SecretStr = Field(
        title="Private key",
        description="Of the GitHub App, in PEM, as GitHub lets you download it",
        json_schema_extra={"format": "lines"},
    )

    @field_validator("private_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr) -> SecretStr:
        pem = value.get_secret_value().strip()
        crypto.check_private_key(pem)
        return SecretStr(f"{pem}\n")


SEND_SECONDS = 15
"""Of the dispatch: with two tokens and a second try it stays below a run's lease."""

GitHubTarget = Target[Settings, Credentials]


class GitHub(Connector[Settings, Credentials]):
    """Starts a run, and can be asked how that run ended."""

    kind = "github"
    title = "GitHub Actions"
    about = "Starts a workflow, as a GitHub App; the build can answer by its own token"
    url_key = "settings.api_url"
    pace = Pace.DEPLOY
    awaits = True
    polls = True
    looks = True
    settings_form = Settings
    credentials_form = Credentials

    def url(self, settings: Settings, credentials: Credentials | None) -> str:
        del credentials
        return settings.api_url

    def address(self, settings: Settings) -> str:
        where = settings.of_workflow if settings.is_workflow else settings.base
        return f"{where}/dispatches"

    def place(self, settings: Settings) -> str:
        host = urlsplit(settings.api_url).hostname or ""
        at = "" if host == "api.github.com" else f" at {host}"
        return f"{settings.repository}{at}"

    def inputs(self, settings: Settings) -> type[Form]:
        return inputs.model(settings.inputs)

    def body(self, settings: Settings, delivery: Delivery, *, base_url: str) -> str:
        """Return what starts it.

        What we say of ourselves is one input, so that the workflow declares one and no
        issue's text can be taken for it.
        """
        del base_url
        ours_ = events.reference(delivery)
        if settings.is_workflow:
            given = dict(delivery.inputs)
            given[inputs.RESERVED] = json.dumps(ours_, sort_keys=True)
            said: Any = {"ref": settings.ref, "inputs": given}
            said["return_run_details"] = True
        else:
            # At most ten keys may stand at the top.
            payload = {inputs.RESERVED: {**ours_, "inputs": dict(delivery.inputs)}}
            said = {"event_type": settings.event_type, "client_payload": payload}
        return json.dumps(said, ensure_ascii=False, sort_keys=True)

    def request(self, target: GitHubTarget, delivery: Delivery, body: bytes) -> Request:
        del delivery
        return Request(
            method="POST",
            url=self.address(target.settings),
            headers=github_app.headers(),
            body=body,
            seconds=SEND_SECONDS,
        )

    def send(self, target: GitHubTarget, signed: Signed, line: Line) -> Exchange:
        """Send it with a token that GitHub lends us; with a fresh one if that is old.

        Whatever happens before the dispatch itself has started nothing: it is never
        ambiguous.
        """
        try:
            is_old = line.borrowed.find(target.state, now=line.now()) is not None
            token = github_app.borrowed(target, line)
            came = self.exchange(github_app.with_token(signed, token), line)
            if is_old and came.judged.status == _UNAUTHORIZED:
                line.borrowed.drop(target.state)
                token = github_app.borrow(target, line)
                came = self.exchange(github_app.with_token(signed, token), line)
        except NoTokenError as error:
            return error.came
        return came

    def judge(self, answer: Response | SendError, now: datetime) -> Judged:
        judged = judge(answer, now=now)
        if isinstance(answer, SendError):
            return judged
        if (waits := github_app.limited(answer, now)) is not None:
            return waits
        if judged.verdict is Verdict.ACCEPTED:
            return github_app.started(judged, answer)
        return github_app.refused(judged, answer)

    def can_look(self, settings: Settings) -> bool:
        return settings.is_workflow

    def can_poll(self, settings: Settings) -> bool:
        # GitHub does not say which run an event of the repository began.
        return settings.is_workflow

    def look(
        self, target: GitHubTarget, delivery_id: uuid.UUID, line: Line
    ) -> Sight | None:
        """Find the run whose name has the delivery's id, as our snippet names it.

        Attack: the id stands in logs and links, and whoever may write to the repository
        starts a run of that name. So it has to be one of an app's, on our branch, of
        our workflow; and of two such runs, neither is believed.
        """
        settings, found = target.settings, []
        newest = "runs?event=workflow_dispatch&per_page=50"
        url = f"{settings.of_workflow}/{newest}"
        runs = github_app.read(target, url, line).get("workflow_runs")
        for run in as_objects(runs):
            is_named = str(delivery_id) in str(run.get("display_title"))
            if is_named and github_app.is_ours(run, settings):
                url = str(run.get("html_url", ""))
                found.append(Sight(reference=str(run.get("id", "")), url=url))
        return found[0] if len(found) == 1 else None

    def poll(self, target: GitHubTarget, reference: str, line: Line) -> Finding | None:
        if not (reference.isascii() and reference.isdigit()):
            return None
        where = f"{target.settings.base}/actions/runs/{reference}"
        found = github_app.read(target, where, line)
        if found.get("status") != "completed":
            return None
        ended = str(found.get("conclusion"))[:40]
        return Finding(
            succeeded=ended == "success",
            words=f"GitHub says that the run ended with “{ended}”",
            url=str(found.get("html_url", "")),
        )

    def snippets(self, settings: Settings, *, answer_to: str) -> Sequence[Snippet]:
        """Return the workflow's file, with what it declares and how it answers."""
        found = github_snippet.workflow(
            settings.workflow or "deploy.yml",
            self.inputs(settings),
            answer_to=answer_to,
            event_type="" if settings.is_workflow else settings.event_type,
        )
        return (found,)

    def has_trial(self, settings: Settings) -> bool:
        del settings
        return True

    def trial(self, target: GitHubTarget, line: Line) -> Exchange:
        """Get a token, then ask for the workflow.

        The token proves the key, the installation, the repository and the permission.
        """
        settings = target.settings
        where = settings.of_workflow if settings.is_workflow else settings.base
        request = Request(method="GET", url=where, headers=github_app.headers())
        try:
            token = github_app.borrow(target, line)
        except NoTokenError as error:
            return error.came
        signed = github_app.with_token(self.ready(request, target), token)
        return self.exchange(signed, line, github_app.judge_trial)
