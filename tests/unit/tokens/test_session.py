"""Sessions on our own pages: tokens of ours that are good for minutes (T10)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from app.crypto import Secret
from app.tokens import checks, session
from app.tokens.checks import Reason, Refused, Verified

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
HERE = "https://countersign.example/datacenter"
SECRET, OTHER = Secret("s" * 43), Secret("o" * 43)


def claims(**changes: Any) -> dict[str, Any]:
    said = {
        "typ": "session",
        "iss": "t-1",
        "aud": HERE,
        "sub": "JIRAUSER1",
        "iat": SECONDS,
        "exp": SECONDS + 900,
        "auth_time": SECONDS,
    } | changes
    return {name: value for name, value in said.items() if value is not None}


def judged(
    text: str, now: datetime = NOW, *secrets: Secret
) -> tuple[Verified, datetime]:
    known = [(secret, 3 - n) for n, secret in enumerate(secrets or (OTHER, SECRET))]
    return session.verify(checks.read(text), known, audience=HERE, now=now)


def made(secret: Secret = SECRET, **changes: Any) -> str:
    return jwt.encode(claims(**changes), secret.reveal(), algorithm="HS256")


def mint(signed_in_at: datetime = NOW, now: datetime = NOW) -> tuple[str, datetime]:
    return session.mint(
        SECRET,
        tenant="t-1",
        person="JIRAUSER1",
        audience=HERE,
        signed_in_at=signed_in_at,
        now=now,
    )


def test_what_is_minted_says_whose_session_it_is() -> None:
    text, ends_at = mint()

    verified, since = judged(text)
    assert (verified.issuer, verified.account_id) == ("t-1", "JIRAUSER1")
    assert (since, verified.generation) == (NOW, 2)
    assert verified.issued_at == NOW
    assert verified.expires_at == ends_at == NOW + timedelta(minutes=15)
    said = jwt.decode(text, options={"verify_signature": False})
    assert len(said["jti"]) > 16
    assert (
        said["jti"] != jwt.decode(mint()[0], options={"verify_signature": False})["jti"]
    )


def test_last_token_ends_eight_hours_after_the_sign_in() -> None:
    late = NOW + timedelta(hours=7, minutes=50)
    text, ends_at = mint(now=late)

    assert ends_at == NOW + timedelta(hours=8)
    assert judged(text, now=ends_at - timedelta(seconds=1))
    # No leeway: both times are of our own clock.
    with pytest.raises(Refused) as caught:
        judged(text, now=ends_at)
    assert (caught.value.reason, caught.value.proven) == (Reason.EXPIRED, True)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"typ": None}, Reason.WRONG_FAMILY),
        ({"typ": "JWT"}, Reason.WRONG_FAMILY),
        ({"aud": "https://countersign.example"}, Reason.WRONG_AUDIENCE),
        ({"aud": [HERE]}, Reason.WRONG_AUDIENCE),
        ({"exp": SECONDS + 901}, Reason.LIFETIME),
        ({"exp": None}, Reason.MISSING_CLAIM),
        ({"iat": SECONDS - 900, "exp": SECONDS - 30}, Reason.EXPIRED),
        ({"auth_time": None}, Reason.MISSING_CLAIM),
        ({"auth_time": SECONDS - 8 * 3600}, Reason.EXPIRED),
        ({"sub": None}, Reason.MISSING_CLAIM),
        ({"iss": None}, Reason.MISSING_CLAIM),
    ],
    ids=str,
)
def test_t10_session_of_another_family_audience_or_age_is_refused(
    changes: dict[str, Any], reason: Reason
) -> None:
    with pytest.raises(Refused) as caught:
        judged(made(**changes))

    assert (caught.value.reason, caught.value.proven) == (reason, True)


def test_t0_algorithm_and_secret_are_the_sites_own() -> None:
    unsigned = jwt.encode(claims(), "", algorithm="none")
    longer = jwt.encode(claims(), "s" * 64, algorithm="HS512")
    wrong = [
        (longer, (), Reason.WRONG_ALGORITHM),
        (made(Secret("x" * 43)), (), Reason.BAD_SIGNATURE),
        (made(), (OTHER,), Reason.BAD_SIGNATURE),
    ]
    for text, secrets, reason in wrong:
        with pytest.raises(Refused) as caught:
            judged(text, NOW, *secrets)
        assert (caught.value.reason, caught.value.proven) == (reason, False)
    with pytest.raises(Refused):
        judged(unsigned)


def test_t13_what_ended_an_hour_ago_proves_nothing() -> None:
    with pytest.raises(Refused) as caught:
        judged(made(), NOW + timedelta(seconds=900 + 3600))

    assert (caught.value.reason, caught.value.proven) == (Reason.EXPIRED, False)
