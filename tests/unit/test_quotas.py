"""What calls cost, what Jira's headers ask of us, and what a process counts."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from app.http import Response
from app.jira import Jira, JiraError
from app.quotas import Meter, RestCause, Share, Wanted, asked, base_cost, object_cost
from app.tenants import Door

NOW = datetime(2026, 11, 30, 12, 20, tzinfo=UTC)
TENANT, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


REFUSED = RestCause.REFUSED


@pytest.mark.parametrize(
    ("method", "path", "answer", "points"),
    [
        ("GET", "/rest/api/3/issue/1?fields=*all", {"key": "A-1", "values": [1]}, 1),
        ("GET", "/rest/api/3/myself", {"accountId": "a"}, 2),
        ("GET", "/rest/api/3/user/groups?accountId=a", [{}, {}, {}], 6),
        ("GET", "/rest/api/3/search/jql", {"issues": [{}] * 50}, 50),
        ("GET", "/rest/api/3/search/jql", {"issues": [0] * 20_000}, 10_000),
        ("GET", "/rest/api/3/workflow/rule/config", {"values": []}, 0),
        ("POST", "/rest/api/3/comment/list", {"values": [{}, {}]}, 2),
        ("POST", "/rest/api/3/issue/1/comment", {"id": "1"}, 0),
        ("PUT", "/rest/api/3/issue/1", None, 0),
    ],
)
def test_read_costs_what_it_returns_beside_its_one_point(
    method: str, path: str, answer: object, points: int
) -> None:
    assert object_cost(method, path, answer) == points


def test_what_a_limit_refuses_costs_nothing() -> None:
    assert (base_cost(200), base_cost(404), base_cost(429)) == (1, 1, 0)


@pytest.mark.parametrize(
    ("status", "headers", "cause", "wait"),
    [
        (429, {}, REFUSED, None),
        (429, {"Retry-After": "7"}, REFUSED, seconds(7)),
        (429, {"Beta-Retry-After": "8"}, REFUSED, seconds(8)),
        (429, {"Retry-After": "soon"}, REFUSED, None),
        (429, {"Retry-After": "0"}, REFUSED, None),
        (429, {"Retry-After": "9999999"}, REFUSED, timedelta(hours=1)),
        (
            429,
            {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "2026-11-30T12:25Z"},
            REFUSED,
            timedelta(minutes=5),
        ),
        (
            429,
            {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "yesterday"},
            REFUSED,
            None,
        ),
        (
            429,
            {"RateLimit": '"global-app-quota";r=0;t=120'},
            REFUSED,
            seconds(120),
        ),
        (503, {"Retry-After": "5"}, REFUSED, seconds(5)),
        (200, {"X-RateLimit-NearLimit": "true"}, RestCause.NEAR, seconds(1)),
        (
            200,
            {
                "Beta-RateLimit-Policy": '"global-app-quota";q=65000;w=3600',
                "Beta-RateLimit": '"global-app-quota";r=1000;t=600',
            },
            RestCause.NEAR,
            seconds(6),
        ),
        (
            200,
            {
                "RateLimit-Policy": '"burst";q=100;w=1, "hour";q=65000;w=3600',
                "RateLimit": '"burst";r=90;t=1, "hour";r=3;t=3000',
            },
            RestCause.NEAR,
            seconds(30),
        ),
    ],
)
def test_headers_say_how_long_to_rest(
    status: int, headers: dict[str, str], cause: RestCause, wait: timedelta | None
) -> None:
    assert asked(status, headers, now=NOW) == Wanted(cause=cause, wait=wait)


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, {}),
        (200, {"X-RateLimit-NearLimit": "false", "X-RateLimit-Remaining": "0"}),
        (200, {"RateLimit": '"q";r=1;t=9'}),
        (200, {"RateLimit-Policy": '"q";q=10;w=9', "RateLimit": '"q";r=9;t=9'}),
        (200, {"RateLimit-Policy": '"q";q=;w', "RateLimit": '"q";;;"' * 999}),
        (503, {}),
        (429, {"RateLimit-Reason": "jira-per-issue-on-write", "Retry-After": "2"}),
    ],
)
def test_other_answers_ask_for_no_rest_of_the_site(
    status: int, headers: dict[str, str]
) -> None:
    assert asked(status, headers, now=NOW) is None


class TestMeter:
    def test_points_are_written_down_once_a_second_and_a_rest_at_once(self) -> None:
        meter = Meter()
        assert not meter.is_due(NOW)
        meter.spend(TENANT, 3)
        assert meter.is_due(NOW)
        assert meter.take(NOW).spent == {TENANT: 3}

        meter.spend(TENANT, 2)
        assert not meter.is_due(NOW + seconds(0.9))
        meter.ask(OTHER, Wanted(cause=REFUSED, wait=None))
        assert meter.is_due(NOW + seconds(0.9))
        assert meter.take(NOW + seconds(0.9)).spent == {TENANT: 2}
        assert not meter.is_due(NOW + seconds(9))

    def test_longest_rest_counts(self) -> None:
        meter = Meter()
        for wait in (None, 7, 3):
            asked_for = None if wait is None else seconds(wait)
            meter.ask(TENANT, Wanted(cause=REFUSED, wait=asked_for))

        assert meter.take(NOW).rests[TENANT].wait == seconds(7)

    def test_what_could_not_be_written_down_is_counted_again(self) -> None:
        meter = Meter()
        meter.spend(TENANT, 3)
        meter.ask(TENANT, Wanted(cause=REFUSED, wait=None))
        taken = meter.take(NOW)
        meter.spend(TENANT, 1)
        meter.give_back(taken)

        again = meter.take(NOW)
        assert again.spent == {TENANT: 4}
        assert set(again.rests) == {TENANT}

    def test_third_call_in_a_row_without_an_answer_has_its_site_rest(self) -> None:
        meter = Meter()
        for _ in range(2):
            meter.miss(TENANT)
            meter.miss(OTHER)
        meter.spend(OTHER, 1)
        meter.miss(OTHER)
        assert meter.take(NOW).rests == {}

        meter.miss(TENANT)
        assert meter.take(NOW).rests == {
            TENANT: Wanted(cause=RestCause.SILENT, wait=None)
        }


def test_share_of_the_pool_is_a_fifth() -> None:
    assert Share(pool=65_000, percent=20).points == 13_000


class Wire:
    """Answers every call the same."""

    def __init__(self, answer: Response) -> None:
        self.answer = answer

    def send(self, request: object) -> Response:
        del request
        return self.answer


class Token:
    renews = False

    def authorization(self, *_: object, **__: object) -> str:
        return "JWT a.b.c"


def jira_of(answer: Response) -> Jira:
    return Jira(
        tenant_id=TENANT,
        base_url="https://acme.atlassian.net",
        door=Door.CONNECT,
        signers=[Token()],
        http=Wire(answer),
        now=lambda: NOW,
    )


def test_each_call_of_jira_is_counted_for_its_site() -> None:
    jira = jira_of(Response(status=200, body=b'{"accountId": "a"}'))

    jira.own_account()
    jira.call("PUT", "/rest/api/3/issue/1", body={})

    assert jira.meter.take(NOW).spent == {TENANT: 4}


def test_limit_of_one_issue_is_told_apart() -> None:
    headers = {"RateLimit-Reason": "jira-per-issue-on-write", "Retry-After": "2"}
    jira = jira_of(Response(status=429, headers=headers))

    with pytest.raises(JiraError) as raised:
        jira.call("PUT", "/rest/api/3/issue/1", body={})

    assert raised.value.is_limited
    assert raised.value.is_of_issue
    assert jira.meter.take(NOW).rests == {}
