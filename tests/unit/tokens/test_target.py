"""Which URL a token is bound to (rule T0b)."""

import hashlib
import json
import re
import warnings
from typing import Any
from urllib.parse import quote, urlsplit

import jwt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.tokens import target
from app.tokens.checks import Reason, Refused
from tests.shared import needs_shared
from tests.unit.tokens.vectors import OWN

PUBLISHED = "vectors/qsh_published.json"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(("method", "raw", "canonical"), OWN)
def test_own_vectors(method: str, raw: str, canonical: str) -> None:
    target.refuse_confusable(raw)

    assert sha256(canonical) in target.hashes(method, raw)
    assert target.hash_of(method, raw) == sha256(canonical)


def published() -> list[dict[str, Any]]:
    path = needs_shared(PUBLISHED)
    vectors: list[dict[str, Any]] = json.loads(path.read_text())["vectors"]
    return vectors


def raw_target(vector: dict[str, Any]) -> str:
    """Cut scheme and host off, as the request line has it; nothing else."""
    return re.sub(r"^https?://[^/?]*", "", vector["url"])


def test_published_vectors_have_our_hash() -> None:
    vectors = published()
    for vector in vectors:
        relative = target.relative(raw_target(vector), vector["base"])
        target.refuse_confusable(relative)
        assert vector["expected_qsh"] in target.hashes(vector["method"], relative), (
            vector["id"]
        )
    assert len(vectors) == 196


def test_published_tokens_carry_our_hash() -> None:
    signed = [vector for vector in published() if "shared_secret" in vector]
    for vector in signed:
        relative = target.relative(raw_target(vector), vector["base"])
        [token] = target.tokens_in(urlsplit(vector["url"]).query)
        with warnings.catch_warnings():
            # The published secrets are shorter than PyJWT likes; Jira's are not.
            warnings.simplefilter("ignore", jwt.warnings.InsecureKeyLengthWarning)
            claims = jwt.decode(
                token,
                vector["shared_secret"],
                algorithms=["HS256"],
                options={"verify_exp": False, "verify_aud": False},
            )
        assert claims["qsh"] in target.hashes(vector["method"], relative)
    assert len(signed) == 157


@pytest.mark.parametrize(
    ("confusable", "words"),
    [
        ("//lifecycle/installed", "empty path segment"),
        ("/lifecycle//installed", "empty path segment"),
        ("/lifecycle/installed//", "empty path segment"),
        ("https://jira.example/lifecycle/installed", "not a path"),
        ("lifecycle/installed", "not a path"),
        ("*", "not a path"),
        ("/rest:x/installed", "colon in the first path segment"),
        ("/:x/installed", "colon in the first path segment"),
        ("/p;x&a=b?c=d", "ampersand after a semicolon"),
        ("/config?q=%", "malformed escape"),
        ("/config?q=%zz", "malformed escape"),
        ("/config?q=%E9", "escape not UTF-8"),
        ("/%ff", "escape not UTF-8"),
        ("/config#fragment", "fragment or backslash"),
        ("/config?a=1#fragment", "fragment or backslash"),
        ("/con\\fig", "fragment or backslash"),
        ("/config ?a=1", "not printable ASCII"),
        ("/config?q=ü", "not printable ASCII"),
        ("/config?q=\x00", "not printable ASCII"),
        (f"/config?{'&'.join('p=1' for _ in range(1001))}", "too many parameters"),
    ],
)
def test_t0b_confusable_targets_are_refused(confusable: str, words: str) -> None:
    with pytest.raises(Refused) as refused:
        target.refuse_confusable(confusable)

    assert refused.value.reason is Reason.CONFUSABLE_TARGET
    assert refused.value.detail == words


@pytest.mark.parametrize("query", ["jwt=a&jwt=b", "jwt=a&%6awt=b", "jwt=a&jwt="])
def test_t0b_two_tokens_in_a_query_are_refused(query: str) -> None:
    with pytest.raises(Refused) as refused:
        target.refuse_confusable(f"/config?{query}")

    assert refused.value.reason is Reason.TWO_PLACES
    assert refused.value.detail == "two jwt parameters"


def test_t0b_a_thousand_parameters_are_not_too_many() -> None:
    target.refuse_confusable("/config?" + "&".join(f"p{n}=1" for n in range(1000)))


@pytest.mark.parametrize(
    ("raw", "base", "relative"),
    [
        ("/app/config?a=1", "/app", "/config?a=1"),
        ("/app", "/app", ""),
        ("/app?a=1", "/app", "?a=1"),
        ("/config", "", "/config"),
    ],
)
def test_t0b_target_is_relative_to_the_base_url(
    raw: str, base: str, relative: str
) -> None:
    assert target.relative(raw, base) == relative


@pytest.mark.parametrize("raw", ["/apple/config", "/config", "/app%2Fconfig", ""])
def test_t0b_base_path_ends_at_a_segment(raw: str) -> None:
    with pytest.raises(Refused) as refused:
        target.relative(raw, "/app")

    assert refused.value.reason is Reason.CONFUSABLE_TARGET
    assert refused.value.detail == "outside the base URL"


def test_t0b_names_that_need_encoding_have_both_published_orders() -> None:
    by_encoded_name = sha256("GET&/a&a%5B=1&aB=2")
    by_decoded_name = sha256("GET&/a&aB=2&a%5B=1")

    assert target.hashes("GET", "/a?a%5B=1&aB=2") == {by_encoded_name, by_decoded_name}


names = st.text(min_size=1, max_size=8).filter(lambda name: name != "jwt")
parameters = st.lists(st.tuples(names, st.text(max_size=8)), max_size=5)
segments = st.lists(st.text("abcdefXYZ019-_", min_size=1), max_size=4)


def build(path: list[str], query: list[tuple[str, str]]) -> str:
    text = "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in query)
    return "/" + "/".join(path) + ("?" + text if text else "")


def meaning(query: list[tuple[str, str]]) -> dict[str, list[str]]:
    """What a server reads from a query: values by name, in no order."""
    values: dict[str, list[str]] = {}
    for name, value in query:
        values.setdefault(name, []).append(value)
    return {name: sorted(value) for name, value in values.items()}


@given(segments, segments, parameters, parameters)
def test_t0b_only_equal_requests_share_a_hash(
    path: list[str],
    other_path: list[str],
    query: list[tuple[str, str]],
    other_query: list[tuple[str, str]],
) -> None:
    assume((path, meaning(query)) != (other_path, meaning(other_query)))
    one, other = build(path, query), build(other_path, other_query)
    for text in (one, other):
        target.refuse_confusable(text)

    assert not target.hashes("GET", one) & target.hashes("GET", other)
    assert not target.hashes("GET", one) & target.hashes("POST", one)


@given(segments, parameters, st.randoms())
def test_t0b_order_of_parameters_does_not_matter(
    path: list[str], query: list[tuple[str, str]], random: Any
) -> None:
    shuffled = list(query)
    random.shuffle(shuffled)

    assert target.hashes("GET", build(path, query)) == target.hashes(
        "GET", build(path, shuffled)
    )


@given(st.text())
def test_t0b_any_text_is_judged_without_a_crash(text: str) -> None:
    try:
        target.refuse_confusable(text)
    except Refused:
        return
    target.hashes("GET", text)
