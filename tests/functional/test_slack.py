"""Slack as a destination: from the transition to the message that people see."""

import uuid
from typing import Any

import pytest
from flask import Flask

from app import destinations
from app.destinations import DestinationState
from app.http import Response, SendError
from app.runs import RunState
from app.runtime import Runtime
from app.worker import Worker
from sandbox import Jira
from tests.functional.callers import Caller
from tests.functional.fakes import Clock, Wire
from tests.functional.messages import deliver, kept, set_up
from tests.functional.receiving import Desk, open_desk
from tests.receivers.slack import CHANNEL, HOOK, STRANGE, TOKEN, Slack

BOT: dict[str, Any] = {"how": "bot", "channel": CHANNEL}
SECRET = HOOK.rpartition("/")[2]


@pytest.fixture
def slack(wire: Wire) -> Slack:
    workspace = Slack()
    for host in ("slack.com", "hooks.slack.com"):
        wire.elsewhere[host] = workspace
    return workspace


@pytest.fixture
def desk(runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire) -> Desk:
    return open_desk(runtime, app, site, worker, wire)


def by_bot(desk: Desk, **more: Any) -> uuid.UUID:
    return set_up(desk, "slack", BOT, {"secret": TOKEN}, **more)


def by_hook(desk: Desk, **more: Any) -> uuid.UUID:
    return set_up(desk, "slack", {}, {"secret": HOOK}, **more)


def test_bot_posts_the_rules_text_to_the_admins_channel(
    desk: Desk, slack: Slack
) -> None:
    deliver(desk, by_bot(desk), text="{{ issue.key }} <!channel> & co")

    [posted] = slack.posted
    assert posted.text == "DEMO-1 <!channel> & co"
    assert posted.specials == ()
    assert posted.channel == CHANNEL
    assert posted.about.startswith("DEMO-1: Start progress")
    assert [run.state for run in desk.runs()] == [RunState.SUCCEEDED]
    assert TOKEN not in kept(desk)


def test_t8_webhook_posts_and_its_address_is_kept_nowhere(
    desk: Desk, slack: Slack
) -> None:
    slack.instead = [Response(status=503, headers={"X-At": HOOK}, body=HOOK.encode())]
    deliver(desk, by_hook(desk), text="{{ issue.key }}")

    desk.later(seconds=10)

    assert [posted.text for posted in slack.posted] == ["DEMO-1"]
    assert [run.state for run in desk.runs()] == [RunState.SUCCEEDED]
    assert SECRET not in kept(desk)


def test_refusal_with_200_fails_the_run_and_says_what_to_fix(
    desk: Desk, slack: Slack
) -> None:
    key = set_up(desk, "slack", BOT | {"channel": STRANGE}, {"secret": TOKEN})

    deliver(desk, key, text="x")

    assert slack.posted == []
    [run] = desk.runs()
    assert run.state is RunState.FAILED
    assert "invite it there" in str(run.message)


def test_rate_limit_is_waited_for_as_asked(desk: Desk, slack: Slack) -> None:
    slack.instead = [Response(status=429, headers={"Retry-After": "90"})]
    deliver(desk, by_bot(desk), text="x")

    desk.later(seconds=85)
    assert slack.posted == []
    desk.later(seconds=40)

    assert len(slack.posted) == 1


def test_lost_answer_is_not_posted_twice_unless_an_admin_said_so(
    desk: Desk, slack: Slack
) -> None:
    slack.instead = [SendError("the answer took too long", sent=True)]
    deliver(desk, by_bot(desk), text="x")
    desk.later(hours=1)
    assert [run.state for run in desk.runs()] == [RunState.AMBIGUOUS]
    assert slack.posted == []


def test_lost_answer_is_posted_again_where_an_admin_said_so(
    desk: Desk, slack: Slack
) -> None:
    slack.instead = [SendError("the answer took too long", sent=True)]
    deliver(desk, by_hook(desk, honours_delivery_id=True), text="x")

    desk.later(hours=1)

    assert len(slack.posted) == 1
    assert [run.state for run in desk.runs()] == [RunState.SUCCEEDED]


def test_archived_channels_webhook_is_left_alone_until_an_admin_resumes_it(
    desk: Desk, slack: Slack
) -> None:
    slack.instead = [Response(status=410, body=b"channel_is_archived")]
    key = by_hook(desk)

    deliver(desk, key, text="x")

    assert desk.state_of(key) is DestinationState.DISABLED
    desk.act(destinations.resume, key)
    assert desk.state_of(key) is DestinationState.ACTIVE


def test_test_button_asks_for_a_bot_and_posts_by_a_webhook(
    desk: Desk, slack: Slack, clock: Clock
) -> None:
    caller = Caller(app=desk.app, jira=desk.jira, clock=clock)
    pages = []
    for key in (by_bot(desk), by_hook(desk, name="Tell others")):
        path = f"/api/v1/destinations/{key}/test"
        token = caller.context()
        pages.append(caller.send("POST", path, token=token, body={}).body.decode())
        shown = caller.send("GET", f"/api/v1/pages/destinations/{key}", token=token)
        pages.append(shown.body.decode())

    assert "Slack knows the bot" in pages[0]
    assert "Test the connection" in pages[1]
    assert "Slack posted it" in pages[2]
    assert "Send test event" in pages[3]
    assert [posted.about for posted in slack.posted] == ["A test by Countersign"]
    assert TOKEN not in "".join(pages)
    assert SECRET not in "".join(pages)
