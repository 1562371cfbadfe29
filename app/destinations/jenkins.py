"""Kind: Jenkins, whose job is started by a user's API token, or by a trigger's token.

Sources: Jenkins' documentation, "Remote Access API" and "Authenticating scripted
clients"; the README of the plugin "Generic Webhook Trigger".
"""

import base64
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal, Self
from urllib.parse import quote, urlencode, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from app.destinations import events, inputs, jenkins_answers, jenkins_snippet
from app.destinations.answers import Judged
from app.destinations.asking import Root
from app.destinations.attempting import Exchange, Form, Line, Signed, Target
from app.destinations.connector import Connector
from app.destinations.events import Delivery
from app.destinations.findings import Finding, Sight
from app.destinations.inputs import Declared
from app.destinations.jenkins_builds import Builds
from app.destinations.snippets import Snippet
from app.destinations.tables import Pace
from app.http import Request, Response, SendError

PARAMETER = jenkins_answers.PARAMETER
_PART = r"[^\s/\\?*!@#$^&|<>\[\]:;{}\"'][^/\\?*!@#$^&|<>\[\]:;{}\"'\x00-\x1f]{0,99}"


class Settings(Form):
    """Which job, and by what it is started."""

    root_url: Root = Field(
        title="Jenkins",
        description="Its address, as Jenkins itself has it under “Jenkins URL”:"
        " https://ci.acme.example or https://acme.example/jenkins",
    )
    starts: Literal["job", "trigger"] = Field(
        default="job",
        title="Starts",
        description="A job, as a user with an API token: Countersign can then ask how"
        " the build ended. Or every job whose “Generic Webhook Trigger” has the token:"
        " that needs the plugin and no user, and can ask nothing",
    )
    job: str = Field(
        default="",
        title="Job",
        description="With its folders, and a multibranch job's branch:"
        " deploy/shop/main",
        pattern=rf"^({_PART}(/{_PART}){{0,20}})?$",
    )
    user: str = Field(
        default="",
        title="User",
        description="For a job: whose API token it is. It needs the rights Job/Read and"
        " Job/Build on this job, and no other",
        pattern=r"^[^\s:\x00-\x1f]{0,200}$",
    )
    inputs: Declared = ()

    @model_validator(mode="after")
    def _names_what_it_starts(self) -> Self:
        if self.starts == "job" and not (self.job and self.user):
            raise ValueError("name the job, and the user who starts it")
        if any(part in {".", ".."} for part in self.job.split("/")):
            raise ValueError("this is not the name of a job")
        return self

    @property
    def is_job(self) -> bool:
        return self.starts == "job"

    @property
    def of_job(self) -> str:
        """Where the job is: of a branch “a%2Fb”, the percent sign is its name's own."""
        path = "/".join(f"job/{quote(part, safe='')}" for part in self.job.split("/"))
        return f"{self.root_url}/{path}"


class Credentials(Form):
    """What proves that we may start it."""

    token: SecretStr = Field(
        title="Token",
        description="For a job, the user's API token: in Jenkins under the user's name,"
        " “Security”, “API Token”. For a trigger, the token that the job's “Generic"
        " Webhook Trigger” has",
    )

    @field_validator("token")
    @classmethod
    def _is_a_word(cls, value: SecretStr) -> SecretStr:
        """Refuse a line break: it would be a header of somebody's own."""
        text = value.get_secret_value()
        if not text or not (text.isascii() and text.isprintable()) or " " in text:
            raise ValueError("a token is one word, without spaces")
        return value


JenkinsTarget = Target[Settings, Credentials]


