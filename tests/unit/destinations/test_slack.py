"""Slack: its forms, its message, its answers."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.destinations import Line, Verdict, fitting, unfit
from app.destinations.answers import CROWDED
from app.destinations.slack import Slack
from app.http import Response, SendError
from tests.receivers.slack import CHANNEL, HOOK, TOKEN, fault, shown
from tests.unit.destinations.made import (
    BASE_URL,
    FACTS,
    NOW,
    Answering,
    a_test,
    delivery,
    target,
)

BOT = {"how": "bot", "channel": CHANNEL}
GOV_HOOK = HOOK.replace("slack.com", "slack-gov.com")
SLACK = Slack()


@pytest.mark.parametrize(
    ("settings", "secret"),
    [({}, HOOK), (BOT, TOKEN), ({"cloud": "slack-gov.com"}, GOV_HOOK)],
)
def test_credential_fits_the_way(settings: dict[str, Any], secret: str) -> None:
    assert not [*unfit("slack", settings, {"secret": secret})]


@pytest.mark.parametrize(
    ("settings", "secret", "key"),
    [
        ({}, TOKEN, "credentials.secret"),
        (BOT, HOOK, "credentials.secret"),
        ({}, GOV_HOOK, "credentials.secret"),
        ({"cloud": "slack-gov.com"}, HOOK, "credentials.secret"),
        (
            {},
            "https://hooks.slack.com.evil.example/services/T/B/x",
            "credentials.secret",
        ),
        ({}, "http://hooks.slack.com/services/T/B/x", "credentials.secret"),
        (
            {},
            "https://hooks.slack.com@evil.example/services/T/B/x",
            "credentials.secret",
        ),
        ({}, f"{HOOK}/../../x", "credentials.secret"),
        ({}, f"{HOOK}?x={{{{ issue.key }}}}", "credentials.secret"),
        ({}, f"{HOOK}\nx", "credentials.secret"),
        (BOT, "xoxp-1234567890-abcdefghijkl", "credentials.secret"),
        (BOT | {"channel": ""}, TOKEN, "settings"),
        (BOT | {"channel": "#general"}, TOKEN, "settings.channel"),
        (BOT | {"channel": "{{ issue.key }}"}, TOKEN, "settings.channel"),
        ({"channel": CHANNEL}, HOOK, "settings"),
        (BOT | {"cloud": "evil.example"}, TOKEN, "settings.cloud"),
    ],
)
def test_t8_misfit_is_named_and_never_quoted(
    settings: dict[str, Any], secret: str, key: str
) -> None:
    [found] = unfit("slack", settings, {"secret": secret})

    assert found.key == key
    assert secret not in found.message


def test_what_decides_who_gets_the_credential_is_its_origin() -> None:
    chosen = [
        SLACK.settings_form.model_validate(each)
        for each in (
            {},
            BOT,
            {"cloud": "slack-gov.com"},
            BOT | {"cloud": "slack-gov.com"},
        )
    ]

    assert [SLACK.url(each, None) for each in chosen] == [
        "https://hooks.slack.com",
        "https://slack.com",
        "https://hooks.slack-gov.com",
        "https://slack-gov.com",
    ]


def message(
    text: str,
    settings: dict[str, Any] | None = None,
    facts: dict[str, str] | None = None,
) -> Any:
    chosen = SLACK.settings_form.model_validate(settings or {})
    made = delivery(text=text, facts={**FACTS, **(facts or {})})
    return json.loads(SLACK.body(chosen, made, base_url=BASE_URL))


def test_message_says_what_it_is_about() -> None:
    posted = shown(message("*Rolling out* v1 & v2"), "")

    assert posted.text == "*Rolling out* v1 & v2"
    assert posted.about == "DEMO-1: Start progress (To Do → In Progress)"
    assert posted.specials == ()


def test_created_issue_has_no_status_before() -> None:
    assert shown(message("x", facts={"from": ""}), "").about == (
        "DEMO-1: Start progress (In Progress)"
    )


def test_only_a_bot_is_told_the_channel() -> None:
    assert message("x", BOT)["channel"] == CHANNEL
    assert "channel" not in message("x")


@given(st.text(min_size=1), st.text())
@pytest.mark.parametrize(
    "text",
    ["<!channel>", "<https://evil.example|our wiki>", "<@U123>", "&lt;!here&gt;"],
)
def test_t15_no_value_becomes_a_link_or_a_mention(
    text: str, some: str, name: str
) -> None:
    said = message(some + text, facts={"transition": text + name})

    posted = shown(said, "")
    assert posted.specials == ()
    assert posted.text == some + text
    assert "<" not in json.dumps(said)


def test_test_message_says_that_it_is_a_test() -> None:
    chosen = SLACK.settings_form.model_validate({})
    said = json.loads(SLACK.body(chosen, a_test(), base_url=BASE_URL))

    assert not fault(said)
    assert shown(said, "").about == "A test by Countersign"


@pytest.mark.parametrize("text", ["x" * 3000, "<" * 750, "&" * 600, "ä😀" * 1500])
def test_longest_text_is_one_that_slack_takes(text: str) -> None:
    assert fitting("slack", {}, {"text": text}) == {"text": text}
    assert not fault(message(text))


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"text": " "},
        {"text": "x" * 3001},
        {"text": "<" * 751},
        {"text": "x", "channel": "C0ANOTHER99"},
    ],
)
def test_t7_other_inputs_are_refused_and_not_quoted(inputs: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"input “(text|channel)”") as refused:
        fitting("slack", {}, inputs)

    assert "C0ANOTHER99" not in str(refused.value)
    assert "<<" not in str(refused.value)


def sent(settings: dict[str, Any], answer: Response | SendError) -> Any:
    goal = target(SLACK, settings, {"secret": TOKEN if settings else HOOK})
    body = SLACK.body(goal.settings, delivery(text="x"), base_url=BASE_URL).encode()
    signed = SLACK.prepare(goal, delivery(text="x"), body, base_url=BASE_URL, now=NOW)
    return SLACK.send(goal, signed, Line(http=Answering(answer), now=lambda: NOW))


def error(name: str, **headers: str) -> Response:
    body = json.dumps({"ok": False, "error": name}).encode()
    return Response(status=200, headers=headers, body=body)


@pytest.mark.parametrize(
    ("answer", "verdict", "words"),
    [
        (Response(status=200, body=b'{"ok": true}'), Verdict.ACCEPTED, "posted it"),
        (Response(status=200, body=b'{"ok": 1}'), Verdict.AMBIGUOUS, "without saying"),
        (Response(status=200, body=b"<html>"), Verdict.AMBIGUOUS, "without saying"),
        (error("channel_not_found"), Verdict.REJECTED, "check its id"),
        (error("not_in_channel"), Verdict.REJECTED, "invite it there"),
        (error("invalid_auth"), Verdict.REJECTED, "new token"),
        (error("token_revoked"), Verdict.REJECTED, "was revoked"),
        (error("is_archived"), Verdict.REJECTED, "archived"),
        (error("msg_too_long"), Verdict.REJECTED, "shorten"),
        (error("missing_scope"), Verdict.REJECTED, "chat:write"),
        (error("ignore previous <b>"), Verdict.REJECTED, "look at its answer"),
        (error("ratelimited"), Verdict.RETRY, "a second"),
        (error("internal_error"), Verdict.AMBIGUOUS, "may have posted it"),
        (error("service_unavailable"), Verdict.RETRY, "not now"),
        (Response(status=429), Verdict.RETRY, "a second"),
        (Response(status=503), Verdict.RETRY, "503"),
        (Response(status=500), Verdict.AMBIGUOUS, "500"),
        (SendError("x", sent=False), Verdict.RETRY, "could not be reached"),
        (SendError("x", sent=True), Verdict.AMBIGUOUS, "no answer came"),
    ],
)
def test_bot_is_answered(
    answer: Response | SendError, verdict: Verdict, words: str
) -> None:
    came = sent(BOT, answer)

    assert came.judged.verdict is verdict
    assert words in came.judged.words
    assert "<b>" not in came.judged.words


@pytest.mark.parametrize(
    ("answer", "verdict", "words"),
    [
        (Response(status=200, body=b"ok"), Verdict.ACCEPTED, "posted it"),
        (Response(status=200, body=b"<html>ok"), Verdict.AMBIGUOUS, "without Slack's"),
        (Response(status=204), Verdict.AMBIGUOUS, "without Slack's"),
        (Response(status=400, body=b"invalid_payload"), Verdict.REJECTED, "understand"),
        (Response(status=403, body=b"action_prohibited"), Verdict.REJECTED, "forbids"),
        (Response(status=404, body=b"no_service"), Verdict.REJECTED, "new one made"),
        (Response(status=404, body=b"<b>"), Verdict.REJECTED, "new one made"),
        (
            Response(status=410, body=b"channel_is_archived"),
            Verdict.REJECTED,
            "opened again",
        ),
        (Response(status=429), Verdict.RETRY, "a second"),
        (Response(status=500, body=b"rollup_error"), Verdict.AMBIGUOUS, "500"),
        (Response(status=302), Verdict.REJECTED, "redirect"),
        (SendError("x", sent=False), Verdict.RETRY, "could not be reached"),
        (SendError("x", sent=True), Verdict.AMBIGUOUS, "no answer came"),
    ],
)
def test_webhook_is_answered(
    answer: Response | SendError, verdict: Verdict, words: str
) -> None:
    came = sent({}, answer)

    assert came.judged.verdict is verdict
    assert words in came.judged.words


def test_rate_limit_in_the_answer_waits_as_asked() -> None:
    long = error("ratelimited", **{"Retry-After": "120"})

    assert sent(BOT, long).judged.wait.total_seconds() == 120
    assert sent(BOT, error("ratelimited")).judged.wait == CROWDED


@pytest.mark.parametrize("settings", [{}, BOT])
def test_t8_credential_is_in_nothing_that_is_shown(settings: dict[str, Any]) -> None:
    secret = TOKEN if settings else HOOK
    goal = target(SLACK, settings, {"secret": secret})
    body = SLACK.body(goal.settings, delivery(text="x"), base_url=BASE_URL).encode()
    signed = SLACK.prepare(goal, delivery(text="x"), body, base_url=BASE_URL, now=NOW)
    echoed = " ".join((secret, secret.removeprefix("https://hooks.slack.com")))
    answer = Response(status=500, headers={"X-Echo": secret}, body=echoed.encode())

    came = sent(settings, answer)

    last = secret.rpartition("/")[2]
    assert last not in repr((goal, signed, came, came.request_head, came.response_body))
    assert last not in f"{signed.head}{body!r}{came.response_head}"
    assert "(hidden)" in signed.head


def test_bot_is_asked_who_it_is_and_a_webhook_is_not() -> None:
    bot, hook = (SLACK.settings_form.model_validate(each) for each in (BOT, {}))

    assert SLACK.has_trial(bot)
    assert not SLACK.has_trial(hook)


@pytest.mark.parametrize(
    ("answer", "verdict", "words"),
    [
        (Response(status=200, body=b'{"ok": true}'), Verdict.ACCEPTED, "knows the bot"),
        (error("invalid_auth"), Verdict.REJECTED, "new token"),
        (SendError("x", sent=False), Verdict.RETRY, "could not be reached"),
    ],
)
def test_trial_asks_without_a_message(
    answer: Response | SendError, verdict: Verdict, words: str
) -> None:
    http = Answering(answer)

    came = SLACK.trial(
        target(SLACK, BOT, {"secret": TOKEN}), Line(http=http, now=lambda: NOW)
    )

    assert [request.url for request in http.got] == ["https://slack.com/api/auth.test"]
    assert came.judged.verdict is verdict
    assert words in came.judged.words
    assert TOKEN not in str(came.request_head)
