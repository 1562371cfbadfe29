"""Webhooks of a self-managed Jira: what proves one, and for how long (T2, T17)."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.crypto import Secret
from app.tokens import webhook
from app.tokens.checks import Reason, Refused
from app.tokens.listener import Heard

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MILLISECONDS = int(NOW.timestamp() * 1000)
URL = "https://countersign.example/listeners/0b1c"
OLD, NEW = Secret("o" * 43), Secret("n" * 43)


def body(**changes: Any) -> bytes:
    said = {"timestamp": MILLISECONDS, "issue": {"id": "1"}} | changes
    return json.dumps({k: v for k, v in said.items() if v is not None}).encode()


def signed(sent: bytes, secret: Secret = NEW) -> str:
    """Sign as the documentation says, by nothing of ours."""
    key = secret.reveal().encode()
    return f"sha256={hmac.new(key, sent, hashlib.sha256).hexdigest()}"


def judged(
    sent: bytes, signature: str | None = None, now: datetime = NOW, url: str = URL
) -> Heard:
    return webhook.verify(
        signed(sent) if signature is None else signature,
        [(NEW, 2), (OLD, 1)],
        body=sent,
        listener=url,
        now=now,
    )


def refusal(*given: Any, **named: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        judged(*given, **named)
    return caught.value


def test_documented_example_is_what_we_compute() -> None:
    """Source: "Managing webhooks", the example of both the secret and the body."""
    secret = Secret("It's a Secret to Everybody")
    assert webhook.sign(secret, b"Hello World!") == (
        "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"
    )


def test_good_one_says_when_it_was_made_and_by_which_secret() -> None:
    heard = judged(body(), signed(body(), OLD))

    assert (heard.generation, heard.issued_at, heard.issuer) == (1, NOW, "jira")
    assert heard.expires_at == NOW + timedelta(minutes=5)
    assert (heard.subject, heard.token_id, heard.claims) == (None, None, {})


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        ("", Reason.MISSING),
        ("sha1=" + "0" * 40, Reason.WRONG_ALGORITHM),
        ("0" * 64, Reason.WRONG_ALGORITHM),
        ("sha256=" + "0" * 63, Reason.MALFORMED),
        ("sha256=" + "A" * 64, Reason.MALFORMED),
        ("sha256=" + "0" * 64, Reason.BAD_SIGNATURE),
        (signed(body(), Secret("x")), Reason.BAD_SIGNATURE),
        (signed(body(issue=None)), Reason.BAD_SIGNATURE),
    ],
)
def test_t17_body_that_was_not_signed_is_refused_unproven(
    signature: str, reason: Reason
) -> None:
    error = refusal(body(), signature)

    assert (error.reason, error.proven) == (reason, False)


@pytest.mark.parametrize(
    ("late", "detail", "is_proven"),
    [
        (timedelta(minutes=5, seconds=29), None, True),
        (timedelta(minutes=5, seconds=30), "stale by 30 s: check the clocks", True),
        (timedelta(minutes=64, seconds=59), "stale by 3599 s: check the clocks", True),
        (timedelta(minutes=65), "stale by 3600 s: check the clocks", False),
    ],
)
def test_t2_webhook_is_believed_for_five_minutes_and_says_by_how_much_it_is_late(
    late: timedelta,
    detail: str | None,
    is_proven: bool,  # noqa: FBT001 -- a parameter of the test
) -> None:
    if detail is None:
        assert judged(body(), now=NOW + late).issued_at == NOW
        return
    error = refusal(body(), now=NOW + late)
    assert (error.reason, error.detail) == (Reason.STALE, detail)
    assert error.proven is is_proven


def test_t0_webhook_of_the_future_is_refused_beyond_the_leeway() -> None:
    early = judged(body(), now=NOW - timedelta(seconds=30))
    assert early.issued_at == NOW

    error = refusal(body(), now=NOW - timedelta(seconds=31))
    assert (error.reason, error.proven) == (Reason.FROM_FUTURE, True)
    assert error.detail == "early by 31 s: check the clocks"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (None, Reason.MISSING_CLAIM),
        (True, Reason.BAD_CLAIM),
        (str(MILLISECONDS), Reason.BAD_CLAIM),
        (-1, Reason.BAD_CLAIM),
        (2**60, Reason.BAD_CLAIM),
        (float("inf"), Reason.BAD_CLAIM),
        (2**40 * 1000, Reason.BAD_CLAIM),
    ],
    ids=str,
)
def test_t0_time_that_cannot_be_meant_is_refused(said: object, reason: Reason) -> None:
    error = refusal(body(timestamp=said))

    assert (error.reason, error.detail, error.proven) == (reason, "timestamp", True)


@pytest.mark.parametrize("sent", [b"", b"[]", b"7", b"{", b"[" * 9000])
def test_signed_nonsense_is_refused(sent: bytes) -> None:
    assert refusal(sent).reason is Reason.BAD_CLAIM


def test_t2_body_is_known_again_for_its_listener_alone() -> None:
    first, again = judged(body()).token_hash, judged(body()).token_hash
    elsewhere = judged(body(), url=URL + "d").token_hash
    other = judged(body(issue={"id": "2"})).token_hash

    assert first == again
    assert len({first, elsewhere, other}) == 3
