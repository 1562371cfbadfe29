"""The small markup as a document of Jira's, and what values can never become."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.steps import markup
from app.steps.markup import MarkupError
from app.templating import TemplateError

Node = dict[str, Any]
EVIL = "[x](https://evil.example) [~accountid:evil] **b** `c`\n# h\n- i\n\n1. j\n```\nk"


def text(value: str, *marks: Node) -> Node:
    return {"type": "text", "text": value} | ({"marks": list(marks)} if marks else {})


def paragraph(*content: Node) -> Node:
    return {"type": "paragraph", "content": list(content)}


def item(*content: Node) -> Node:
    return {"type": "listItem", "content": list(content)}


def render(source: str, **issue: object) -> list[Node]:
    document = markup.parse(source).render({"issue": {"key": "DEMO-1"} | issue})
    assert (document["type"], document["version"]) == ("doc", 1)
    return list(document["content"])


def nodes(tree: object) -> Iterator[Node]:
    """Walk through every node and mark."""
    if isinstance(tree, list):
        for part in tree:
            yield from nodes(part)
    if isinstance(tree, dict):
        yield tree
        for part in tree.values():
            yield from nodes(part)


STRONG, EM, CODE = {"type": "strong"}, {"type": "em"}, {"type": "code"}
LINK = {"type": "link", "attrs": {"href": "https://a.example/?b=c&d"}}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("one\n\ntwo", [paragraph(text("one")), paragraph(text("two"))]),
        ("a\nb", [paragraph(text("a"), {"type": "hardBreak"}, text("b"))]),
        ("a  \nb", [paragraph(text("a"), {"type": "hardBreak"}, text("b"))]),
        (
            "**a**_b_`c`",
            [paragraph(text("a", STRONG), text("b", EM), text("c", CODE))],
        ),
        ("***a***", [paragraph(text("a", EM, STRONG))]),
        ("**`a`**", [paragraph(text("a", CODE))]),
        ("[a](https://a.example/?b=c&d)", [paragraph(text("a", LINK))]),
        ("[`a`](https://a.example/?b=c&d)", [paragraph(text("a", CODE, LINK))]),
        (
            "[~accountid:5b:10-a]",
            [paragraph({"type": "mention", "attrs": {"id": "5b:10-a"}})],
        ),
        ("`[~accountid:a]`", [paragraph(text("[~accountid:a]", CODE))]),
        (r"\[~accountid:a]", [paragraph(text("[~accountid:a]"))]),
        (
            "```py\na\n\nb\n```",
            [
                {
                    "type": "codeBlock",
                    "attrs": {"language": "py"},
                    "content": [text("a\n\nb")],
                }
            ],
        ),
        ("```\n```", [{"type": "codeBlock", "content": []}]),
        (
            "- a\n- b",
            [
                {
                    "type": "bulletList",
                    "content": [item(paragraph(text(t))) for t in "ab"],
                }
            ],
        ),
        (
            "3. a",
            [
                {
                    "type": "orderedList",
                    "attrs": {"order": 3},
                    "content": [item(paragraph(text("a")))],
                }
            ],
        ),
        ("-", [{"type": "bulletList", "content": [item(paragraph())]}]),
        (
            "- - a",
            [
                {
                    "type": "bulletList",
                    "content": [
                        item(
                            paragraph(),
                            {
                                "type": "bulletList",
                                "content": [item(paragraph(text("a")))],
                            },
                        )
                    ],
                }
            ],
        ),
        ("# a", [paragraph(text("# a"))]),
        ("<b>a</b> &amp; <https://a>", [paragraph(text("<b>a</b> &amp; <https://a>"))]),
        ("", []),
    ],
)
def test_markup_becomes_a_document(source: str, expected: list[Node]) -> None:
    assert render(source) == expected


def test_values_are_filled_in_wherever_there_is_text() -> None:
    source = "{{ issue.key }} **{{ issue.key }}**\n\n```\n{{issue.key}}\n```"

    assert render(source) == [
        paragraph(text("DEMO-1 "), text("DEMO-1", STRONG)),
        {"type": "codeBlock", "content": [text("DEMO-1")]},
    ]


def test_t15_value_cannot_become_a_link_or_anything_but_text() -> None:
    expected = [text(line) for line in EVIL.split("\n")]

    (rendered,) = render("{{ issue.summary }}", summary=EVIL)

    shown = [n for n in rendered["content"] if n["type"] != "hardBreak"]
    assert rendered["type"] == "paragraph"
    assert shown == [node for node in expected if node["text"]]


@pytest.mark.parametrize(
    "source",
    [
        "[a](https://a/{{ issue.key }})",
        "[a](<https://a/{{ issue.key }}>)",
        "[a]({{ issue.key }})",
        r"[a](https://a/\{\{issue.key}})",
        '[a](https://a "{{ issue.key }}")',
        "[~accountid:{{ issue.key }}]",
        "[~accountid:a{{ issue.key }}b]",
        "```{{ issue.key }}\na\n```",
        "~~~ py{{ issue.key }}\na\n~~~",
    ],
)
def test_t15_a_template_in_a_place_of_power_is_refused(source: str) -> None:
    with pytest.raises(MarkupError):
        markup.parse(source)


@pytest.mark.parametrize(
    "source",
    [
        "[a](javascript:alert(1))",
        "[a](data:text/html,x)",
        "[a](//evil)",
        "[a](https://)",
        "[a](https://[)",
        "[a](/relative)",
        '[a](https://a "title")',
        "[~accountid:a b]",
        "[~accountid:]",
        "{{ now }}",
        "\\{\\{ now }}",
        "{{ issue.key",
        "{% if issue.key %}**a**{% endif %}",
        "{% if issue.key %}\na\n{% endif %}",
        "a \ue000 b",
        "{{ issue.key }}" * 6400,
    ],
)
def test_what_cannot_become_a_document_is_refused(source: str) -> None:
    with pytest.raises(MarkupError):
        markup.parse(source)


def test_a_control_tag_within_one_text_works() -> None:
    source = "a {% if issue.key == 'DEMO-1' %}yes{% endif %}"

    assert render(source) == [paragraph(text("a yes"))]


def test_a_control_tag_torn_by_markup_is_explained() -> None:
    with pytest.raises(MarkupError, match="begin and end in one piece of text"):
        markup.parse("{% if issue.key %}*a*{% endif %}")


def test_empty_values_leave_no_empty_nodes() -> None:
    assert render("**{{ issue.a }}**", a="") == [paragraph()]
    assert render("```\n{{ issue.a }}\n```", a="") == [
        {"type": "codeBlock", "content": []}
    ]


def test_line_breaks_and_control_characters_of_a_value() -> None:
    line_break = {"type": "hardBreak"}

    assert render("{{ issue.a }}", a="1\r\n2\x00\x1b[0m\n") == [
        paragraph(text("1"), line_break, text("2[0m"), line_break)
    ]
    assert render("```\n{{ issue.a }}\n```", a="1\r\n2") == [
        {"type": "codeBlock", "content": [text("1\n2")]}
    ]


def test_a_text_longer_than_jira_takes_is_an_error() -> None:
    long = "x" * 20_000

    with pytest.raises(MarkupError, match="32767"):
        render("{{ issue.a }} *{{ issue.a }}*", a=long)


def test_an_unknown_name_is_an_error_and_not_a_gap() -> None:
    with pytest.raises(TemplateError, match="nope"):
        render("{{ issue.nope }}")


def test_one_rendering_does_not_touch_the_next() -> None:
    source = "**{{ issue.a }}**"

    assert render(source, a="1") == [paragraph(text("1", STRONG))]
    assert render(source, a="2") == [paragraph(text("2", STRONG))]


SHAPES = (
    "{{ issue.a }}",
    "x{{ issue.a }}y {{ issue.b }}",
    "**{{ issue.a }}**{{ issue.b }}",
    "- {{ issue.a }}\n- {{ issue.b }}",
    "`{{ issue.a }}`\n{{ issue.b }}",
    "```\n{{ issue.a }}{{ issue.b }}\n```",
    "[{{ issue.a }}](https://a.example)",
    "[~accountid:ann] {{ issue.a }}",
    "[{{ issue.a }}{{ issue.b }}",
)
MARKUP_PIECES = st.sampled_from(
    [
        *("[", "]", "(", ")", "https://e", "[~accountid:e]", "`", "**", "#", "\\"),
        *("{{issue.a}}", "{%", "%}", "}}", "\ue000", "![", "<", "\n", "1. ", "- "),
    ]
)
VALUES = st.lists(MARKUP_PIECES | st.text(max_size=3), max_size=12).map("".join)


@settings(deadline=None)
@given(st.sampled_from(SHAPES), VALUES, VALUES)
def test_t15_whatever_the_values_the_structure_is_the_markups(
    source: str, a: str, b: str
) -> None:
    def places(tree: list[Node]) -> list[str]:
        passing = {"text", "hardBreak", "code", "strong"}
        kinds = [str(n["type"]) for n in nodes(tree) if "type" in n]
        return [k for k in kinds if k not in passing | {"link"}]

    plain, rendered = render(source, a="p", b="q"), render(source, a=a, b=b)

    assert places(rendered) == places(plain)
    assert {n["attrs"]["href"] for n in nodes(rendered) if n.get("type") == "link"} <= {
        "https://a.example"
    }
    assert all(n["text"] for n in nodes(rendered) if n.get("type") == "text")


@settings(deadline=None)
@given(st.lists(MARKUP_PIECES | st.text(max_size=5), max_size=20).map("".join))
def test_whatever_is_written_is_a_document_or_an_error(source: str) -> None:
    try:
        rendered = render(source, a="x")
    except (MarkupError, TemplateError):
        return

    assert all(n["text"] for n in nodes(rendered) if n.get("type") == "text")
