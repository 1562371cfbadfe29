"""A check that breaks off hides nothing, and says nothing that it should not."""

from collections.abc import Iterator

import pytest

from app.doctor import asking, findings
from app.doctor.findings import Finding, Health
from app.http import ForbiddenError, SendError

URL = "https://keys.example:8443/path?key=secret"


def test_check_that_breaks_off_is_a_failure_that_names_it() -> None:
    def look() -> Iterator[Finding]:
        yield findings.ok("clock", "fine")
        raise LookupError("a secret")

    found = findings.looked("clock", look)

    assert [each.health for each in found] == [Health.FAIL]
    assert "“clock” broke off: LookupError" in found[0].saw
    assert "a secret" not in str(found)
    assert not findings.is_well(found)


def test_warning_is_no_failure() -> None:
    warned = [findings.warn("jwks", "odd", "look"), findings.skipped("clock", "none")]

    assert findings.is_well(warned)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SendError("the name keys.example was not found", sent=False), "DNS: "),
        (SendError("the name keys.example took too long", sent=False), "DNS: "),
        (SendError("SSLError", sent=True), "TLS: "),
        (SendError("ConnectTimeout", sent=False), "no answer from keys.example:8443"),
        (SendError("the answer took too long", sent=True), "no answer from"),
        (SendError("ConnectionError", sent=False), "was refused"),
        (SendError("ConnectionError", sent=True), "broke off"),
        (
            ForbiddenError("port 8443 is not allowed"),
            "we may not ask keys.example:8443: port 8443",
        ),
    ],
)
def test_each_cause_of_silence_has_its_words(error: SendError, said: str) -> None:
    saw, do = asking.unanswered(URL, error)

    assert said in saw
    assert do
    assert "secret" not in saw + do
