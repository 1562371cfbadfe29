"""Answers a transition's call that is plainly in order; hands on everything else."""

import io
import logging
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, cast
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from app import audit, runs
from app.audit import Fact
from app.runs import Call
from app.tenants import callers
from app.tenants.callers import Proof
from app.tokens import checks, connect, target
from app.tokens.checks import Refused, Verified
from app.web import guards, left_out, measuring, recording, triggered
from app.web.context import KEY, Web
from app.web.errors import BadRequestError
from app.web.express import plain
from app.web.express.plain import Asked
from app.web.express.together import Together, UnwrittenError
from app.web.headers import CLOSED, SAFE
from app.web.server import MAX_BODY

log = logging.getLogger(__name__)

PATH = "/post-function/triggered"
ROUTE = "triggered.triggered"
"""What the long way is called; in the history both are the same."""

MAX_DIGITS = 9
"""Of a body's length."""

HEADERS = list((SAFE | CLOSED).items())


class Let(NamedTuple):
    """A call that was let in, as it will be written."""

    began: float
    """By `time.perf_counter`, when it was read."""
    name: str
    call: Call
    verified: Verified
    proof: Proof


@dataclass
class Lane:
    """The short way, before the long one. A WSGI application."""

    flask: Flask
    long_way: WSGIApplication
    together: Together[Let, bool] = field(init=False)
    _target: str = field(init=False)
    _line: bytes = field(init=False)
    """How a request for it begins."""
    _hashes: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.together = Together(self.write)
        self._target = self._web.runtime.settings.base_path + PATH
        self._line = plain.request_line(self._target)
        self._hashes = target.hashes("POST", PATH)

    @property
    def _web(self) -> Web:
        return cast("Web", self.flask.extensions[KEY])

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Record the call and answer, or have the long way do whatever is to be done.

        Only this very target: with a query, a slash or an escape more it is not the one
        that the hash was made of.
        """
        if (
            environ["REQUEST_METHOD"] == "POST"
            and guards.target_of(environ) == self._target
            and self._is_recorded(environ)
        ):
            self.tidy()
            start_response("204 NO CONTENT", HEADERS)
            return ()
        return self.long_way(environ, start_response)

    def _is_recorded(self, environ: WSGIEnvironment) -> bool:
        """Record it; False for anything but a new call, from whom we know, by now."""
        body = _read_body(environ)
        if body is None:
            return False
        asked = Asked(
            authorization=environ.get("HTTP_AUTHORIZATION", ""),
            body=body,
            webhook_id=environ.get("HTTP_X_ATLASSIAN_WEBHOOK_IDENTIFIER", ""),
            traceparent=environ.get("HTTP_TRACEPARENT"),
        )
        let = self.judge(lambda: asked)
        if let is None:
            return False
        try:
            return self.together.submit(let)
        except UnwrittenError:
            return False

    def judge_octets(self, octets: bytes) -> Let | None:
        """Do as `judge` does for a request as it came from the network."""
        return self.judge(lambda: plain.read(octets, self._line))

    def is_begun(self, octets: bytes) -> bool:
        """Say whether more may come of a request that `judge_octets` would judge."""
        return plain.is_begun(octets, self._line)

    def judge(self, ask: Callable[[], Asked | None]) -> Let | None:
        """Return the call as it is to be written; None unless it is plainly in order.

        The long way judges from the beginning what is not: nothing of what was found
        out is handed on, least of all that something is wrong.
        """
        began = time.perf_counter()
        try:
            asked = ask()
            return asked and self._let_in(asked, began=began)
        except (Refused, BadRequestError):
            return None
        except Exception:
            # Attack: a caller finds what breaks the judging, and with it the loop that
            # all others wait for.
            log.exception("bug on the short way")
            return None

    def _let_in(self, asked: Asked, *, began: float) -> Let | None:
        scheme, _, text = asked.authorization.partition(" ")
        if scheme.upper() != "JWT":
            return None
        web = self._web
        now = web.runtime.now()
        token = checks.read(text.strip())
        name = token.issuer
        known = web.remembered.find(name, now=now)
        if known is None:
            return None
        verified = connect.verify_url_bound(
            token, known.secrets, hashes=self._hashes, now=now
        )
        if verified.generation is None:
            return None
        web.token_uses.refuse_worn(verified, now=now)
        call = triggered.read_call(
            asked.body,
            tenant_id=known.tenant_id,
            verified=verified,
            webhook_id=asked.webhook_id,
            traceparent=asked.traceparent,
        )
        return Let(began, name, call, verified, known.proofs[verified.generation])

    def write(self, many: Sequence[Let]) -> Sequence[bool]:
        """Record those that still may call; say of each whether it is recorded now.

        It is not if somebody may call no more, if the call was recorded before, or if
        nothing could be written.
        """
        try:
            recorded = self._written(many)
            pairs = zip(many, recorded, strict=True)
            self._count([let for let, is_new in pairs if is_new])
        except (DBAPIError, NoConnectionError):
            return [False] * len(many)
        except Exception:
            # Attack: a tenant finds what breaks the writing, and others are written
            # with him. Each of them is judged by himself, and only one of them breaks;
            # what is recorded by now is then a duplicate.
            log.exception("bug on the short way")
            return [False] * len(many)
        return recorded

    def tidy(self) -> None:
        """Do what is due once a minute, behind the answers; it may write."""
        left_out.write(self._web, now=self._web.runtime.now())

    def _count(self, recorded: Sequence[Let]) -> None:
        web = self._web
        is_told = web.runtime.settings.log_calls == "on"
        over = time.perf_counter()
        for let in recorded:
            web.token_uses.note(let.verified.token_hash)
            measuring.recorded(
                let.call, route=ROUTE, seconds=over - let.began, is_told=is_told
            )
        if recorded:
            web.waker.ring()

    def _written(self, many: Sequence[Let]) -> Sequence[bool]:
        web = self._web
        proofs, now = [each.proof for each in many], web.runtime.now()
        database = web.runtime.recording
        calls = runs.prepare(database.dialect, [each.call for each in many], now=now)
        pairs = zip(many, calls.ids, strict=True)
        facts = [_fact(let, run_id, now=now) for let, run_id in pairs]
        events = audit.prepare(database.dialect, facts, now=now)
        with database.begin() as connection:
            callers.hold(connection, proofs)
            still = callers.still_callers(connection, proofs, now=web.runtime.now())
            may = [place for place, each in enumerate(many) if each.proof in still]
            new = calls.record(connection, may)
            events.insert(connection, new)
        for each in many:
            if each.proof not in still:
                web.remembered.forget(each.name)
        recorded = frozenset(new)
        return [place in recorded for place in range(len(many))]


def _fact(let: Let, run_id: uuid.UUID, *, now: datetime) -> Fact:
    common = recording.facts_of(let.verified, run_id, ROUTE, now=now)
    return Fact(
        tenant_id=let.call.tenant_id,
        kind="verification-accepted",
        actor="jira",
        detail=common | triggered.facts_of(let.verified),
    )


def _read_body(environ: WSGIEnvironment) -> bytes | None:
    """Return the body, and leave it for who reads it next; None if it is unusual."""
    length = environ.get("CONTENT_LENGTH", "")
    if not (length.isascii() and length.isdigit()) or environ.get(
        "HTTP_TRANSFER_ENCODING"
    ):
        return None
    # Attack: a length of zeros with a large number behind them, or of more digits than
    # Python reads. A stranger would have us keep as much as he sends.
    if len(length) > MAX_DIGITS or int(length) > MAX_BODY:
        return None
    body: bytes = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = io.BytesIO(body)
    # Who hung up in the middle of it said less than he meant to.
    return body if len(body) == int(length) else None
