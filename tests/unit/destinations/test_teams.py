"""Microsoft Teams: its address, its card, its answers."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.destinations import Exchange, Line, Verdict, fitting, unfit
from app.destinations.teams import MOST_LINES, MOST_TEXT, MOST_TITLE, Teams
from app.http import Response, SendError
from tests.receivers.teams import LARGEST, SIGNATURE, URL, WORKFLOW, Card, read
from tests.unit.destinations.made import (
    BASE_URL,
    FACTS,
    NOW,
    Answering,
    a_test,
    delivery,
    target,
)

TEAMS = Teams()
REGIONAL = (
    "https://default0123.45.environment.api.powerplatform.com/powerautomate/automations"
    f"/direct/workflows/{WORKFLOW}/triggers/manual/paths/invoke?sig={SIGNATURE}"
)


@pytest.mark.parametrize("url", [URL, REGIONAL])
def test_workflows_address_is_taken(url: str) -> None:
    assert not [*unfit("teams", {}, {"url": url})]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://acme.webhook.office.com/webhookb2/1?x=y", "retired"),
        ("https://outlook.office.com/webhook/1?x=y", "retired"),
        (URL.replace("https", "http"), "begins with https://"),
        (URL.replace("logic.azure.com", "logic.azure.com.evil.example"), "its host"),
        (URL.replace("westeurope.logic", "westeurope.evil-logic"), "its host"),
        (URL.replace("https://", "https://x@"), "its host"),
        (URL.replace(":443", ":8443"), "its host"),
        (URL.replace(":443", ":x"), "its host"),
        (URL.partition("?")[0], "whole address"),
        (f"{URL}{{{{ issue.key }}}}", "no templates"),
        (f"{URL}#x", "“#”"),
        ("https://[x", "its host"),
    ],
)
def test_t8_other_addresses_are_refused_and_not_quoted(url: str, words: str) -> None:
    [found] = unfit("teams", {}, {"url": url})

    assert found.key == "credentials.url"
    assert words in found.message
    assert WORKFLOW not in found.message
    assert SIGNATURE not in found.message


def said(text: str, title: str = "", **facts: str) -> bytes:
    inputs = {"text": text} | ({"title": title} if title else {})
    made = delivery(facts={**FACTS, **facts}, **inputs)
    settings = TEAMS.settings_form.model_validate({})
    return TEAMS.body(settings, made, base_url=BASE_URL).encode()


def card(text: str, title: str = "", **facts: str) -> Card:
    found = read(said(text, title, **facts))
    assert found is not None
    return found


def test_card_has_title_text_and_what_it_is_about() -> None:
    assert card("One\n\nTwo\r\nThree", "News").lines == (
        "News",
        "One",
        "Two",
        "Three",
        "DEMO-1: Start progress (To Do → In Progress)",
    )


@given(st.text(min_size=1).filter(str.strip))
@pytest.mark.parametrize(
    "text",
    [
        "[our wiki](https://evil.example)",
        "<https://evil.example>",
        "<at>Ada</at>",
        "![x](https://evil.example/x.png)",
        "# Big",
    ],
)
def test_t15_no_value_becomes_a_link_or_a_mention(text: str, some: str) -> None:
    found = card(f"{some}{text}", text, transition=text)

    assert not found.links
    assert not found.mentions
    assert found.lines[0] == text
    assert found.lines[-2].endswith(text)


@given(st.text(max_size=40))
@pytest.mark.parametrize("kind", ['"', "\\", "\x00", "\U0001f600"])
def test_largest_card_is_one_that_teams_takes(kind: str, some: str) -> None:
    text = "\n".join([some.replace("\n", "").replace("\r", "")] * MOST_LINES)
    text += kind * (MOST_TEXT - len(text))
    long = kind * 255

    whole = said(text, kind * MOST_TITLE, **{"transition": long, "from": long})

    assert fitting("teams", {}, {"text": text})
    assert len(whole) <= LARGEST


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"title": "x"},
        {"text": "x" * (MOST_TEXT + 1)},
        {"text": "x\n" * (MOST_LINES + 1)},
        {"text": "x", "title": "x" * (MOST_TITLE + 1)},
        {"text": "x", "channel": "General"},
    ],
)
def test_t7_other_inputs_are_refused(inputs: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"input “(text|title|channel)”"):
        fitting("teams", {}, inputs)


def test_test_card_says_that_it_is_a_test() -> None:
    settings = TEAMS.settings_form.model_validate({})
    found = read(TEAMS.body(settings, a_test(), base_url=BASE_URL).encode())

    assert found is not None
    assert found.lines[-1] == "A test by Countersign"


def sent(answer: Response | SendError) -> Exchange:
    goal = target(TEAMS, {}, {"url": URL})
    signed = TEAMS.prepare(
        goal, delivery(text="x"), said("x"), base_url=BASE_URL, now=NOW
    )
    return TEAMS.send(goal, signed, Line(http=Answering(answer), now=lambda: NOW))


@pytest.mark.parametrize(
    ("answer", "verdict", "words"),
    [
        (Response(status=202), Verdict.ACCEPTED, "took it"),
        (Response(status=200), Verdict.ACCEPTED, "took it"),
        (Response(status=204), Verdict.AMBIGUOUS, "204"),
        (Response(status=400), Verdict.REJECTED, "does not take the card"),
        (Response(status=401), Verdict.REJECTED, "owner's account is gone"),
        (Response(status=403), Verdict.REJECTED, "owner's account is gone"),
        (Response(status=404), Verdict.REJECTED, "owner's account is gone"),
        (Response(status=410), Verdict.REJECTED, "owner's account is gone"),
        (Response(status=413), Verdict.REJECTED, "shorten"),
        (Response(status=429), Verdict.RETRY, "not now"),
        (Response(status=503), Verdict.RETRY, "503"),
        (Response(status=502), Verdict.AMBIGUOUS, "502"),
        (SendError("x", sent=False), Verdict.RETRY, "could not be reached"),
        (SendError("x", sent=True), Verdict.AMBIGUOUS, "no answer came"),
    ],
)
def test_workflow_answers(
    answer: Response | SendError, verdict: Verdict, words: str
) -> None:
    came = sent(answer)

    assert came.judged.verdict is verdict
    assert words in came.judged.words


def test_t8_address_is_in_nothing_that_is_shown() -> None:
    goal = target(TEAMS, {}, {"url": URL})
    signed = TEAMS.prepare(
        goal, delivery(text="x"), said("x"), base_url=BASE_URL, now=NOW
    )
    echo = json.dumps({"at": URL, "sig": SIGNATURE, "query": URL.partition("?")[2]})
    came = sent(Response(status=500, headers={"X-At": URL}, body=echo.encode()))

    shown: tuple[Any, ...] = (goal, signed, came, signed.head, came.request_head)
    whole = f"{shown}{came.response_head}{came.response_body}"
    assert SIGNATURE not in whole
    assert WORKFLOW not in whole
    assert "(hidden)" in signed.head
    assert TEAMS.url(goal.settings, None) == "https://teams.microsoft.com"
