"""What a kind of destination is: its forms, its request, its own idea of success.

To add one: a file with a subclass of `Connector`, its line in `connectors.py`, and a
test file. docs/connectors.md walks through it.
"""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import ClassVar, Generic

from pydantic import SecretStr

from app import tracing
from app.destinations import scrubbing
from app.destinations.answers import Judged, judge
from app.destinations.attempting import (
    USER_AGENT,
    C,
    Exchange,
    Form,
    Line,
    S,
    Signed,
    Target,
)
from app.destinations.events import Delivery
from app.destinations.findings import Finding, Sight
from app.destinations.snippets import Snippet
from app.destinations.tables import Pace
from app.http import Network, Request, Response, SendError


class Connector(Generic[S, C]):
    """One kind of destination. Stateless; the defaults are those of a plain POST."""

    kind: ClassVar[str]
    """How it is stored; never changed."""
    title: ClassVar[str]
    about: ClassVar[str]
    """One sentence, for who chooses among the kinds."""
    url_key: ClassVar[str] = "settings"
    """Under which key of its form a person reads that it cannot be reached."""
    pace: ClassVar[Pace] = Pace.NOTIFY
    """What its form begins with."""
    per_minute: ClassVar[int] = 60
    """What its form begins with, too: how many deliveries a minute it takes."""
    mints: ClassVar[bool] = False
    """It takes tokens of ours, signed as `Signing` says."""
    awaits: ClassVar[bool] = False
    """It passes an answer's address and key on, so a rule can wait for one."""
    polls: ClassVar[bool] = False
    """It can be asked how what it began has ended."""
    looks: ClassVar[bool] = False
    """It can be looked there whether a delivery came that got no clear answer."""
    may_repeat: ClassVar[bool] = False
    """An admin may say that twice does less harm than not at all."""
    is_idempotent: ClassVar[bool] = False
    """Twice is the same as once: nobody has to say so."""
    follows: ClassVar[bool] = False
    """It shows how the run stands, so it is told again as that goes on, and ends."""

    settings_form: type[S]
    credentials_form: type[C]

    def url(self, settings: S, credentials: C | None) -> str:
        """Return an address whose origin is who gets the credentials (rule T8)."""
        raise NotImplementedError

    def check(
        self,
        network: Network,
        settings: S,
        credentials: C | None,
        *,
        tenant_id: uuid.UUID,
    ) -> None:
        """Raise `SendError` unless something that may be reached is there now (T11)."""
        network.check(self.url(settings, credentials), tenant_id)

    def address(self, settings: S) -> str:
        """Return where the one request goes, without what is a credential of it."""
        return self.url(settings, None)

    def misfit(self, settings: S, credentials: C) -> str:
        """Say why new credentials are none for these settings; empty if they are.

        It is shown beside the first of them, and quotes none (rule T8).
        """
        del settings, credentials
        return ""

    def place(self, settings: S) -> str:
        """Return what people call the receiver; without a credential."""
        raise NotImplementedError

    def inputs(self, settings: S) -> type[Form] | None:
        """Return what a rule may say; None if it may say what it wants."""
        raise NotImplementedError

    def body(self, settings: S, delivery: Delivery, *, base_url: str) -> str:
        """Return what is sent; made once, the same over all attempts."""
        raise NotImplementedError

    def request(self, target: Target[S, C], delivery: Delivery, body: bytes) -> Request:
        """Return the one request that has an effect."""
        raise NotImplementedError

    def prepare(
        self,
        target: Target[S, C],
        delivery: Delivery,
        body: bytes,
        *,
        base_url: str,
        now: datetime,
    ) -> Signed:
        """Make the request of one attempt. Asks nobody: a transaction may be open."""
        del base_url, now
        return self.ready(self.request(target, delivery, body), target, delivery)

    def ready(
        self, request: Request, target: Target[S, C], delivery: Delivery | None = None
    ) -> Signed:
        """Return a request with what is hidden of it."""
        credentials = self.hidden(target, request.headers)
        if delivery is not None and delivery.answer is not None:
            credentials = (*credentials, delivery.answer.key)
        request = replace(
            request,
            headers={
                "User-Agent": USER_AGENT,
                **tracing.headers(),
                **request.headers,
            },
            tenant_id=target.tenant_id,
            keep=scrubbing.KEPT_BODY if request.keep is None else request.keep,
        )
        head = scrubbing.request_head(request, credentials)
        return Signed(request=request, head=head, credentials=credentials)

    def hidden(
        self, target: Target[S, C], headers: Mapping[str, str]
    ) -> tuple[str, ...]:
        """Return every text that must not be shown: by default, all credentials.

        `headers` are the request's, in which a proof may stand that was made of them.
        """
        del headers
        values = [value for _, value in target.credentials]
        return tuple(v.get_secret_value() for v in values if isinstance(v, SecretStr))

    def send(self, target: Target[S, C], signed: Signed, line: Line) -> Exchange:
        """Send it, and judge what came back; no answer is a verdict, too."""
        del target
        return self.exchange(signed, line)

    def exchange(
        self,
        signed: Signed,
        line: Line,
        judged_by: Callable[[Response | SendError, datetime], Judged] | None = None,
    ) -> Exchange:
        """Send one request; `judged_by` is its success rule, if it has its own."""
        answer: Response | SendError
        started = time.monotonic()
        try:
            answer = line.http.send(signed.request)
        except SendError as error:
            answer = error
        duration_ms = round((time.monotonic() - started) * 1000)
        judged = (judged_by or self.judge)(answer, line.now())
        if isinstance(answer, SendError):
            return Exchange(
                judged=judged, duration_ms=duration_ms, request_head=signed.head
            )
        return Exchange(
            judged=judged,
            duration_ms=duration_ms,
            request_head=signed.head,
            response_head=scrubbing.response_head(answer, signed.credentials),
            response_body=scrubbing.response_body(answer, signed.credentials),
        )

    def judge(self, answer: Response | SendError, now: datetime) -> Judged:
        """Say what came of one attempt: the receiver's own success rule."""
        return judge(answer, now=now)

    def can_look(self, settings: S) -> bool:
        """Say whether `look` can find anything, as it is set up."""
        del settings
        return self.looks

    def can_poll(self, settings: S) -> bool:
        """Say whether `poll` can find anything, as it is set up."""
        del settings
        return self.polls

    def look(
        self, target: Target[S, C], delivery_id: uuid.UUID, line: Line
    ) -> Sight | None:
        """Find a delivery that got no clear answer; asks, changes nothing.

        None proves nothing: what is not there yet may still come. So nothing is ever
        sent again because it was not found. Raise `NotNowError` to be asked later.
        """
        del target, delivery_id, line
        return None

    def poll(self, target: Target[S, C], reference: str, line: Line) -> Finding | None:
        """Say how what it began has ended; None while that is open or not known.

        Raise `NotNowError` to be asked later.
        """
        del target, reference, line
        return None

    def snippets(self, settings: S, *, answer_to: str) -> Sequence[Snippet]:
        """Return what the other side needs; `answer_to` is its listener's URL or ""."""
        del settings, answer_to
        return ()

    def has_trial(self, settings: S) -> bool:
        """Say whether its test begins nothing: there is something to ask instead."""
        del settings
        return False

    def trial(self, target: Target[S, C], line: Line) -> Exchange:
        """Ask whether everything is set up, without an effect; if `has_trial`."""
        raise NotImplementedError
