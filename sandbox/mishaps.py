"""What goes wrong in the real world, at the press of a button.

Each mishap says what it did and what the add-on answered. Those about a token fire
at once for one issue or, with `arm`, spoil the next call that is due anyway; those
about Jira's answers wait for the add-on's next question.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from sandbox import catalogue, workflow
from sandbox.addon import AddonError, Answer, Call, Signing
from sandbox.armed import ArmedAnswer
from sandbox.jira import Jira
from sandbox.world import POST_FUNCTION, Issue, Rule

Json = dict[str, Any]


class MishapError(Exception):
    """It cannot be done now; the text says why."""


@dataclass(frozen=True)
class Outcome:
    did: str
    status: int | None = None
    """The add-on's answer; None when nothing was sent, 0 when nothing answered."""
    answer: str = ""


def _fired(did: str, answer: Answer) -> Outcome:
    return Outcome(did, answer.status, answer.text[:500])


def expired_token(jira: Jira, given: Json) -> Outcome:
    how = Signing(shift=timedelta(minutes=-10), note="expired token")
    return _spoiled(jira, given, how, "a call with a token ten minutes old")


def wrong_secret(jira: Jira, given: Json) -> Outcome:
    how = Signing(secret=secrets.token_urlsafe(72), note="wrong secret")
    return _spoiled(jira, given, how, "a call signed with another secret")


def tampered_url(jira: Jira, given: Json) -> Outcome:
    """A genuine token, carried by a URL it was not made for."""
    call = _call(jira, given)
    signed = jira.firing.addon.signed(replace(call, note="tampered URL"))
    answer = jira.addon.send(replace(signed, url=call.url + "?debug=true"))
    did = f"Sent a genuine token for {urlsplit(call.url).path} with ?debug=true added."
    return _fired(did, answer)


def swapped_body(jira: Jira, given: Json) -> Outcome:
    """A genuine signature does not cover the body: name another issue in it."""
    call = _call(jira, given)
    other = _other_issue(jira, call.issue)
    body = json.loads(call.body)
    told = json.loads(_compose(jira, other).body)["issue"]
    body["issue"] = told
    swapped = Call("POST", call.url, json.dumps(body).encode(), issue=other.key)
    answer = jira.firing.send(swapped, {}, Signing(note="swapped body"))
    did = f"Signed a call as for {call.issue}, but its body names {other.key}."
    return _fired(did, answer)


def replay(jira: Jira, given: Json) -> Outcome:
    """The last accepted call again, byte for byte."""
    del given
    if not jira.firing.accepted:
        raise MishapError("No post function was accepted yet: move an issue first.")
    last = jira.firing.accepted[-1]
    answer = jira.addon.send(replace(last.call, note="replay"))
    return _fired(f"Sent the last accepted call ({last.issue}) once more.", answer)


def clock_drift(jira: Jira, given: Json) -> Outcome:
    seconds = int(given.get("seconds", 60))
    note = f"clock {seconds:+d} s"
    how = Signing(shift=timedelta(seconds=seconds), note=note)
    return _spoiled(jira, given, how, f"a call by a clock that is {seconds:+d} s off")


def answer_429(jira: Jira, given: Json) -> Outcome:
    seconds = int(given.get("seconds", 5))
    return _armed(jira, given, ArmedAnswer(429, retry_after=seconds))


def answer_500(jira: Jira, given: Json) -> Outcome:
    return _armed(jira, given, ArmedAnswer(500))


def answer_slow(jira: Jira, given: Json) -> Outcome:
    return _armed(jira, given, ArmedAnswer(0, delay=float(given.get("seconds", 8))))


def _armed(jira: Jira, given: Json, answer: ArmedAnswer) -> Outcome:
    times = int(given.get("times", 1))
    with jira.world.lock:
        jira.armed_answers.extend([answer] * times)
    return Outcome(f"Jira's next {times} answer(s) to the add-on: {answer.words}.")


def drop_next(jira: Jira, given: Json) -> Outcome:
    times = int(given.get("times", 1))
    jira.addon.calls_to_drop += times
    return Outcome(f"The next {times} call(s) to the add-on will be lost on the way.")


def cut_wire(jira: Jira, given: Json) -> Outcome:
    jira.addon.wire_is_cut = bool(given.get("on", not jira.addon.wire_is_cut))
    return Outcome(
        "The wire is cut: what Jira tells the add-on is lost, and not sent again."
        if jira.addon.wire_is_cut
        else "The wire is whole again; what was lost stays lost."
    )


def refuse_addon(jira: Jira, given: Json) -> Outcome:
    jira.refuses_addon = bool(given.get("on", not jira.refuses_addon))
    return Outcome(
        "Jira answers every call of the add-on with 401, as after a drifted secret."
        if jira.refuses_addon
        else "Jira accepts the add-on's calls again."
    )


