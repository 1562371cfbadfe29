"""Wiki markup as Jira's renderer reads it: what is a link or a mention."""

import pytest

from sandbox import wiki
from sandbox.wiki import IMAGE, ISSUE, LINK, MENTION


@pytest.mark.parametrize(
    ("text", "kind", "target"),
    [
        ("hello [~ada]", MENTION, "ada"),
        ("[the boss|~ada]", MENTION, "ada"),
        ("[docs|https://x.test/a?b=c]", LINK, "https://x.test/a?b=c"),
        ("[https://x.test]", LINK, "https://x.test"),
        ("see https://x.test/a, please", LINK, "https://x.test/a,"),
        ("[mail|mailto:a@x.test]", LINK, "mailto:a@x.test"),
        ("!https://x.test/pixel.png!", IMAGE, "https://x.test/pixel.png"),
        ("done in DEMO-7.", ISSUE, "DEMO-7"),
        ("{quote}[~ada]{quote}", MENTION, "ada"),
        ("{code}x{code}[~ada]", MENTION, "ada"),
    ],
)
def test_t15_what_comes_alive(text: str, kind: str, target: str) -> None:
    found = [(mark.kind, mark.target) for mark in wiki.marks(text)]
    assert found == [(kind, target)]


@pytest.mark.parametrize(
    "text",
    [
        r"\[~ada\]",
        r"\[~ada]",
        "&#91;~ada&#93;",
        r"\[docs|x\]",
        "https&#58;//x.test",
        r"https:\//x.test",
        "{noformat}[~ada] https://x.test{noformat}",
        "{code:java}[~ada] DEMO-1{code}",
        "{code}[~ada] never closed",
        "[a word] and [another]",
        r"\!https\:\/\/x.test/pixel.png\!",
        "ddemo-1 and NODASH",
    ],
)
def test_t15_what_stays_text(text: str) -> None:
    assert wiki.marks(text) == []


def test_escaped_macro_holds_nothing() -> None:
    """Attack: a macro that is none makes one believe that its content is harmless."""
    assert [m.kind for m in wiki.marks(r"\{code}[~ada]\{code}")] == [MENTION]


def test_page_shows_it_and_runs_nothing() -> None:
    shown = str(wiki.html('*bold* <script> [x"y|https://x.test/"a] \\[~ada\\]'))

    assert "<strong>bold</strong>" in shown
    assert "<script>" not in shown
    assert "[~ada]" in shown
    assert '<a href="https://x.test/&#34;a"' in shown
