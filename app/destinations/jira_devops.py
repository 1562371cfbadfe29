"""Kind: the development panel of the issue itself, in the tenant's own Jira.

It needs no credentials: the site's own door signs the call, as it does for every step
in Jira. Source: Jira Software Cloud REST API, "Submit build data" and "Submit
deployment data"; Connect's modules of the same names.
"""

import json
import uuid
from dataclasses import dataclass, replace
from datetime import datetime

from app.destinations import scrubbing
from app.destinations.answers import Judged, Verdict, judge
from app.destinations.attempting import (
    Exchange,
    Form,
    Line,
    NoCredentials,
    Signed,
    Target,
)
from app.destinations.connector import Connector
from app.destinations.events import Delivery, Progress
from app.destinations.panel import UNKNOWN, Entry, Settings, number, stored, written
from app.destinations.tables import Pace
from app.http import Network, Request, Response, SendError
from app.jira import Jira, JiraError

BUILDS, DEPLOYMENTS = "/rest/builds/0.1/bulk", "/rest/deployments/0.1/bulk"
_URL = 2000
"""Characters that Jira takes of an address."""

NOBODYS_ISSUE = "COUNTERSIGN-999999999"
"""An issue that no site has: what is said of it is judged, and not stored."""


class NoInputs(Form):
    """A rule says nothing here: what is shown is how its run stands."""


PanelTarget = Target[Settings, NoCredentials]


class JiraDevops(Connector[Settings, NoCredentials]):
    """One entry for each run: pending at its place, then as the run goes on."""

    kind = "jira-devops"
    title = "Jira's development panel"
    about = (
        "Shows a run in its issue's own panel of builds or deployments; its step stands"
        " before the one that starts the build"
    )
    url_key = "settings.pipeline_id"
    pace = Pace.DEPLOY
    is_idempotent = True
    follows = True
    settings_form = Settings
    credentials_form = NoCredentials

    def url(self, settings: Settings, credentials: NoCredentials | None) -> str:
        """Return where in the site's own Jira it is: no other origin can be named."""
        del credentials
        return BUILDS if settings.is_builds else DEPLOYMENTS

    def check(
        self,
        network: Network,
        settings: Settings,
        credentials: NoCredentials | None,
        *,
        tenant_id: uuid.UUID,
    ) -> None:
        """Pass: the site's Jira is checked by whoever opens it."""

    def place(self, settings: Settings) -> str:
        if settings.is_builds:
            return f"builds of {settings.pipeline_name}"
        return f"{settings.pipeline_name} to {settings.environment_name}"

    def inputs(self, settings: Settings) -> type[Form]:
        del settings
        return NoInputs

    def body(self, settings: Settings, delivery: Delivery, *, base_url: str) -> str:
        del base_url
        url = delivery.shown_at if len(delivery.shown_at) <= _URL else ""
        entry = Entry(
            number=number(delivery.run_id or delivery.id),
            progress=delivery.progress,
            at=delivery.made_at or delivery.at,
            issue=delivery.issue_id,
            url=url or delivery.issue_url,
            about=f"Countersign's run {delivery.run_id}",
        )
        return written(settings, entry)

    def request(self, target: PanelTarget, delivery: Delivery, body: bytes) -> Request:
        del delivery
        return _request(target, body)

    def prepare(
        self,
        target: PanelTarget,
        delivery: Delivery,
        body: bytes,
        *,
        base_url: str,
        now: datetime,
    ) -> Signed:
        """Make the call, but for what proves it: that is the door's, and comes last."""
        del base_url, now
        return _signed(self.request(target, delivery, body))

    def send(self, target: PanelTarget, signed: Signed, line: Line) -> Exchange:
        """Send it by the tenant's own Jira, as every other call to it is sent."""
        del target
        if line.jira is None:
            raise TypeError("this kind is reached by the tenant's Jira alone")
        whole = replace(signed.request, url=line.jira.base_url + signed.request.url)
        signed = replace(signed, head=scrubbing.request_head(whole, ()))
        try:
            return self.exchange(signed, replace(line, http=_Door(line.jira)))
        except JiraError as error:
            # Not the answer of this address: the door itself is shut for now.
            judged = Judged(verdict=Verdict.RETRY, words=str(error))
            return Exchange(judged=judged, duration_ms=0, request_head=signed.head)

    def judge(self, answer: Response | SendError, now: datetime) -> Judged:
        """Say whether Jira stored it. Sent twice it is ignored, so doubt means again.

        Jira answers 202 also if it stores nothing, and says in the body why not.
        """
        judged = judge(answer, now=now)
        if judged.verdict is Verdict.AMBIGUOUS:
            return replace(judged, verdict=Verdict.RETRY)
        if judged.status in _REFUSED:
            return replace(judged, words=_REFUSED[judged.status])
        if isinstance(answer, SendError) or judged.verdict is not Verdict.ACCEPTED:
            return judged
        return stored(judged, answer)

    def has_trial(self, settings: Settings) -> bool:
        del settings
        return True

    def trial(self, target: PanelTarget, line: Line) -> Exchange:
        """Say it of an issue that nobody has: Jira judges it, and stores nothing."""
        assert line.jira is not None  # noqa: S101 -- who tries has opened it
        entry = Entry(
            number=1,
            progress=Progress.PENDING,
            at=line.now(),
            issue=NOBODYS_ISSUE,
            url=line.jira.base_url,
            about="Countersign's test",
        )
        body = written(target.settings, entry).encode()
        came = self.send(target, _signed(_request(target, body)), line)
        if came.judged.words != UNKNOWN:
            return came
        words = (
            "Jira would take it: asked with an issue that does not exist, it found"
            " nothing else wrong, and stored nothing"
        )
        judged = replace(came.judged, verdict=Verdict.ACCEPTED, words=words)
        return replace(came, judged=judged)


@dataclass(frozen=True)
class _Door:
    """The tenant's own Jira as a network: whatever is sent by it is signed."""

    jira: Jira

    def send(self, request: Request) -> Response:
        body = json.loads(request.body)
        if request.url == BUILDS:
            return self.jira.answer("POST", "/rest/builds/0.1/bulk", body=body)
        return self.jira.answer("POST", "/rest/deployments/0.1/bulk", body=body)


def _request(target: PanelTarget, body: bytes) -> Request:
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    return Request(method="POST", url=target.url, headers=headers, body=body)


def _signed(request: Request) -> Signed:
    head = scrubbing.request_head(request, ())
    return Signed(request=request, head=head, credentials=())


_LACKS = (
    "Jira answered {status}: the app, as this site has it, may not say anything of"
    " builds and deployments; let a Jira admin update it, or approve its new version"
)
_REFUSED = {
    401: _LACKS.format(status=401),
    403: _LACKS.format(status=403),
    413: "Jira answered 413: the entry is too large for it",
}
