"""A trace is exactly what W3C calls one, and every run has one (rule T13)."""

import uuid

import pytest

from app import tracing

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"
RUN, TENANT = uuid.UUID("0198f6c2-7b1c-7000-8000-000000000001"), uuid.UUID(int=1)


def test_header_names_its_trace() -> None:
    assert tracing.named(GOOD) == TRACE


@pytest.mark.parametrize(
    "unverified",
    [
        None,
        "",
        TRACE,
        GOOD.upper(),
        f" {GOOD}",
        f"{GOOD}\n",
        f"{GOOD}-more",
        f"01-{TRACE}-{SPAN}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}g-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}{SPAN}-01",
        "00-" + "٣" * 32 + f"-{SPAN}-01",
        f"00-{'a' * 100_000}-{SPAN}-01",
    ],
)
def test_t13_anything_else_names_none(unverified: str | None) -> None:
    assert tracing.named(unverified) is None


def test_run_has_the_trace_that_its_call_named_or_one_of_its_own() -> None:
    assert tracing.trace_of(RUN, {tracing.HINT: TRACE}) == TRACE
    assert tracing.trace_of(RUN, {}) == RUN.hex
    own = f"00-{tracing.trace_of(RUN, {})}-{SPAN}-01"
    assert tracing.named(own) == RUN.hex


def test_each_request_of_a_run_is_a_span_of_its_trace() -> None:
    with tracing.carried(RUN, TENANT, {}):
        first, second = (tracing.headers()["traceparent"] for _ in range(2))

    assert tracing.named(first) == tracing.named(second) == RUN.hex
    assert first != second


def test_what_belongs_to_no_run_carries_no_trace() -> None:
    assert tracing.headers() == {}
    with tracing.carried(RUN, TENANT, {}):
        pass
    assert tracing.headers() == {}
