"""Requests that the server's loop reads itself: none that another would read otherwise.

The other reader is gunicorn's own, which has every request that is not plain (T0b).
"""

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import ParseException
from gunicorn.http.parser import RequestParser
from hypothesis import given, settings
from hypothesis import strategies as st

from app.web.express import plain
from app.web.express.plain import Asked

TARGET = "/post-function/triggered"
LINE = plain.request_line(TARGET)
BODY = b'{"issue": {"id": "1"}}'
TOKEN = "JWT aaa.bbb.ccc"
HEAD = (
    b"Host: countersign.example\r\n"
    b"Authorization: JWT aaa.bbb.ccc\r\n"
    b"Content-Type: application/json\r\n"
    b"X-Atlassian-Webhook-Identifier: w-1\r\n"
)
LENGTH = b"Content-Length: 22\r\n"
WHOLE = LINE + HEAD + LENGTH + b"\r\n" + BODY


def test_plain_request_is_read() -> None:
    assert plain.read(WHOLE, LINE) == Asked(TOKEN, BODY, "w-1", None)


def test_names_of_headers_are_of_any_case_and_values_without_blanks_around() -> None:
    head = b"AUTHORIZATION:  JWT aaa.bbb.ccc \r\ntraceparent:00-1\r\n"

    asked = plain.read(LINE + head + LENGTH + b"\r\n" + BODY, LINE)

    assert asked == Asked(TOKEN, BODY, "", "00-1")


def test_body_of_nothing_is_read() -> None:
    empty = LINE + HEAD + b"Content-Length: 0\r\n\r\n"

    assert plain.read(empty, LINE) == Asked(TOKEN, b"", "w-1", None)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        WHOLE[:-1],
        WHOLE + b"\r\n",
        WHOLE + WHOLE,
        WHOLE.replace(b"POST", b"PUT", 1),
        WHOLE.replace(b"POST", b"post", 1),
        WHOLE.replace(b"HTTP/1.1", b"HTTP/1.0", 1),
        WHOLE.replace(b" HTTP", b"?a=1 HTTP", 1),
        WHOLE.replace(b" /post", b" http://countersign.example/post", 1),
        WHOLE.replace(b" /post", b"  /post", 1),
        LINE + HEAD + b"\r\n" + BODY,
        LINE + HEAD + b"\r\n",
    ],
)
def test_t0b_what_is_no_whole_request_for_this_target_is_left(octets: bytes) -> None:
    found = plain.read(octets, LINE)

    assert found is None or found.body == b""
    assert found is None or b"Content-Length" not in octets


@pytest.mark.parametrize(
    "more",
    [
        b"Authorization: JWT ddd.eee.fff\r\n",
        b"authorization: JWT aaa.bbb.ccc\r\n",
        LENGTH,
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: identity\r\n",
        b"TE: trailers\r\n",
        b"Trailer: Authorization\r\n",
        b"Expect: 100-continue\r\n",
        b"Connection: close\r\n",
        b"Connection: Upgrade\r\nUpgrade: h2c\r\n",
        b"Upgrade: h2c\r\n",
        b" folded\r\n",
        b"X : blank\r\n",
        b"X\x00: nul\r\n",
        b"X: nul\x00\r\n",
        b"X: bare\nAuthorization: JWT x\r\n",
        b"X: bare\rAuthorization: JWT x\r\n",
        b"no colon\r\n",
        b": no name\r\n",
        b"X: y\r\n" * 96,
        b"X: " + b"y" * plain.SIZE + b"\r\n",
    ],
)
def test_t0b_odd_header_is_left_to_the_server(more: bytes) -> None:
    """Attack: the proxy reads one token or length, and we the other."""
    assert plain.read(LINE + HEAD + LENGTH + more + b"\r\n" + BODY, LINE) is None


@pytest.mark.parametrize("place", range(1, len(WHOLE), 7))
def test_part_of_a_request_may_become_one(place: int) -> None:
    part = WHOLE[:place]

    assert plain.read(part, LINE) is None
    assert plain.is_begun(part, LINE)


@pytest.mark.parametrize(
    "octets",
    [
        WHOLE,
        WHOLE + b"P",
        b"GET /",
        LINE.replace(b"triggered", b"other"),
        LINE + b"no colon\r\n",
        LINE + HEAD + b"Transfer-Encoding: odd\r\n" + LENGTH,
        (LINE + HEAD + b"Content-Length: 70000\r\n\r\n").ljust(plain.SIZE, b"x"),
        LINE + HEAD + b"Expect: 100-continue\r\n" + LENGTH + b"\r\n",
        LINE + HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n",
        LINE + b"X: y\r\n" * 103,  # it hears of one when the next one begins
    ],
)
def test_t13_what_never_becomes_one_is_not_waited_for(octets: bytes) -> None:
    assert not plain.is_begun(octets, LINE)


def test_t13_many_small_headers_are_not_read_again_and_again() -> None:
    """Attack: a piece of headers, and a byte, and a byte: each time all of them."""
    head = LINE + b"X:\r\n" * (plain.SIZE // 5)

    assert not plain.is_begun(head[: plain.SIZE], LINE)
    assert plain.is_begun(LINE + b"X:\r\n" * 100, LINE)


def test_as_many_headers_as_gunicorn_takes_are_plain() -> None:
    more = b"".join(b"X-%d: y\r\n" % number for number in range(95))

    found = plain.read(LINE + HEAD + LENGTH + more + b"\r\n" + BODY, LINE)

    assert found == Asked(TOKEN, BODY, "w-1", None)


class CutError(Exception):
    """Gunicorn reads no request there."""


def as_gunicorn_reads(octets: bytes) -> tuple[str, str, Asked, bytes]:
    """Return method, target, what is asked, and what is left for the next request."""
    config = Config()
    config.set("limit_request_field_size", 65_536)
    parser = RequestParser(config, iter([octets]), ("127.0.0.1", 1))
    try:
        request = next(parser)
        body = request.body.read()
    except (ParseException, StopIteration, OSError) as error:
        raise CutError from error
    values: dict[str, list[str]] = {}
    for name, value in request.headers:
        values.setdefault(name, []).append(value)
    asked = Asked(
        authorization=",".join(values.get("AUTHORIZATION", [])),
        body=body,
        webhook_id=",".join(values.get("X-ATLASSIAN-WEBHOOK-IDENTIFIER", [])),
        traceparent=",".join(values["TRACEPARENT"])
        if "TRACEPARENT" in values
        else None,
    )
    return request.method, request.uri, asked, parser.unreader.take_buffered()


PIECES = st.sampled_from(
    [
        *(b"", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\t", b"\x00", b"\xe4"),
        *(b":", b"0", b"22", b"_", LENGTH, HEAD, BODY, WHOLE),
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"Content-Length: 0\r\n",
        b"traceparent: 00-1\r\n",
        b"".join(b"X-%d: y\r\n" % number for number in range(60)),
    ]
)


@settings(max_examples=1500, deadline=None)
@given(
    edits=st.lists(
        st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 3), PIECES), max_size=4
    )
)
def test_t0b_whatever_we_read_gunicorn_reads_the_same(
    edits: list[tuple[int, int, bytes]],
) -> None:
    """Attack: two readers of one request find two different ones in it."""
    octets = WHOLE
    for place, cut, piece in edits:
        octets = octets[:place] + piece + octets[place + cut :]
    found = plain.read(octets, LINE)
    if found is None:
        return
    assert as_gunicorn_reads(octets) == ("POST", TARGET, found, b"")
