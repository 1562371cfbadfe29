"""What a listener may say of a delivery whose rule waits for it (rule T17)."""

import uuid
from collections.abc import Mapping
from typing import Annotated, Any

from flask import request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.orm import Session

from app import audit, runs, tenants
from app.listeners import Called
from app.runs import Result
from app.runs.answering import Effect
from app.tenants import Tenant, preferences
from app.tokens.listener import Heard
from app.web import recording
from app.web.context import runtime
from app.web.errors import BadRequestError

_URL = r"^https?://[!-~]+$"


def _is_line(value: str) -> str:
    if not value.isprintable():
        raise ValueError("one line of printable text")
    return value


class Answer(BaseModel):
    """One answer, as it came: what it says of the run is the caller's word only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: uuid.UUID
    answer_key: str = Field(
        min_length=16, max_length=200, pattern=r"^[A-Za-z0-9_-]+$", repr=False
    )
    """Attack: run ids are no secret. This went with one delivery, and is good once."""
    result: Result
    message: Annotated[str, Field(max_length=1000), AfterValidator(_is_line)] = ""
    url: Annotated[str | None, Field(max_length=2000, pattern=_URL)] = None
    """Where people see it. Only shown: many a build server is a plain one inside."""


def hear(called: Called, heard: Heard, body: Mapping[str, Any]) -> None:
    """Give a run the answer that it waits for, and write down what that did.

    Raise `Refused` if it answers no delivery of theirs: the token is verified by then,
    so the refusal is a fact of the tenant's.
    """
    said, now = read(body), runtime().now()
    with runtime().sessions.begin() as session:
        # Attack: a site that leaves while its build's answer is on its way.
        tenants.refuse_inactive(session.get_one(Tenant, called.tenant_id))
        keeps = preferences.find(session, called.tenant_id).keeps_exchanges
        answer = _answer(said, heard, keeps=keeps)
        done = runs.answering.hear(
            session, called.tenant_id, called.id, answer, now=now
        )
        if done.effect is not Effect.REPEATED:
            _note(session, called, heard, said, done)
    if done.effect is Effect.COUNTED:
        recording.wake()


def _answer(said: Answer, heard: Heard, *, keeps: bool) -> runs.answering.Answer:
    return runs.answering.Answer(
        run_id=said.run,
        key=said.answer_key,
        result=said.result,
        message=said.message,
        url=said.url or "",
        claims=heard.claims,
        provider_run=heard.provider_run_id,
        token_hash=heard.token_hash,
        keeps=keeps,
    )


def _note(
    session: Session,
    called: Called,
    heard: Heard,
    said: Answer,
    done: runs.answering.Heard,
) -> None:
    """Write the verification down, with what came of it."""
    now, counted = runtime().now(), done.effect is Effect.COUNTED
    audit.record(
        session,
        called.tenant_id,
        "answer-counted" if counted else "answer-late",
        actor="listener",
        now=now,
        route=str(request.endpoint),
        run=str(done.run_id),
        listener=str(called.id),
        result=said.result,
        issuer=heard.issuer,
        subject=heard.subject,
        provider_run=heard.provider_run_id,
        age=int((now - heard.issued_at).total_seconds()),
        issued_at=heard.issued_at.isoformat(),
        expires_at=heard.expires_at.isoformat(),
    )


def read(body: Mapping[str, Any]) -> Answer:
    """Return the answer; raise `BadRequestError`, naming what is wrong by its key."""
    try:
        return Answer.model_validate(body)
    except ValidationError as error:
        # No message quotes a value: one of them is a key.
        keys = sorted({str(each["loc"][0])[:80] for each in error.errors()})
        raise BadRequestError(f"this is no answer: see {', '.join(keys)}") from None
