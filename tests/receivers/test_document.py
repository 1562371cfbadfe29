"""docs/receivers.md says of each of its blocks whether it was tried."""

import re

from tests.receivers import test_secrets, test_tokens
from tests.receivers.documents import DOCUMENT, snippets

_BLOCK = re.compile(r"(?P<before>[^\n]+)\n\n```\w+\n.*?^```$", re.DOTALL | re.MULTILINE)


def test_every_block_is_marked() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    marks = [
        found["before"].rstrip(":").endswith(("(run)", "(not run)"))
        for found in _BLOCK.finditer(text)
    ]

    assert all(marks)
    assert len(marks) == text.count("```") / 2


def test_every_block_marked_run_is_run() -> None:
    tested = {
        *test_tokens.LIBRARIES.args[1],
        *test_secrets.STANDARD.args[1],
        "verify_secret.py",
    }

    assert set(snippets()) == tested
    assert len(snippets()) == DOCUMENT.read_text(encoding="utf-8").count("(run)")


def test_every_receiver_that_we_promise_has_its_part() -> None:
    """Issue 3 names them."""
    parts = re.findall(
        r"^##+ (.+)$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE
    )

    for name in ("Python", "Node", "nginx", "Envoy", "AWS", "Google", "Azure"):
        assert any(name in part for part in parts), name
    for name in ("Vault", "Kubernetes", "HS256", "Standard Webhooks"):
        assert any(name in part for part in parts), name
