"""The proof of the log on its page: what is shown of it, and the button."""

import html
import json
import re
from datetime import timedelta

import pytest
from flask import Flask

from app.http import Response
from app.runtime import Runtime
from app.web.context import KEY as WEB
from app.web.log import proof
from app.worker import housekeeping
from sandbox import Jira
from tests.functional import chains, history
from tests.functional.callers import Caller
from tests.functional.chains import Chained, when
from tests.functional.fakes import Clock

VERIFY = "/api/v1/log/verify"


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


@pytest.fixture
def chain(runtime: Runtime, site: Jira, clock: Clock) -> Chained:
    """The site's own history: three events under a checkpoint, and one under none."""
    tenant_id = history.of(runtime, site).tenant_id
    chain = Chained(
        sessions=runtime.sessions,
        keyring=runtime.keyring,
        clock=clock,
        tenant_id=tenant_id,
    )
    chain.write(3)
    clock.advance(timedelta(minutes=1))
    for _ in housekeeping.seal(runtime):
        pass
    chain.write()
    return chain


def text_of(answer: Response) -> str:
    assert answer.status == 200
    return html.unescape(re.sub(r"\s+", " ", answer.body.decode()))


def press(caller: Caller) -> str:
    return text_of(caller.send("POST", VERIFY, token=caller.context(), body=b"{}"))


def page(caller: Caller) -> str:
    path = "/api/v1/pages/log"
    return text_of(caller.send("GET", path, token=caller.context()))


def test_page_shows_the_newest_checkpoint_and_the_fingerprint(
    caller: Caller, chain: Chained
) -> None:
    text = page(caller)

    assert "Newest checkpoint: number 1, made" in text
    assert "with 3 events." in text
    assert f'value="{chain.verify().fingerprint}"' in text
    assert 'data-action="test" data-path="log/verify"' in text


def test_page_of_a_new_site_says_that_there_is_none_yet(caller: Caller) -> None:
    assert "There is no checkpoint yet." in page(caller)
    assert "Nothing to verify yet" in press(caller)


def test_whole_log_is_said_to_be_whole(caller: Caller, chain: Chained) -> None:
    text = press(caller)

    assert "The log is whole" in text
    assert "3 events under 1 checkpoint were compared with what was signed." in text
    assert "1 event is under no checkpoint yet" in text
    assert chain.ids()


def test_broken_log_is_said_to_be_broken_by_name(
    caller: Caller, chain: Chained
) -> None:
    victim = chain.ids()[1]
    chain.change(victim, actor="eve")

    text = press(caller)

    assert "<h3>Broken</h3>" in text
    assert f"Event {when(victim)} was changed." in text
    assert "whole" not in text


def test_long_log_is_looked_at_as_far_as_there_is_time(
    caller: Caller, chain: Chained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "LONGEST", timedelta(seconds=-1))

    text = press(caller)

    assert "The log is whole" not in text
    assert "countersign audit verify" in text
    del chain


def test_one_site_verifies_one_at_a_time(caller: Caller, chain: Chained) -> None:
    under_way = caller.app.extensions[WEB].proving
    assert under_way.take(chain.tenant_id)

    answer = caller.send("POST", VERIFY, token=caller.context(), body=b"{}")
    under_way.give_back(chain.tenant_id)

    assert answer.status == 429
    assert "being verified" in json.loads(answer.body)["message"]
    assert "The log is whole" in press(caller)


def test_t5_another_sites_break_is_not_ours(caller: Caller, chain: Chained) -> None:
    other = chains.chained(chain.sessions, chain.keyring, chain.clock)
    other.write(3)
    other.seal()
    other.delete(other.ids()[0])

    assert "The log is whole" in press(caller)
