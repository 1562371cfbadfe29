"""Every code that people may meet has its words."""

import re
from enum import StrEnum

import pytest
from flask import Flask

from app.rules import Op
from app.runs import AttemptOutcome, Role, RunState, StepState, Why
from app.tokens.checks import Reason
from app.web import words
from tests.functional.doors import BELOW

OUR_PAGES = "/api/v1/"
"""What our own pages ask has one name for all of it."""


@pytest.mark.parametrize(
    ("codes", "table"),
    [
        (Reason, words.REASONS),
        (Why, words.WHYS),
        (RunState, words.RUN_STATES),
        (RunState, words.RUN_OUTCOMES),
        (StepState, words.STEP_STATES),
        (Role, words.ROLES),
        (AttemptOutcome, words.OUTCOMES),
        (Op, words.OPERATORS),
    ],
)
def test_every_code_has_words(
    codes: type[StrEnum], table: dict[StrEnum, object]
) -> None:
    assert set(table) == set(codes)


OF_NOBODY = (
    *("arriving.", "health.", "descriptor.", "issuers.", "security_txt."),
    *("datacenter_page.", "datacenter_sign_in."),
)
"""Doors that refuse nobody, so nobody reads of them in the log."""


def test_every_door_has_words(app: Flask) -> None:
    guarded = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if not rule.endpoint.startswith(OF_NOBODY)
        and not re.sub(BELOW, "", rule.rule).startswith(OUR_PAGES)
    }

    assert set(words.ROUTES) == guarded - {"static"}


def test_reason_of_an_older_version_is_shown_as_it_is() -> None:
    assert words.reason("no-longer-known") == "no-longer-known"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", ""),
        ("it is empty", "It is empty."),
        ("Is it so?", "Is it so?"),
        ("mood: this key is unknown", "mood: this key is unknown."),
    ],
)
def test_message_becomes_a_sentence(text: str, sentence: str) -> None:
    assert words.sentence(text) == sentence
