"""Sentences of audit events that depend on their facts; any of these may be missing."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from app.audit import Value
from app.runs import RunState, Why
from app.web import words

Facts = Mapping[str, Value]


class Told(NamedTuple):
    """How a kind is told: its name beside a tone, and its sentence.

    A text names facts in braces; one that was not noted is said to be missing.
    """

    name: str
    tone: str
    text: str | Callable[[Facts], str]


class Known(dict[str, Value]):
    """The facts that there are; one that is not there is said to be missing."""

    def __missing__(self, name: str) -> str:
        return "(not noted)"


def _call(facts: Facts) -> str:
    """Name the door of a call, as the subject of a sentence."""
    return words.route(facts.get("route"))


def accepted(facts: Facts) -> str:
    number = facts.get("secret_generation")
    by = f", signed with shared secret number {number}" if number else ""
    return f"{_call(facts)} was verified{by}."


def held(facts: Facts) -> str:
    return (
        f"{_call(facts)} is signed with a secret that is still to be proven. It was"
        " stored, and is carried out once the secret is."
    )


def forge_installed(facts: Facts) -> str:
    how = {
        "linked": "It is the site that has the Connect app, and keeps all that it had.",
        "re-installed": "It had the app before, and keeps all that it had.",
    }
    words_of = how.get(str(facts.get("how")), "")
    return f"The app was installed at {facts.get('base_url')}. {words_of}".rstrip()


def duplicate(facts: Facts) -> str:
    return f"{_call(facts)} came again: it was answered, not carried out twice."


def refused(facts: Facts) -> str:
    return f"{_call(facts)} was refused. {words.reason(facts.get('reason'))}"


def left_out(facts: Facts) -> str:
    """Say how many were like those before, so that what is not written is counted."""
    count = facts.get("count")
    more = f"{count} more calls like this were" if count != 1 else "1 more was"
    since = str(facts.get("since", ""))[:16].replace("T", " ")
    reason = facts.get("reason")
    why = f" {words.reason(reason)}" if reason else ""
    return f"{more} counted and not written, from {since} UTC on.{why}"


def ended(state: RunState) -> Callable[[Facts], str]:
    def text(facts: Facts) -> str:
        why = facts.get("why")
        known = why in list(Why) and state is not RunState.SUCCEEDED
        return words.WHYS[Why(str(why))] if known else words.RUN_OUTCOMES[state]

    return text


def minted(facts: Facts) -> str:
    is_test = str(facts.get("sub", "")).endswith(":test")
    what = "A test delivery" if is_test else "One try at a delivery"
    return f"{what} to {facts.get('aud', 'a destination')} was signed."


def not_sent(facts: Facts) -> str:
    return f"A delivery was not made. {words.sentence(str(facts.get('reason', '')))}"


def not_told(facts: Facts) -> str:
    why = words.sentence(str(facts.get("reason", "")))
    return f"What shows runs was not told how one ended. {why}"


def resolved(facts: Facts) -> str:
    if facts.get("happened"):
        return "A person looked and said that the step in doubt happened."
    return "A person looked and said that the step in doubt is to be done again."


def replayed(facts: Facts) -> str:
    what = "One delivery of a run" if facts.get("step") else "A run"
    return f"{what} was made again, as a new run."


def moved(facts: Facts) -> str:
    cleared = " Its secret and headers were cleared." if facts.get("cleared") else ""
    return f"The destination “{facts.get('name')}” was changed.{cleared}"


def because(start: str) -> Callable[[Facts], str]:
    def text(facts: Facts) -> str:
        reason = words.sentence(str(facts.get("because") or ""))
        return f"{start.format_map(Known(facts))} {reason}".rstrip()

    return text


def revoked(facts: Facts) -> str:
    if facts.get("scope") == "all":
        return "All signing keys were revoked; two new ones take their place."
    return "The active signing key was revoked; the next one signs."


_PREFERENCES = {
    "run_days": "days that runs are kept",
    "audit_days": "days that this log is kept",
    "exchange_days": "days that sent and answered messages are kept",
    "notice_to": "number of addresses for notices",
    "on_call_role": "role of on-call people",
}


def preferences(facts: Facts) -> str:
    changed = [
        f"{meant}: {_value(facts.get(f'{name}_before'))} → {_value(facts[name])}"
        for name, meant in _PREFERENCES.items()
        if name in facts
    ]
    return f"Settings were changed: {'; '.join(changed) or 'see its facts'}."


def _value(value: Value) -> str:
    return "none" if value is None else str(value)
