"""Documents as wiki markup, judged by the sandbox's reader of it (rule T15)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.jira import wiki
from app.steps import markup
from sandbox import wiki as reader

NAMES = {"JIRAUSER1": "ada", "odd": "a]b|c", "ddesigner": "dee"}


def written(source: str, v: str = "") -> str:
    view = {"issue": {"v": v}}
    return wiki.markup(markup.parse(source).render(view), NAMES)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Plain", "Plain"),
        ("One\ntwo\n\nthree", "One\ntwo\n\nthree"),
        ("**bold** and *em*", "*bold* and _em_"),
        ("`x = 1`", "{{x = 1}}"),
        ("[us](https://us.example/a|b)", "[us|https://us.example/a%7Cb]"),
        ("- a\n- b\n  1. c\n", "* a\n* b\n*# c"),
        ("- a\n  b", "* a\\\\b"),
        ("```py\nx = {1}\n```", "{noformat}\nx = {1}\n{noformat}"),
        ("[~accountid:JIRAUSER1] hi", "[~ada] hi"),
        ("[~accountid:odd]", r"\@a\]b\|c"),
        ("[~accountid:nobody]", r"\@nobody"),
    ],
)
def test_markup_of_the_author_is_markup_there(source: str, expected: str) -> None:
    assert written(source) == expected


def test_list_item_that_holds_a_block_goes_on_below_it() -> None:
    assert written("- a\n\n  ```\n  x\n  ```") == "* a\n\n{noformat}\nx\n{noformat}"


EVIL = (
    "[~admin]",
    r"\[~admin]",
    r"\\[~admin]",
    r"\\\[~admin]",
    "[x|https://evil.example]",
    "https://evil.example",
    "mailto:a@evil.example",
    "!https://evil.example/x.png!",
    "{noformat}[~admin]",
    "{code}[~admin]{code}",
    "{noformat:a=b}x{noformat}[~admin]",
    "&#91;~admin&#93;",
    "DEMO-1",
    "h1. Title",
    "bq. Said",
)


@pytest.mark.parametrize("value", EVIL)
@pytest.mark.parametrize(
    "source",
    [
        "{{ issue.v }}",
        "a {{ issue.v }} b",
        "**{{ issue.v }}**",
        "`{{ issue.v }}`",
        "```\n{{ issue.v }}\n```",
        "- {{ issue.v }}",
        "[~accountid:nobody]{{ issue.v }}",
    ],
)
def test_t15_reporters_value_marks_nothing(source: str, value: str) -> None:
    assert reader.marks(written(source, v=value)) == []


@given(st.text(alphabet="[]~|{}\\!*_-+^#@:/.&;()<>hb1admincodeformat\n ", max_size=60))
def test_t15_whatever_a_value_holds_it_marks_nothing(value: str) -> None:
    for source in (
        "a {{ issue.v }} b",
        "```\n{{ issue.v }}\n```",
        "[~accountid:x]{{ issue.v }}[x](https://u.example)",
    ):
        found = reader.marks(written(source, v=value))
        assert [m.target for m in found if m.target != "https://u.example"] == []


def test_value_in_the_text_of_a_link_stays_its_text() -> None:
    text = written("[{{ issue.v }}](https://us.example)", v="x|https://evil.example]")

    assert [mark.target for mark in reader.marks(text)] == ["https://us.example"]


def test_backslash_is_shown_and_escapes_nothing_of_the_authors() -> None:
    assert written("{{ issue.v }}", v="C:\\temp") == r"C\:&#92;temp"
    text = written("{{ issue.v }}[~accountid:JIRAUSER1]", v="\\")
    assert [mark.target for mark in reader.marks(text)] == ["ada"]


def test_heading_and_quote_begin_no_line() -> None:
    assert written("{{ issue.v }}", v="h1. Title") == r"h1\. Title"
    assert written("{{ issue.v }}", v="  BQ. Said") == r"  BQ\. Said"
