"""The overview's sentence: each thing that can be wrong, the worst one first."""

import uuid
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest

from app.destinations import DestinationState
from app.web.keys.offered_secret import OfferedSecret
from app.web.overview.site_health import health
from app.web.overview.site_state import State, Troubled

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SITE = "https://acme.atlassian.net"
WELL = State(site=SITE)
ID = uuid.UUID(int=7)


def troubled(
    name: str = "Deployer",
    state: DestinationState = DestinationState.ACTIVE,
    *,
    is_reached: bool = True,
) -> Troubled:
    return Troubled(id=ID, name=name, state=state, is_reached=is_reached)


DISABLED = (troubled(state=DestinationState.DISABLED),)
UNREACHED = (troubled(is_reached=False),)
FAILING = (troubled(),)

OFFERED = OfferedSecret(
    received_at=NOW,
    drop_at=NOW + timedelta(hours=1),
    dropped_at=None,
    doubt="Jira answered 401.",
    address=None,
    stored=0,
)

WORST_FIRST: tuple[tuple[dict[str, object], str, str, str | None], ...] = (
    (
        {"halted_since": NOW, "halted_because": "The disk is full."},
        "The operator has stopped Countersign for this site.",
        "warning",
        None,
    ),
    (
        {"refuses_since": NOW, "refuses_because": "Jira answered 401."},
        "Jira accepts no call of Countersign's.",
        "danger",
        f"{SITE}/plugins/servlet/upm",
    ),
    (
        {"late_since": NOW},
        "The watchdog has not looked after held issues lately.",
        "danger",
        None,
    ),
    (
        {"overdue": 2},
        "2 issues are past the deadline of their hold.",
        "danger",
        "#/rules",
    ),
    (
        {"stopped": ["Deploy"]},
        "The watchdog has stopped for “Deploy”.",
        "danger",
        "#/rules",
    ),
    (
        {"rests_until": NOW, "rests_because": "Jira gave no answer."},
        "Runs wait until 12:00 UTC.",
        "warning",
        "#/runs?state=open",
    ),
    (
        {"offered": OFFERED},
        "An install brought a new secret, which is not proven yet.",
        "information",
        "#/keys",
    ),
    (
        {"unanswered": 1},
        "One run needs your answer.",
        "warning",
        "#/runs?state=ambiguous",
    ),
    (
        {"troubled": DISABLED},
        "“Deployer” was disabled.",
        "danger",
        f"#/destinations/{ID}",
    ),
    (
        {"troubled": UNREACHED},
        "“Deployer” is not reached now.",
        "danger",
        f"#/destinations/{ID}",
    ),
    (
        {"troubled": FAILING},
        "“Deployer” is failing.",
        "warning",
        f"#/destinations/{ID}",
    ),
    ({"unsound": ["Deploy"]}, "The gate of “Deploy” is open.", "warning", "#/rules"),
    (
        {"refused": 1},
        "One call of this site was refused in the last 24 hours.",
        "warning",
        "#/log?what=refused&period=24h",
    ),
    (
        {"failed": 2, "succeeded": 9},
        "2 runs failed in the last 24 hours, and 9 succeeded.",
        "warning",
        "#/runs?state=failed&period=24h",
    ),
    (
        {"has_rules": False, "has_runs": False},
        "Countersign is installed, and no workflow has a rule of it yet.",
        "information",
        "#/rules",
    ),
    (
        {"has_runs": False},
        "A rule is in place, and no issue has gone through its transition yet.",
        "information",
        "#/rules",
    ),
    (
        {"verified": 1, "succeeded": 1},
        "All is well: in the last 24 hours 1 call was verified and 1 run succeeded.",
        "success",
        None,
    ),
    (
        {},
        "Nothing is wrong, and nothing happened in the last 24 hours.",
        "success",
        None,
    ),
)


def state(**members: object) -> State:
    return replace(WELL, **members)  # type: ignore[arg-type]


@pytest.mark.parametrize(("members", "sentence", "tone", "href"), WORST_FIRST)
def test_each_state_is_said_with_what_to_do_next(
    members: dict[str, object], sentence: str, tone: str, href: str | None
) -> None:
    found = health(state(**members))

    assert (found.sentence, found.tone) == (sentence, tone)
    assert (found.next.href if found.next else None) == href


@pytest.mark.parametrize("at", range(len(WORST_FIRST) - 1))
def test_worst_thing_is_said_whatever_else_is_wrong(at: int) -> None:
    together: dict[str, object] = {}
    for members, *_ in reversed(WORST_FIRST[at:]):
        together |= members

    assert health(state(**together)).sentence == WORST_FIRST[at][1]


def test_every_member_of_the_state_is_said_at_some_time() -> None:
    said = {name for members, *_ in WORST_FIRST for name in members}

    unsaid = {field.name for field in fields(State)} - said
    assert unsaid == {"site", "is_cut", "is_self_managed"}


def test_self_managed_site_is_told_what_mends_it_there() -> None:
    own = {"is_self_managed": True}
    refused = health(state(refuses_since=NOW, **own))
    fresh = health(state(has_rules=False, has_runs=False, **own))

    assert "renew-token" in refused.detail
    assert refused.next is not None
    assert refused.next.href == f"{SITE}/secure/ViewProfile.jspa"
    assert fresh.next is not None
    assert fresh.next.href == "#/listeners"


def test_jira_is_quoted_when_it_refuses_us() -> None:
    found = health(state(refuses_since=NOW, refuses_because="Jira answered 401."))

    assert found.since == NOW
    assert found.detail.startswith("Jira answered 401. Issues in a hold stay there")


def test_many_are_a_number_and_lead_to_their_list() -> None:
    found = health(state(troubled=[troubled(str(n)) for n in range(5)]))

    assert found.sentence == "5 destinations are failing."
    assert found.next is not None
    assert found.next.href == "#/destinations"
    both = health(state(stopped=["One", "Two"]))
    assert both.sentence == "The watchdog has stopped for “One”, “Two”."


def test_destination_that_was_disabled_is_worse_than_one_that_fails() -> None:
    all_three = (*FAILING, troubled("Other", is_reached=False), *DISABLED)

    assert health(state(troubled=all_three)).sentence == "“Deployer” was disabled."
    assert "“Other” is not reached" in health(state(troubled=all_three[:2])).sentence


def test_more_unanswered_runs_than_were_counted_are_not_counted_exactly() -> None:
    assert health(state(unanswered=100, is_cut=True)).sentence == (
        "More than 100 runs need your answer."
    )
