"""T8: what is kept of a request and its answer holds no credential."""

import base64
from urllib.parse import quote

import pytest

from app.destinations.scrubbing import (
    HIDDEN,
    KEPT_HEAD,
    request_head,
    response_body,
    response_head,
    scrub,
)
from app.http import Request, Response

KEY = "k?>~~/key+with=signs"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
SPELLINGS = [
    KEY,
    base64.b64encode(KEY.encode()).decode(),
    base64.b64encode(KEY.encode()).decode().rstrip("="),
    base64.urlsafe_b64encode(KEY.encode()).decode(),
    quote(KEY, safe=""),
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_t8_credential_is_hidden_in_every_spelling(spelling: str) -> None:
    answer = Response(
        status=200, headers={"X-Echo": spelling}, body=f"got {spelling}!".encode()
    )

    assert response_body(answer, [KEY]) == f"got {HIDDEN}!"
    assert response_head(answer, [KEY]) == f"200\nX-Echo: {HIDDEN}"


def test_t8_longer_credential_goes_first() -> None:
    assert scrub(f"{KEY}-{KEY[:8]}", [KEY[:8], KEY]) == f"{HIDDEN}-{HIDDEN}"


def test_t8_request_head_shows_no_token_key_or_query() -> None:
    request = Request(
        method="POST",
        url=f"https://hooks.example/in?key={KEY}",
        headers={"Authorization": f"Bearer {TOKEN}", "X-Key": KEY, "X-Team": "blue"},
    )

    head = request_head(request, [TOKEN, KEY])

    assert head.splitlines() == [
        f"POST https://hooks.example/in?{HIDDEN}",
        f"Authorization: Bearer {HIDDEN}",
        f"X-Key: {HIDDEN}",
        "X-Team: blue",
    ]


@pytest.mark.parametrize("kept", range(6, len(KEY)))
def test_t8_credential_that_the_cut_fell_into_is_hidden(kept: int) -> None:
    cut = Response(status=200, body=f"you sent {KEY[:kept]}".encode(), is_cut=True)

    assert response_body(cut, [KEY]) == f"you sent {HIDDEN}\n(cut here)"


def test_cut_text_is_shown_as_cut() -> None:
    cut = Response(status=200, body="größer".encode()[:4], is_cut=True)

    assert response_body(cut, [KEY]) == "grö\n(cut here)"


def test_cut_within_a_character_is_still_text() -> None:
    cut = Response(status=200, body="gröö".encode()[:-1], is_cut=True)

    assert response_body(cut, [KEY]) == "grö\n(cut here)"


@pytest.mark.parametrize("is_cut", [False, True])
def test_what_is_no_text_is_only_named(is_cut: bool) -> None:  # noqa: FBT001 -- a case
    image = Response(status=200, body=b"\x89PNG\r\n\x1a\n" + bytes(100), is_cut=is_cut)

    assert response_body(image, []) == "(108 bytes that are no text)"


def test_control_characters_are_replaced() -> None:
    answer = Response(
        status=200, headers={"X": "a\x1b[31mb"}, body=b"one\ttwo\nthree\x00\x1b[2J\r"
    )

    assert response_body(answer, []) == "one\ttwo\nthree��[2J�"
    assert "\x1b" not in response_head(answer, [])


def test_head_is_cut() -> None:
    answer = Response(status=200, headers={"X": "x" * 100_000})

    assert len(response_head(answer, [])) == KEPT_HEAD


def test_short_values_do_not_blot_out_the_text() -> None:
    assert scrub("a blue sky", ["blue", "", "a"]) == "a blue sky"


def test_t17_key_of_an_earlier_attempt_is_hidden_wherever_it_is_echoed() -> None:
    key = "k3y_" + "x" * 18
    echoes = (f'{{"answer_key": "{key}"}}', f'\\"answer_key\\":\\"{key}\\"')

    for echo in echoes:
        assert key not in scrub(f"duplicate of {echo}", ())