def rename_site(jira: Jira, given: Json) -> Outcome:
    """`installed` again with another base URL; both names go on answering."""
    parts = urlsplit(jira.site.base_url)
    other = "localhost" if parts.hostname == "127.0.0.1" else "127.0.0.1"
    port = f":{parts.port}" if parts.port else ""
    wanted = str(given.get("base_url") or f"{parts.scheme}://{other}{port}")
    answer = jira.addon.install(base_url=wanted)
    return _fired(f"The site is now called {wanted}; installed was sent again.", answer)


def rotate_secret(jira: Jira, given: Json) -> Outcome:
    del given
    answer = jira.addon.install(secret=secrets.token_urlsafe(72))
    return _fired("A new shared secret was sent with installed.", answer)


def foreign_secret(jira: Jira, given: Json) -> Outcome:
    """The signature of an install does not cover its body: who holds one writes it."""
    del given
    answer = jira.addon.send_foreign_install(secrets.token_urlsafe(72))
    return _fired("A genuine installation was sent, with a secret of mine.", answer)


def uninstall(jira: Jira, given: Json) -> Outcome:
    del given
    answer = jira.addon.uninstall()
    return _fired("disabled and uninstalled were sent; rules no longer fire.", answer)


def install(jira: Jira, given: Json) -> Outcome:
    del given
    return _fired("installed and enabled were sent.", jira.addon.install())


MISHAPS: dict[str, Callable[[Jira, Json], Outcome]] = {
    "expired-token": expired_token,
    "wrong-secret": wrong_secret,
    "tampered-url": tampered_url,
    "swapped-body": swapped_body,
    "replay": replay,
    "clock-drift": clock_drift,
    "answer-429": answer_429,
    "answer-500": answer_500,
    "answer-slow": answer_slow,
    "drop-next": drop_next,
    "cut-wire": cut_wire,
    "refuse-addon": refuse_addon,
    "rename-site": rename_site,
    "rotate-secret": rotate_secret,
    "foreign-secret": foreign_secret,
    "uninstall": uninstall,
    "install": install,
}
_ANSWERS = frozenset({"answer-429", "answer-500", "answer-slow"})
"""They meet whichever app asks."""
_NEEDS_INSTALL = frozenset(MISHAPS) - {
    "install",
    "cut-wire",
    "drop-next",
    "refuse-addon",
}


def cause(jira: Jira, name: str, given: Json) -> Outcome:
    if name not in MISHAPS:
        raise MishapError(f"there is no mishap {name!r}")
    is_asked = jira.forge.is_installed or jira.is_datacenter
    asks = jira.site.installed or (name in _ANSWERS and is_asked)
    if name in _NEEDS_INSTALL and not asks:
        raise MishapError("The add-on is not installed.")
    try:
        return MISHAPS[name](jira, given)
    except AddonError as error:
        return Outcome(str(error), error.status)


def _spoiled(jira: Jira, given: Json, how: Signing, words: str) -> Outcome:
    if given.get("arm"):
        jira.firing.armed.append(how)
        return Outcome(f"The next post function will be {words}.")
    call = _call(jira, given)
    return _fired(f"Sent {words} for {call.issue}.", jira.firing.send(call, {}, how))


def _call(jira: Jira, given: Json) -> Call:
    key = str(given.get("issue") or "DEMO-1")
    issue = jira.world.find_issue(key)
    if issue is None:
        raise MishapError(f"there is no issue {key!r}")
    return _compose(jira, issue)


def _compose(jira: Jira, issue: Issue) -> Call:
    """A true call: a live rule, said to have fired on the issue's last change."""
    flow = workflow.of_project(jira.world, issue.project)
    for made in catalogue.TRANSITIONS:
        for function in flow.live.get(made.id, []):
            if function.kind != POST_FUNCTION:
                continue
            call = jira.firing.compose(issue, made, function, _before(issue))
            if call is not None:
                return call
    # a site without rules has something to refuse as well
    modules = jira.addon.modules(POST_FUNCTION)
    if not modules:
        raise MishapError("The add-on has no post function.")
    stray = Rule(workflow.new_id(), modules[0]["key"], "")
    call = jira.firing.compose(issue, catalogue.TRANSITIONS[3], stray, _before(issue))
    if call is None:
        raise MishapError("The add-on has no post function.")
    return call


def _before(issue: Issue) -> str:
    for entry in reversed(issue.history):
        for item in entry["items"]:
            if item["field"] == "status":
                return str(item["fromString"])
    return ""


def _other_issue(jira: Jira, key: str) -> Issue:
    """One without a status change in its history, if there is one."""
    others = [i for i in jira.world.state.issues.values() if i.key != key]
    return min(others, key=lambda issue: (bool(_before(issue)), int(issue.id)))
