"""What a template may say, and what it can never do."""

import time
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import templating
from app.templating import TemplateError

VIEW: dict[str, Any] = {
    "issue": MappingProxyType(
        {
            "key": "DEMO-1",
            "labels": ("a", "b"),
            "status": MappingProxyType({"id": "3", "name": "Done"}),
            "cascade": MappingProxyType({"self": "…", "child": MappingProxyType({})}),
            "points": 5.0,
            "half": 2.5,
            "flag": True,
            "nothing": None,
            "bare": MappingProxyType({}),
            "due": "2026-01-31",
            "created": "2026-11-23T10:05:00.000+0000",
            "long": "x" * 32_000,
        }
    ),
    "run": {"id": "r"},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no template, 100 % plain }}", "no template, 100 % plain }}"),
        ("{{ issue.key }}", "DEMO-1"),
        ("{{ issue.labels }}", "a, b"),
        ("{{ issue.labels | join: ' + ' }}", "a + b"),
        ("{{ issue.status }}", "Done"),
        ("{{ issue.status | upcase }}", "DONE"),
        ("{{ issue.points }} {{ issue.half }}", "5 2.5"),
        ("{{ issue.flag }}", "true"),
        ("[{{ issue.nothing }}{{ issue.bare }}]", "[]"),
        ("{{ issue.cascade }}", '{"self": "…", "child": {}}'),
        ("{{ issue.nothing | default: 'none' }}", "none"),
        ("{{ issue.due | date: '%d.%m.%Y' }}", "31.01.2026"),
        ("{{ issue.created | date: '%H:%M' }}", "10:05"),
        ("{{ issue.nothing | date: '%Y' }}", ""),
        ("{{ issue.key | replace: 'DEMO', 'X' }}", "X-1"),
        ("{{ issue.key | join }}", "DEMO-1"),
        ("{% if issue.labels contains 'a' %}yes{% endif %}", "yes"),
        ("{% for l in issue.labels %}<{{ l }}>{% endfor %}", "<a><b>"),
        ("{% assign n = issue.points | plus: 1 %}{{ n }}", "6"),
    ],
)
def test_values_are_written_as_a_person_would(text: str, expected: str) -> None:
    assert templating.render(text, VIEW) == expected


@pytest.mark.parametrize(
    "text",
    [
        "{{ now }}",
        "{{ ['now'] }}",
        "{{ [issue.key] }}",
        "{{ settings.keys }}",
        "{{ issue.key",
        "{% if issue.key %}",
        "{{ issue.key | no_such_filter }}",
        "{% include 'x' %}",
        "{% render 'x' %}",
        "{% liquid echo issue.key %}",
        "{% for i in (1..9999999999) reversed %}{% endfor %}",
        "{{ (1..3) }}",
        "half a character: \ud800",
    ],
)
def test_what_could_never_be_rendered_is_refused_when_it_is_saved(text: str) -> None:
    with pytest.raises(TemplateError):
        templating.check(text)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a {{ issue.nope }} b", "“{{ issue.nope }}” is not there"),
        ("{{ issue.nope.deep }}", "“{{ issue.nope.deep }}”"),
        ("{% if issue.nope %}x{% endif %}", "“{% if issue.nope %}”"),
        ("{{ issue.key.__class__ }}", "__class__"),
        ("{{ issue.key.upper }}", "upper"),
        ("{{ actor.accountId }}", "actor"),
        ("{{ 1 | divided_by: 0 }}", "divided_by"),
        ("{{ issue.key | date: '%Y' }}", "date"),
    ],
)
def test_an_unknown_name_is_an_error_that_names_it(text: str, named: str) -> None:
    templating.check(text)

    with pytest.raises(TemplateError) as caught:
        templating.render(text, VIEW)

    assert named in str(caught.value)


def test_t15_an_error_never_quotes_a_value() -> None:
    view = {"issue": {"summary": "[~accountid:evil]", "o": {}}}

    for text in ("{{ issue[issue.summary] }}", "{{ issue.summary | date }}"):
        with pytest.raises(TemplateError) as caught:
            templating.render(text, view)
        assert "evil" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "{{ issue.long }}{{ issue.long }}",
        "{{ issue.long | replace: 'x', issue.long }}",
        "{{ issue.long | replace: '', issue.long }}",
        "{% assign a = issue.long | append: issue.long %}{{ a }}",
        "{{ issue.long | split: '' }}",
        "{{ issue.labels | join: issue.long | append: issue.long }}",
        "{% assign l = issue.labels | join: issue.long | split: '' %}",
        "{{ issue.due | date: issue.long }}",
        "{% assign n = 99 %}"
        + "{% assign n = n | times: n %}" * 10
        + "{% for a in issue.labels %}{% endfor %}",
        "{% for a in issue.labels %}" * 6
        + "{{ issue.long | upcase | size }}" * 8
        + "{% endfor %}" * 6,
        "{% for a in issue.labels %}" * 9 + "{% endfor %}" * 9,
    ],
)
def test_a_small_template_cannot_cost_much(text: str) -> None:
    """Attack: a designer, or a reporter by a long value, keeps a worker busy."""
    began = time.process_time()

    with pytest.raises(TemplateError):
        templating.render(text, VIEW)

    assert time.process_time() - began < 2


def test_values_of_half_a_character_become_text() -> None:
    assert templating.render("{{ issue }}", {"issue": "a\ud800"}) == "a?"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
FILTERS = st.sampled_from(sorted(templating._ENVIRONMENT.filters))  # noqa: SLF001 -- each of them


@settings(deadline=None)
@given(VALUES, FILTERS, st.sampled_from(["", ": issue.b", ": issue.b, issue.a"]))
def test_whatever_the_values_it_is_text_or_an_error(
    value: object, name: str, args: str
) -> None:
    view = {"issue": {"a": value, "b": value}}
    try:
        shown = templating.render(f"{{{{ issue.a | {name}{args} }}}}", view)
    except TemplateError:
        return

    assert isinstance(shown, str)
    shown.encode()


@settings(deadline=None)
@given(st.text())
def test_whatever_is_written_is_a_template_or_an_error(text: str) -> None:
    try:
        templating.check(text)
        templating.render(text, VIEW)
    except TemplateError:
        return
