"""How a receiver can tell that a delivery is ours, and that nobody else can (T8)."""

import logging
import uuid
from collections.abc import Callable
from datetime import timedelta

import jwt
import pytest
import sqlalchemy as sa
import standardwebhooks
from flask import Flask

from app.audit import AuditEvent
from app.crypto import Secret
from app.db import Base
from app.destinations import Signing, renew_secret
from app.destinations.keeping import SECRET_GRACE
from app.http import Request, Response
from app.runs import Attempt, RunState, RunStep, StepState
from app.runtime import Runtime
from app.worker import Worker
from sandbox import Jira
from tests.functional.fakes import Wire
from tests.functional.receiving import HOST, URL, Desk, open_desk, token_of

HEADER = "an-api-key-of-the-receivers-gateway"


@pytest.fixture
def desk(runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire) -> Desk:
    return open_desk(runtime, app, site, worker, wire)


def set_up(desk: Desk, signing: Signing) -> tuple[uuid.UUID, Secret]:
    destination_id, secret = desk.set_up(signing=signing)
    assert secret is not None
    return destination_id, secret


def renew(desk: Desk, destination_id: uuid.UUID) -> Secret:
    with desk.runtime.sessions.begin() as session:
        secret = renew_secret(
            session, desk.runtime.keyring, desk.change(), destination_id
        )
    assert secret is not None
    return secret


def by_secret(desk: Desk, secret: Secret) -> dict[str, object]:
    """Check the newest token by the secret alone."""
    options = {"verify_exp": False, "verify_iat": False}
    claims: dict[str, object] = jwt.decode(
        desk.receiver.tokens[-1],
        secret.reveal(),
        algorithms=["HS256"],
        audience=URL,
        options=options,  # type: ignore[arg-type]
    )
    return claims


def by_webhook(request: Request, secret: Secret) -> None:
    """Check a delivery by the standard's own library; its clock is the real one."""
    webhook = standardwebhooks.Webhook(secret.reveal())
    webhook.verify(request.body, dict(request.headers))


def test_secret_of_the_destination_proves_its_tokens(desk: Desk) -> None:
    destination_id, secret = set_up(desk, Signing.SECRET)

    desk.deliver(destination_id)

    assert by_secret(desk, secret)["sub"] == (
        f"tenant:{desk.tenant_id}:project:10000:destination:{destination_id}"
    )
    with pytest.raises(jwt.InvalidSignatureError):
        by_secret(desk, Secret("b" * 43))


def test_renewed_secret_signs_first(desk: Desk) -> None:
    destination_id, old = set_up(desk, Signing.SECRET)
    new = renew(desk, destination_id)

    desk.deliver(destination_id)

    assert by_secret(desk, new)
    with pytest.raises(jwt.InvalidSignatureError):
        by_secret(desk, old)


