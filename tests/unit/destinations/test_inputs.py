"""Inputs that an admin declares, and what a rule may pass to them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.destinations import fitting, inputs
from app.destinations.attempting import Form

LINES = ("version*", "environment: staging, production", "size: number", "notes: text")


@pytest.fixture(scope="module")
def form() -> type[Form]:
    return inputs.model(LINES)


def test_form_has_them_in_their_order(form: type[Form]) -> None:
    assert inputs.names(form) == {
        "version": True,
        "environment": False,
        "size": False,
        "notes": False,
    }


@pytest.mark.parametrize(
    "line",
    [
        "",
        "two words",
        "9lives",
        "_hidden",
        "version: colour",
        "environment: staging",
        "environment: a, b c",
        "version*: staging,; rm",
        "countersign",
        "Countersign: text",
        "path",
        "BASH_ENV: text",
        "ld-preload",
        "GITHUB_TOKEN",
        "x" * 65,
    ],
)
def test_what_declares_no_input_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"input|choices|shells"):
        inputs.model([line])


def test_input_that_stands_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        inputs.model(["version", "version: text"])
    with pytest.raises(ValueError, match="twice"):
        inputs.model(["dry-run", "DRY_RUN"])


@pytest.mark.parametrize("name", ["json", "schema", "model_config", "copy", "f-x"])
def test_any_name_can_be_declared(name: str) -> None:
    form = inputs.model([f"{name}*"])

    assert inputs.judged(form, {name: "1.2"}) == {name: "1.2"}


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({}, "the input “version” is missing"),
        ({"version": "  "}, "the input “version” is missing"),
        ({"version": "1", "colour": "red"}, "takes no input “colour”"),
        ({"version": "1; rm -rf /"}, "“version” does not fit: One word"),
        ({"version": "1", "environment": "moon"}, "One of staging, production"),
        ({"version": "1", "size": "1e9"}, "“size” does not fit: A number"),
    ],
)
def test_input_that_does_not_fit_is_named_and_never_quoted(
    form: type[Form], given_: dict[str, str], said: str
) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        inputs.judged(form, given_)

    for value in given_.values():
        assert value.strip() == "" or len(value) < 2 or value not in str(refused.value)


@settings(deadline=None, max_examples=50)
@given(st.text())
def test_no_word_that_passes_means_anything_to_a_shell(text: str) -> None:
    """Attack: a summary such as `$(curl evil)` becomes a build's command."""
    form = inputs.model(["version*"])
    try:
        passed = inputs.judged(form, {"version": text})
    except ValueError:
        return
    assert set(passed["version"]).isdisjoint(" \t\r\n`$\"'\\;&|<>(){}[]*?!#~")


def test_templates_are_judged_once_they_are_rendered(form: type[Form]) -> None:
    assert list(inputs.unfit(form, {"version": "{{ issue.key }}"})) == []
    assert list(inputs.unfit(form, {"version": "a b"})) != []
    assert list(inputs.unfit(form, {})) == ["the input “version” is missing"]
    wrong = {"version": "1", "colour": "{{ issue.key }}"}
    assert list(inputs.unfit(form, wrong)) == [
        "the destination takes no input “colour”"
    ]


def test_input_goes_out_as_it_was_judged() -> None:
    """Attack: space around a text is not judged, and may be a line break."""
    form = inputs.model(["version*", "notes: text"])

    assert inputs.judged(form, {"version": "\n1.0 \r\n", "notes": " a\nb\n"}) == {
        "version": "1.0",
        "notes": "a\nb",
    }


@pytest.mark.parametrize("space", ["\n", "\r\n", "\x0b", "\x0c", "\x85", "\u2028"])
def test_space_around_a_subject_is_no_header(space: str) -> None:
    settings = {
        "host": "smtp.acme.example",
        "sender": "countersign@acme.example",
        "domains": ["acme.example"],
        "recipients": ["ops@acme.example"],
    }
    rendered = {"subject": f"{space}Hello{space}", "text": "x"}

    assert fitting("email", settings, rendered)["subject"] == "Hello"


def test_space_around_a_message_makes_it_no_longer() -> None:
    assert fitting("slack", {}, {"text": "x" * 3000 + "\n"}) == {"text": "x" * 3000}
