"""What is drawn says what was counted, and so do the sentence and the table."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.figures import HOUR, Figures
from app.figures.durations import bucket, quantile
from app.runs import RunState
from app.web.overview import charts, scales
from app.web.overview.charts import BOTTOM, LEAST, TOP, Chart
from app.web.overview.windows import DAY, WEEK, WINDOWS, Window

NOW = datetime(2026, 11, 23, 15, 20, tzinfo=UTC)
COUNTS = st.integers(0, 10**6)


def hours(window: Window, **last: object) -> Sequence[Figures]:
    """Return a window's hours: nothing happened but in the last one."""
    found, at = [], window.begins_at(NOW)
    while at <= NOW:
        found.append(Figures(begins_at=at, ends_at=at + HOUR))
        at += HOUR
    end = found[-1]
    begins = {"begins_at": end.begins_at, "ends_at": end.ends_at}
    return [*found[:-1], Figures(**(begins | last))]  # type: ignore[arg-type]


def drawn(**last: object) -> Chart:
    return charts.calls(DAY.spans(hours(DAY, **last)), DAY)


@pytest.mark.parametrize("window", WINDOWS.values())
def test_window_has_its_bars_and_the_last_one_is_now(window: Window) -> None:
    spans = window.spans(hours(window, verified=3))

    assert len(spans) == window.bars
    assert spans[-1].begins_at <= NOW < spans[-1].ends_at
    assert [span.verified for span in spans] == [0] * (window.bars - 1) + [3]


def test_bars_of_a_week_begin_at_the_same_hours_all_day_long() -> None:
    begins = {WEEK.begins_at(NOW + n * HOUR) for n in range(-3, 3)}

    assert begins == {datetime(2026, 11, 16, 18, tzinfo=UTC)}


@given(verified=COUNTS, duplicates=COUNTS, refused=COUNTS)
def test_every_number_is_seen_and_no_bar_leaves_the_chart(
    verified: int, duplicates: int, refused: int
) -> None:
    chart = drawn(verified=verified, duplicates=duplicates, refused=refused)

    shapes = [shape for column in chart.columns for shape in column.shapes]
    assert len(shapes) == sum(map(bool, (verified, duplicates, refused)))
    for shape in shapes:
        assert shape.height >= LEAST - 0.01
        assert TOP - 2 * LEAST <= shape.y <= BOTTOM


def test_a_bar_is_as_high_as_its_number() -> None:
    chart = drawn(verified=30, refused=10)

    good, bad = chart.columns[0].shapes
    assert (good.tone, bad.tone) == ("good", "bad")
    assert good.height == pytest.approx(3 * bad.height, abs=0.05)
    assert good.y + good.height == BOTTOM
    assert bad.y + bad.height == pytest.approx(good.y)


def test_totals_are_in_the_sentence_the_legend_and_the_table() -> None:
    chart = drawn(verified=1200, duplicates=2, refused=1)

    assert chart.summary == (
        "Calls from Jira in the last 24 hours:"
        " verified 1,200, seen before 2, refused 1."
    )
    assert [series.total for series in chart.legend] == ["1,200", "2", "1"]
    [column] = chart.columns
    assert column.cells == ["1,200", "2", "1"]
    words = "1,200 verified, 2 seen before, 1 refused"
    assert column.words == f"2026-11-23 15:00 to 16:00 UTC: {words}"


def test_a_bar_leads_to_what_it_counts() -> None:
    calls = drawn(verified=1).columns[0]
    span = DAY.spans(hours(DAY, ended={RunState.FAILED: 2}))
    ends = charts.outcomes(span, DAY).columns[0]

    period = "?from=2026-11-23T15%3A00%3A00Z&to=2026-11-23T16%3A00%3A00Z"
    assert calls.href == f"#/log{period}"
    assert ends.href == f"#/runs{period}"


def test_outcomes_are_every_end_that_is_counted() -> None:
    ended = {state: 1 for state in RunState if state is not RunState.AMBIGUOUS}
    for state in (RunState.RECEIVED, RunState.RUNNING, RunState.FAILING):
        del ended[state]

    chart = charts.outcomes(DAY.spans(hours(DAY, ended=ended)), DAY)

    assert [series.total for series in chart.legend] == ["1", "2", "1", "1"]


def test_nothing_is_a_flat_chart() -> None:
    spans = DAY.spans(hours(DAY))

    for draw in (charts.calls, charts.outcomes, charts.durations):
        chart = draw(spans, DAY)
        assert chart.columns == []
        assert chart.lines
        assert chart.lines[0].share == BOTTOM


def test_times_are_drawn_with_the_longer_one_above() -> None:
    took = {bucket(timedelta(seconds=1)): 19, bucket(timedelta(minutes=5)): 2}
    chart = charts.durations(DAY.spans(hours(DAY, took=took)), DAY)

    [column] = chart.columns
    by_form = {shape.form: shape.y for shape in column.shapes}
    assert by_form["square"] < by_form["dot"]
    marks = ["1 s", "10 s", "1 min", "10 min"]
    assert [line.text for line in chart.lines] == marks
    assert column.words.endswith("half within 1.0 s, 95 % within 5.0 min")


@given(st.integers(0, 10**9))
def test_scale_is_of_few_round_numbers_and_holds_the_most(most: int) -> None:
    scale = scales.counting(most)

    assert scale.top >= most
    assert len(scale.lines) <= scales.MOST_STEPS + 1
    assert scale.lines[0].text == "0"
    steps = scale.top // max(len(scale.lines) - 1, 1)
    assert str(steps).rstrip("0") in {"1", "2", "5"}
    assert all(len(line.text) <= 5 for line in scale.lines)


TIMES = st.timedeltas(timedelta(milliseconds=1), timedelta(days=100))


@given(TIMES, TIMES)
def test_scale_of_times_holds_what_is_drawn(one: timedelta, other: timedelta) -> None:
    scale = scales.timing(*sorted((one, other)))

    assert len(scale.lines) >= 2
    assert [scale.lines[0].share, scale.lines[-1].share] == [0, 1]
    assert 0 <= scale.share(one) <= 1


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.012, "12 ms"),
        (0.9996, "1.0 s"),
        (9.96, "10 s"),
        (59.9, "1.0 min"),
        (3600, "1.0 h"),
        (86400, "24 h"),
        (200_000, "2.3 days"),
    ],
)
def test_time_is_said_in_two_digits(seconds: float, words: str) -> None:
    assert scales.lasted(timedelta(seconds=seconds)) == words


@given(
    st.lists(st.floats(0.01, 10**6), min_size=1, max_size=50),
    st.sampled_from([0.5, 0.95, 1.0]),
)
def test_quantile_of_buckets_is_within_five_percent(
    seconds: list[float], share: float
) -> None:
    counts: dict[int, int] = {}
    for each in seconds:
        number = bucket(timedelta(seconds=each))
        counts[number] = counts.get(number, 0) + 1

    told = quantile(counts, share)

    exact = sorted(seconds)[-(-int(share * 100) * len(seconds) // 100) - 1]
    assert told is not None
    assert told.total_seconds() == pytest.approx(exact, rel=0.0501)


def test_what_ended_before_it_began_took_no_time_to_speak_of() -> None:
    assert bucket(timedelta(seconds=-3)) == 0
    assert quantile({}, 0.5) is None
