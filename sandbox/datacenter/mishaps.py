"""What goes wrong between a self-managed Jira and an add-on, at the press of a button.

Those about a call send one at once for the chosen issue or, with `arm`, spoil the next
one that is due anyway. `sender` names a webhook or a script; else it is the first that
a transition has, or the first there is.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sandbox import catalogue, people, workflow
from sandbox.addon import Answer
from sandbox.datacenter.kept import Script, Webhook, new_secret
from sandbox.datacenter.sending import Told
from sandbox.datacenter.signing import Spoil
from sandbox.jira import Jira
from sandbox.mishaps import MishapError, Outcome
from sandbox.world import POST_FUNCTION, Issue, Moved

Json = dict[str, Any]

_LATE = timedelta(minutes=-10)


def tampered_body(jira: Jira, given: Json) -> Outcome:
    """A genuine signature, and behind it a body that names another issue."""
    if given.get("arm"):
        spoil = Spoil("tampered body", body=_other_body(jira, ""))
        return _armed(jira, spoil)
    told = _told(jira, given)
    spoil = Spoil("tampered body", body=_other_body(jira, told.issue))
    return _sent(jira, told, spoil)


def stale_timestamp(jira: Jira, given: Json) -> Outcome:
    """Properly signed, and made ten minutes ago by what it says itself."""
    return _spoiled(jira, given, Spoil("stale timestamp", _LATE))


def wrong_secret(jira: Jira, given: Json) -> Outcome:
    return _spoiled(jira, given, Spoil("wrong secret", secret=new_secret()))


def send_twice(jira: Jira, given: Json) -> Outcome:
    """The last call that was taken, byte for byte."""
    del given
    sender = jira.datacenter.sender
    if not sender.accepted:
        raise MishapError("No call was accepted yet: move an issue first.")
    last = sender.accepted[-1]
    answer = jira.addon.send(replace(last, note="sent twice"))
    return _answered(f"Sent the last accepted call ({last.issue}) once more.", answer)


def revoke_pat(jira: Jira, given: Json) -> Outcome:
    """By default the one that the add-on uses."""
    access = jira.datacenter.access
    token = access.newest(people.named(str(given.get("user", "countersign"))))
    if token is None:
        raise MishapError("There is no personal access token left to revoke.")
    access.revoke(token.id)
    return Outcome(f"The personal access token “{token.name}” opens nothing any more.")


MISHAPS: dict[str, Callable[[Jira, Json], Outcome]] = {
    "dc-tampered-body": tampered_body,
    "dc-stale-timestamp": stale_timestamp,
    "dc-wrong-secret": wrong_secret,
    "dc-send-twice": send_twice,
    "dc-revoke-pat": revoke_pat,
}


def cause(jira: Jira, name: str, given: Json) -> Outcome:
    if not jira.is_datacenter:
        raise MishapError("This Jira is not self-managed.")
    return MISHAPS[name](jira, given)


def _spoiled(jira: Jira, given: Json, spoil: Spoil) -> Outcome:
    if given.get("arm"):
        return _armed(jira, spoil)
    return _sent(jira, _told(jira, given), spoil)


def _armed(jira: Jira, spoil: Spoil) -> Outcome:
    jira.datacenter.sender.armed.append(spoil)
    return Outcome(f"The next call of a webhook or a script: {spoil.note}.")


def _sent(jira: Jira, told: Told, spoil: Spoil) -> Outcome:
    answer = jira.datacenter.sender.send(told, spoil)
    return _answered(f"Sent a call for {told.issue}: {spoil.note}.", answer)


def _answered(did: str, answer: Answer) -> Outcome:
    return Outcome(did, answer.status, answer.text[:500])


def _told(jira: Jira, given: Json) -> Told:
    """A true one, as if the issue's last change had just been made."""
    issue = jira.world.find_issue(str(given.get("issue") or "DEMO-1"))
    if issue is None:
        raise MishapError(f"there is no issue {given.get('issue')!r}")
    sender, made = _live(jira, issue, str(given.get("sender") or ""))
    entry = issue.history[-1] if issue.history else None
    moved = Moved(issue, made, "In Review", people.ADA, entry)
    return jira.datacenter.sender.compose(sender, moved)


def _live(
    jira: Jira, issue: Issue, wanted: str
) -> tuple[Webhook | Script, catalogue.Transition]:
    flow, sender = workflow.of_project(jira.world, issue.project), jira.datacenter
    for made in catalogue.TRANSITIONS:
        for rule in flow.live.get(made.id, []):
            found = sender.sender.find(rule.module, rule.value)
            if rule.kind == POST_FUNCTION and found and wanted in {"", found.id}:
                return found, made
    named = [one for one in sender.kept.senders if wanted in {"", one.id}]
    if not named:
        raise MishapError("There is no webhook and no script yet: add one first.")
    return named[0], catalogue.TRANSITIONS[3]


def _other_body(jira: Jira, key: str) -> bytes:
    issues = jira.world.state.issues.values()
    other = next(issue for issue in issues if issue.key not in {key, "DEMO-1"})
    moved = Moved(other, catalogue.TRANSITIONS[3], "In Review", people.ADA)
    # whose body it is does not matter: the signature is of another one
    stray = Webhook("", "stray", "")
    return json.dumps(jira.datacenter.sender.compose(stray, moved).body).encode()