def only_by(secret: Secret) -> Callable[[Request], Response]:
    """Return a receiver that knows this one secret, and answers as one does."""

    def answer(request: Request) -> Response:
        try:
            jwt.decode(
                token_of(request),
                secret.reveal(),
                algorithms=["HS256"],
                audience=URL,
                options={"verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError:
            return Response(status=401, body=b"who are you")
        return Response(status=202)

    return answer


@pytest.mark.parametrize("which", ["old", "new"])
def test_receiver_that_knows_one_secret_takes_deliveries_in_the_overlap(
    desk: Desk, wire: Wire, which: str
) -> None:
    destination_id, old = set_up(desk, Signing.SECRET)
    new = renew(desk, destination_id)
    known = only_by(old if which == "old" else new)
    answers: list[int] = []

    def receive(request: Request) -> Response:
        desk.receiver.got.append(request)
        answer = known(request)
        answers.append(answer.status)
        return answer

    wire.elsewhere[HOST] = receive

    desk.deliver(destination_id)
    desk.clock.advance(SECRET_GRACE)
    desk.fire()
    desk.worker.drain()

    assert answers == ([401, 202, 401] if which == "old" else [202, 202])
    states = [run.state for run in desk.runs()]
    assert states[0] is RunState.SUCCEEDED
    assert (states[1] is RunState.SUCCEEDED) is (which == "new")


def test_delivery_that_is_signed_twice_is_one(desk: Desk) -> None:
    destination_id, _ = set_up(desk, Signing.SECRET)
    renew(desk, destination_id)
    desk.receiver.answers = [Response(status=401)]

    desk.deliver(destination_id)

    first, second = desk.receiver.got
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    unproven = {"verify_signature": False}
    ids = [
        jwt.decode(token, options=unproven)["jti"]  # type: ignore[arg-type]
        for token in desk.receiver.tokens
    ]
    assert ids[0] == ids[1]
    with desk.runtime.sessions.begin() as session:
        minted = sa.select(sa.func.count()).where(AuditEvent.kind == "token-minted")
        assert session.scalar(minted) == 1


def test_answer_to_the_older_signature_is_kept_without_either_token(
    desk: Desk, all_steps: Callable[[], list[RunStep]]
) -> None:
    """Attack (T8): a receiver sends back what it was sent, and a page shows it."""
    destination_id, _ = set_up(desk, Signing.SECRET)
    renew(desk, destination_id)

    def echo(request: Request) -> Response:
        return Response(status=200, body=token_of(request).encode())

    desk.receiver.answers = [Response(status=401), echo]
    desk.deliver(destination_id)

    with desk.runtime.sessions.begin() as session:
        [kept] = session.scalars(sa.select(Attempt.response_body))
    assert kept is not None
    assert all(token not in kept for token in desk.receiver.tokens)
    assert [step.state for step in all_steps()] == [StepState.DONE]


@pytest.fixture
def now_real(desk: Desk) -> None:
    """Let the test's clock show the real time: the standard's library asks it."""
    desk.clock.time = desk.clock.time.now(desk.clock.time.tzinfo)


@pytest.mark.usefixtures("now_real")
def test_standard_webhook_is_verified_by_its_own_library(desk: Desk) -> None:
    destination_id, secret = set_up(desk, Signing.WEBHOOK)

    desk.deliver(destination_id)

    [request] = desk.receiver.got
    assert "Authorization" not in request.headers
    by_webhook(request, secret)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        by_webhook(request, Secret("whsec_" + "A" * 43 + "="))


@pytest.mark.usefixtures("now_real")
def test_replaced_webhook_secret_signs_beside_the_new_one_for_a_day(desk: Desk) -> None:
    destination_id, old = set_up(desk, Signing.WEBHOOK)
    new = renew(desk, destination_id)

    desk.deliver(destination_id)

    [request] = desk.receiver.got
    assert len(request.headers["webhook-signature"].split()) == 2
    by_webhook(request, old)
    by_webhook(request, new)


def test_replaced_webhook_secret_signs_no_more_after_a_day(desk: Desk) -> None:
    destination_id, _ = set_up(desk, Signing.WEBHOOK)
    renew(desk, destination_id)

    desk.clock.advance(timedelta(hours=24))
    desk.deliver(destination_id)

    [request] = desk.receiver.got
    assert len(request.headers["webhook-signature"].split()) == 1


@pytest.mark.parametrize("signing", [Signing.SECRET, Signing.WEBHOOK])
def test_t8_moved_destination_gets_neither_secret_nor_headers(
    desk: Desk, wire: Wire, signing: Signing
) -> None:
    destination_id, old = desk.set_up(signing=signing, headers={"X-Key": HEADER})
    assert old is not None
    wire.elsewhere["evil.example"] = desk.receiver

    new = desk.redefine(destination_id, signing=signing, url="https://evil.example/in")
    desk.deliver(destination_id)

    [request] = desk.receiver.got
    assert new is not None
    assert new.reveal() != old.reveal()
    assert "X-Key" not in request.headers


def test_t8_address_that_holds_a_key_is_no_audience(desk: Desk) -> None:
    """`aud` stands in the audit; what follows the "?" may be a credential."""
    destination_id, _ = desk.set_up(url=f"{URL}?key={HEADER}")

    desk.deliver(destination_id)

    assert desk.verified(desk.receiver.tokens[0])["aud"] == URL
    assert desk.receiver.got[0].url == f"{URL}?key={HEADER}"
    assert HEADER not in str(desk.events("token-minted"))
    assert HEADER not in str(desk.attempts()[0].request_head)


def test_every_mint_is_in_the_audit(desk: Desk) -> None:
    destination_id, _ = desk.set_up(audience="deployer")

    desk.deliver(destination_id)

    claims = desk.verified(desk.receiver.tokens[0], audience="deployer")
    [event] = desk.events("token-minted")
    header = jwt.get_unverified_header(desk.receiver.tokens[0])
    assert event["kid"] == header["kid"]
    assert {name: event[name] for name in ("aud", "sub", "jti")} == {
        name: claims[name] for name in ("aud", "sub", "jti")
    }
    assert event["delivery"] == desk.receiver.ids[0]
    assert event["run"] == str(desk.runs()[0].id)


@pytest.mark.parametrize("signing", Signing)
def test_t8_t13_no_credential_is_stored_or_logged(
    desk: Desk, caplog: pytest.LogCaptureFixture, signing: Signing
) -> None:
    """Not even when the receiver sends all of it back."""
    caplog.set_level(logging.DEBUG)
    destination_id, secret = desk.set_up(signing=signing, headers={"X-Key": HEADER})
    desk.receiver.answers = [echo]

    desk.deliver(destination_id)

    [request] = desk.receiver.got
    assert desk.runs()[0].state is RunState.SUCCEEDED
    assert "webhook-id" in str(desk.attempts()[0].response_body)
    kept = everything(desk) + caplog.text
    for hidden in credentials(request, secret):
        assert hidden not in kept


def echo(request: Request) -> Response:
    """Answer as a debug page does."""
    lines = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
    return Response(status=200, headers=dict(request.headers), body=lines.encode())


def credentials(request: Request, secret: Secret | None) -> list[str]:
    """Return what must not be found: keys, secrets, signatures, a token's parts."""
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    signed = request.headers.get("webhook-signature", "").removeprefix("v1,")
    shared = secret.reveal().removeprefix("whsec_") if secret else ""
    found = [HEADER, *token.split("."), signed, shared]
    return [text for text in found if text]


def everything(desk: Desk) -> str:
    """Return every value in the database, as text."""
    with desk.runtime.sessions.begin() as session:
        rows = [
            row
            for table in Base.metadata.sorted_tables
            for row in session.execute(sa.select(table))
        ]
    return "\n".join(
        value.hex() + value.decode("latin-1")
        if isinstance(value, bytes)
        else str(value)
        for row in rows
        for value in row
    )