class Jenkins(Connector[Settings, Credentials]):
    """Puts a build into the queue; follows it from there to its end."""

    kind = "jenkins"
    title = "Jenkins"
    about = (
        "Starts a job with parameters; the pipeline can answer by a secret of its own"
    )
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
        if settings.is_job:
            return f"{settings.of_job}/buildWithParameters"
        return f"{settings.root_url}/generic-webhook-trigger/invoke"

    def place(self, settings: Settings) -> str:
        what = settings.job if settings.is_job else "a trigger"
        return f"{what} at {urlsplit(settings.root_url).hostname or ''}"

    def inputs(self, settings: Settings) -> type[Form]:
        return inputs.model(settings.inputs)

    def body(self, settings: Settings, delivery: Delivery, *, base_url: str) -> str:
        """Return the parameters; what we say of ourselves is one of them."""
        del base_url
        ours = json.dumps(events.reference(delivery), sort_keys=True)
        if settings.is_job:
            return urlencode([*sorted(delivery.inputs.items()), (PARAMETER, ours)])
        said = {"inputs": dict(delivery.inputs), PARAMETER: ours}
        return json.dumps(said, ensure_ascii=False, sort_keys=True)

    def request(
        self, target: JenkinsTarget, delivery: Delivery, body: bytes
    ) -> Request:
        del delivery
        is_job = target.settings.is_job
        shape = "application/x-www-form-urlencoded" if is_job else "application/json"
        return Request(
            method="POST",
            url=self.address(target.settings),
            headers={**_proof(target), "Content-Type": shape},
            body=body,
        )

    def hidden(
        self, target: JenkinsTarget, headers: Mapping[str, str]
    ) -> tuple[str, ...]:
        """Hide user and token in the one word that Basic makes of them, too."""
        basic = headers.get("Authorization", "").removeprefix("Basic ")
        return tuple(filter(None, (*super().hidden(target, headers), basic)))

    def send(self, target: JenkinsTarget, signed: Signed, line: Line) -> Exchange:
        is_job = target.settings.is_job
        rule = jenkins_answers.judge_job if is_job else jenkins_answers.judge_trigger
        came = self.exchange(signed, line, rule)
        if not is_job or not came.judged.reference:
            return came
        page = f"{target.settings.of_job}/"
        return replace(came, judged=replace(came.judged, url=page))

    def judge(self, answer: Response | SendError, now: datetime) -> Judged:
        return jenkins_answers.judge_job(answer, now)

    def can_look(self, settings: Settings) -> bool:
        return settings.is_job

    def can_poll(self, settings: Settings) -> bool:
        # A trigger is begun without a user, and nobody may ask what became of it.
        return settings.is_job

    def look(
        self, target: JenkinsTarget, delivery_id: uuid.UUID, line: Line
    ) -> Sight | None:
        """Find it in the queue or among the job's builds, by the delivery's id."""
        builds = _builds(target, line)
        return None if builds is None else builds.of_delivery(delivery_id)

    def poll(self, target: JenkinsTarget, reference: str, line: Line) -> Finding | None:
        """Follow it from its place in the queue, which stays what we call it by."""
        builds = _builds(target, line)
        if builds is None or not (reference.isascii() and reference.isdigit()):
            return None
        return builds.end_of(int(reference[:18]))

    def has_trial(self, settings: Settings) -> bool:
        del settings
        return True

    def trial(self, target: JenkinsTarget, line: Line) -> Exchange:
        """Ask for the job's parameters; or have the trigger say what it would do."""
        if target.settings.is_job:
            return self._try_job(target, line)
        request = Request(
            method="POST",
            url=self.address(target.settings),
            headers={
                **_proof(target),
                "Content-Type": "application/json",
                "gwt-dry-run": "true",
            },
            body=json.dumps({"test": True, "inputs": {}, PARAMETER: "{}"}).encode(),
        )
        asked = self.ready(request, target)
        return self.exchange(asked, line, jenkins_answers.judge_dry_run)

    def _try_job(self, target: JenkinsTarget, line: Line) -> Exchange:
        settings = target.settings
        tree = quote("name,buildable,property[parameterDefinitions[name]]", safe="")
        request = Request(
            method="GET",
            url=f"{settings.of_job}/api/json?tree={tree}",
            headers={**_proof(target), "Accept": "application/json"},
        )
        needed = [each.name for each in inputs.declarations(settings.inputs)]

        def judge_parameters(answer: Response | SendError, now: datetime) -> Judged:
            return jenkins_answers.judge_parameters(answer, now, needed=needed)

        return self.exchange(self.ready(request, target), line, judge_parameters)

    def snippets(self, settings: Settings, *, answer_to: str) -> Sequence[Snippet]:
        text = jenkins_snippet.pipeline(
            inputs.declarations(settings.inputs),
            is_triggered=not settings.is_job,
            answer_to=answer_to,
        )
        return (Snippet("Jenkinsfile", text),)


def _proof(target: JenkinsTarget) -> dict[str, str]:
    """Return the header that proves us, with the first request.

    Jenkins does not ask for it: without, it answers 403 or shows its sign-in page.
    """
    token = target.credentials.token.get_secret_value()
    if not target.settings.is_job:
        return {"token": token}
    pair = base64.b64encode(f"{target.settings.user}:{token}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def _builds(target: JenkinsTarget, line: Line) -> Builds | None:
    """Return what can be asked; a trigger's token can ask nothing."""
    settings = target.settings
    if not settings.is_job:
        return None
    return Builds(
        target=target,
        line=line,
        root=settings.root_url,
        job=settings.of_job,
        headers=_proof(target),
    )
