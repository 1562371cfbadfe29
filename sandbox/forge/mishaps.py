"""What goes wrong between Forge and an app, at the press of a button.

Each of those about a call fires one post function at once or, with `arm`, spoils the
next event that is due anyway.
"""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sandbox import catalogue, people, workflow
from sandbox.addon import Answer
from sandbox.forge import manifest
from sandbox.forge.app import EVENT_SECONDS
from sandbox.forge.events import Event
from sandbox.forge.invocations import Slip
from sandbox.forge.life import ForgeError
from sandbox.jira import Jira
from sandbox.mishaps import MishapError, Outcome
from sandbox.world import POST_FUNCTION, Issue, Moved, Rule

Json = dict[str, Any]

_SLIPS = {
    "forge-expired": Slip("expired invocation token", timedelta(minutes=-10)),
    "forge-other-app": Slip("for another app", is_for_stranger=True),
    "forge-other-environment": Slip(
        "from a staging environment", environment_type="STAGING"
    ),
    "forge-other-endpoint": Slip("for another endpoint", endpoint="lifecycle"),
    "forge-principal": Slip(
        "an event with a principal", principal=people.ADA.account_id
    ),
    "forge-unknown-key": Slip("signed by an unknown key", has_stray_key=True),
    "forge-refused-token": Slip(
        "with a system token that Jira refuses", is_token_refused=True
    ),
}


def _slip(name: str) -> Callable[[Jira, Json], Outcome]:
    slip = _SLIPS[name]

    def spoiled(jira: Jira, given: Json) -> Outcome:
        if given.get("arm"):
            jira.forge.app.armed.append(slip)
            return Outcome(f"The next event of Forge: {slip.note}.")
        event = _event(jira, given)
        event.sent(0, slip)
        return _told(f"Sent an event for {event.issue}: {slip.note}.", event.last)

    return spoiled


def replay(jira: Jira, given: Json) -> Outcome:
    """The last accepted event again, byte for byte, its token included."""
    del given
    app = jira.forge.app
    if not app.accepted:
        raise MishapError("No event was accepted yet.")
    last = app.accepted[-1]
    answer = app.send(replace(last, note="Forge · replay"), EVENT_SECONDS)
    return _told("Sent the last accepted event once more.", answer)


def rotate_keys(jira: Jira, given: Json) -> Outcome:
    del given
    kid = jira.forge.rotate_keys()
    return Outcome(f"Forge signs with a new key from now on: {kid}.")


def revoke_tokens(jira: Jira, given: Json) -> Outcome:
    del given
    jira.forge.app.access.revoke_all()
    return Outcome("Jira refuses every access token that was handed out so far.")


def nest_payload(jira: Jira, given: Json) -> Outcome:
    app = jira.forge.app
    app.nests_payload = bool(given.get("on", not app.nests_payload))
    return Outcome(
        'Events come as {"payload": ...} now.'
        if app.nests_payload
        else "Events come as they are now."
    )


def vanish(jira: Jira, given: Json) -> Outcome:
    del given
    jira.forge.vanish()
    return Outcome("The Forge app is uninstalled, and was not told.")


def reinstall(jira: Jira, given: Json) -> Outcome:
    del given
    answers = jira.forge.install()
    did = "The Forge app was installed anew, with another installation id."
    return _told(did, answers[0]) if answers else Outcome(did)


MISHAPS: dict[str, Callable[[Jira, Json], Outcome]] = {
    **{name: _slip(name) for name in _SLIPS},
    "forge-replay": replay,
    "forge-rotate-keys": rotate_keys,
    "forge-revoke-tokens": revoke_tokens,
    "forge-nest-payload": nest_payload,
    "forge-vanish": vanish,
    "forge-reinstall": reinstall,
}


def cause(jira: Jira, name: str, given: Json) -> Outcome:
    if name != "forge-reinstall" and not jira.forge.is_installed:
        raise MishapError("The Forge app is not installed.")
    try:
        return MISHAPS[name](jira, given)
    except ForgeError as error:
        raise MishapError(str(error)) from None


def _told(did: str, answer: Answer) -> Outcome:
    return Outcome(did, answer.status, answer.text[:500])


def _event(jira: Jira, given: Json) -> Event:
    """A true one: a live rule, said to have fired on the issue's last change."""
    key = str(given.get("issue") or "DEMO-1")
    issue = jira.world.find_issue(key)
    if issue is None:
        raise MishapError(f"there is no issue {key!r}")
    made, rule = _live(jira, issue)
    module = jira.forge.app.module_of(rule)
    if module is None:
        raise MishapError("The Forge app has no post function.")
    moved = Moved(issue, made, "In Review", people.ADA)
    return jira.forge.events.post_function(moved, rule, module, str(uuid.uuid4()))


def _live(jira: Jira, issue: Issue) -> tuple[catalogue.Transition, Rule]:
    """A site without rules has something to refuse as well."""
    flow, app = workflow.of_project(jira.world, issue.project), jira.forge.app
    for made in catalogue.TRANSITIONS:
        for rule in flow.live.get(made.id, []):
            if rule.kind == POST_FUNCTION and app.takes(rule):
                return made, rule
    modules = app.modules(manifest.POST_FUNCTION)
    key = str(modules[0]["key"]) if modules else ""
    return catalogue.TRANSITIONS[3], Rule(workflow.new_id(), key, "")
