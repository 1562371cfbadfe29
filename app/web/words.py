"""What our codes are called where people read them: a full table for each."""

from collections.abc import Mapping
from typing import NamedTuple

from app.quotas import RestCause
from app.rules import Op
from app.runs import AttemptOutcome, Role, RunState, StepState, Why
from app.tokens.checks import Reason


class Shown(NamedTuple):
    """A state in words, and the tone that its lozenge has beside them."""

    words: str
    tone: str


REASONS: Mapping[Reason, str] = {
    Reason.MISSING: "It carried no token.",
    Reason.TWO_PLACES: "It carried two tokens, so nobody can say which one counts.",
    Reason.TOO_LONG: "Its token is longer than any that we read.",
    Reason.MALFORMED: "What it carried cannot be read as a token.",
    Reason.WRONG_ALGORITHM: "Its token is signed in a way that this door refuses.",
    Reason.MISSING_CLAIM: "Its token lacks something that this door asks for.",
    Reason.BAD_CLAIM: "Its token says something that cannot be meant seriously.",
    Reason.LIFETIME: "Its token is made to live longer than this door allows.",
    Reason.EXPIRED: "Its token had expired.",
    Reason.STALE: "It was made too long ago to be believed.",
    Reason.FROM_FUTURE: "Its token is dated in the future.",
    Reason.CONFUSABLE_TARGET: "Its address can be read in two ways.",
    Reason.WRONG_QSH: "Its token was made for another address.",
    Reason.WRONG_FAMILY: "Its token is genuine, but meant for another kind of call.",
    Reason.WRONG_AUDIENCE: "Its token is meant for somebody else.",
    Reason.WRONG_ISSUER: "Its token is from an issuer that is not the listener's.",
    Reason.WRONG_CLAIM: "Its token says something that the listener does not allow.",
    Reason.BAD_KEY_ID: "It names a key in a way that no key is named.",
    Reason.KEY_UNAVAILABLE: "There is no such key to check it with.",
    Reason.BAD_SIGNATURE: "Its signature is not that of who it claims to be from.",
    Reason.UNKNOWN_TENANT: "It claims to be from a site that never installed the app.",
    Reason.SECRET_UNPROVEN: "It is signed with a secret that is still to be proven.",
    Reason.TENANT_PENDING: "Its site waits for the operator's approval.",
    Reason.TENANT_UNINSTALLED: "Its site has uninstalled the app.",
    Reason.TENANT_SUPERSEDED: "Another installation has proven to be this site now.",
    Reason.SITE_NOT_ALLOWED: "It names a site that the operator does not allow.",
    Reason.BODY_MISMATCH: "What it says and what its token says are not the same.",
    Reason.TOKEN_REUSED: "Its token was used before, with other content.",
    Reason.WRONG_ENVIRONMENT: "It is from a Forge environment that may not call here.",
    Reason.WRONG_ENDPOINT: "Its token was made for another endpoint of the app.",
    Reason.HAS_PRINCIPAL: "Its token names a person, and events of Forge have none.",
    Reason.API_NOT_ALLOWED: "It names an API that the operator does not allow.",
    Reason.UNKNOWN_LISTENER: "There is no such listener, or no more.",
    Reason.LISTENER_PAUSED: "The listener that it was meant for is paused.",
    Reason.UNKNOWN_ANSWER: "It answers no run that waits for this answer.",
    Reason.WRONG_LISTENER: "The delivery's destination names another listener.",
    Reason.WRONG_PROVIDER_RUN: "It comes from another run of the build than was begun.",
    Reason.NO_SUBJECT: "Its token names no person, and this door asks for one.",
    Reason.NOT_PERMITTED: "Jira did not confirm that the person may do this.",
}

WHYS: Mapping[Why, str] = {
    Why.BROKEN_RULE: "The rule in the workflow cannot be read.",
    Why.CONDITION_ERROR: "A condition could not be decided.",
    Why.STEP_FAILED: "A step could not be carried out.",
    Why.LOOP: "Rules set each other off in a circle, so this one was stopped.",
    Why.OVER_BUDGET: "The site had more runs than its budget for an hour.",
    Why.NO_SUCH_ISSUE: "Jira does not show us the issue that the call named.",
    Why.NO_SUCH_CHANGE: "Jira's history has no such change of that issue.",
    Why.NO_SUCH_RULE: "No published workflow has this rule on that transition.",
    Why.SAME_CHANGE: "Another run carries out this rule for the same change.",
    Why.JIRA_REFUSES_US: "Jira refused the call that we signed.",
    Why.JIRA_UNREACHABLE: "Jira could not be reached.",
    Why.TENANT_GONE: "The site has uninstalled the app meanwhile.",
    Why.CANNOT_TELL: "Whether a step happened cannot be told from here.",
    Why.AWAITS_TOKEN: "Jira takes Forge's token no more; the next one is awaited.",
    Why.AWAITS_ANSWER: "It waits until the receiver says how it ended.",
    Why.AWAITS_PROOF: "It is signed with a secret that is still to be proven.",
    Why.RATE_LIMITED: "Jira takes no more calls just now; it goes on by itself.",
    Why.ISSUE_LIMITED: "Jira takes no more changes of this issue just now.",
    Why.SECRET_DROPPED: "The secret that it is signed with was never proven.",
    Why.PAUSED: "The rule is paused.",
    Why.WRONG_HOLD: "The transition did not lead into the rule's hold.",
    Why.NEVER_HEARD: "Jira's call never came; the watchdog found the issue held.",
    Why.DEADLINE: "The issue was still held when its deadline was over.",
    Why.RESTORED: "It was open in a backup, and the operator let it go no further.",
}

RESTS: Mapping[RestCause, str] = {
    RestCause.REFUSED: "Jira answered that this site was sent too many calls.",
    RestCause.NEAR: "Jira says that little is left of this site's calls.",
    RestCause.SHARE: "This site has had its share of the calls that Jira lets the app"
    " make in an hour.",
    RestCause.SILENT: "Jira gave no answer, several times in a row.",
}
"""Why no run of a site is begun for a while."""

RUN_STATES: Mapping[RunState, Shown] = {
    RunState.RECEIVED: Shown("Received", "information"),
    RunState.RUNNING: Shown("Running", "information"),
    RunState.FAILING: Shown("Failing", "warning"),
    RunState.SUCCEEDED: Shown("Succeeded", "success"),
    RunState.FAILED: Shown("Failed", "danger"),
    RunState.SKIPPED: Shown("Skipped", "neutral"),
    RunState.UNCONFIRMED: Shown("Unconfirmed", "warning"),
    RunState.DUPLICATE: Shown("Duplicate", "neutral"),
    RunState.AMBIGUOUS: Shown("Needs your answer", "warning"),
}

RUN_OUTCOMES: Mapping[RunState, str] = {
    RunState.RECEIVED: "Verified and recorded; Jira is about to be asked.",
    RunState.RUNNING: "Jira confirmed the change; the steps are under way.",
    RunState.FAILING: "The rule's failure steps are under way.",
    RunState.SUCCEEDED: "Every step is done.",
    RunState.FAILED: "The rule could not be carried out.",
    RunState.SKIPPED: "The rule's conditions did not hold, so nothing was to be done.",
    RunState.UNCONFIRMED: "Jira did not confirm what the call said. Nothing was done.",
    RunState.DUPLICATE: "Nothing was to be done.",
    RunState.AMBIGUOUS: "Please look whether a step happened, and say so below.",
}
"""What a run's state means, where nothing more exact is known."""

STEP_STATES: Mapping[StepState, Shown] = {
    StepState.PENDING: Shown("To do", "neutral"),
    StepState.BEGUN: Shown("Under way", "information"),
    StepState.DONE: Shown("Done", "success"),
    StepState.FAILED: Shown("Failed", "danger"),
    StepState.WAITING: Shown("Waiting for the answer", "information"),
    StepState.AMBIGUOUS: Shown("Unclear", "warning"),
}

NOT_REACHED = Shown("Not reached", "neutral")
"""A step that the run left behind when it failed: it is not to do any more."""

ROLES: Mapping[Role, str] = {
    Role.STEP: "Step",
    Role.ON_SUCCESS: "On success",
    Role.ON_FAILURE: "On failure",
}

OUTCOMES: Mapping[AttemptOutcome, str] = {
    AttemptOutcome.DONE: "done",
    AttemptOutcome.REFUSED: "refused",
    AttemptOutcome.RETRY: "did not happen this time",
    AttemptOutcome.UNKNOWN: "no clear answer",
}

NO_OUTCOME = "no outcome noted"
"""Of an attempt that is under way, or whose worker was killed."""

OPERATORS: Mapping[Op, str] = {
    Op.EQUALS: "equals",
    Op.NOT_EQUALS: "does not equal",
    Op.CONTAINS: "contains",
    Op.NOT_CONTAINS: "does not contain",
    Op.IS_EMPTY: "is empty",
    Op.IS_NOT_EMPTY: "is not empty",
    Op.GREATER: "is greater than",
    Op.LESS: "is less than",
    Op.MATCHES: "matches the pattern",
}

ROUTES: Mapping[str, str] = {
    "triggered.triggered": "A transition's call",
    "lifecycle.installed": "An installation",
    "lifecycle.uninstalled": "An uninstallation",
    "notices.enabled": "A notice that the app is enabled",
    "notices.disabled": "A notice that the app is disabled",
    "pages.shell": "A page opened in Jira",
    "issue_page.shell": "The panel of an issue opened in Jira",
    "tickets.fetch": "A download",
    "listening.hear": "A listener's call",
    "datacenter_session.renew": "A session on our pages, renewed",
    "forge_post_function.triggered_by_forge": "A transition's call, by Forge",
    "forge_lifecycle.installed": "An installation or new version, by Forge",
    "forge_tick.still_there": "Forge's hourly event",
    "forge_pre_uninstall.removed": "A removal, by Forge",
}

OUR_PAGES = "A call of one of our pages"


def reason(code: object) -> str:
    """Say why a call was refused, from what the audit kept of it."""
    return REASONS[Reason(str(code))] if code in list(Reason) else str(code)


def route(endpoint: object) -> str:
    """Say which door a call came to."""
    return ROUTES.get(str(endpoint), OUR_PAGES)


def sentence(text: str) -> str:
    """Return a message of ours as a sentence; a key that it starts with stays as is."""
    first = text.partition(" ")[0]
    start = text[:1] if first.endswith(":") else text[:1].upper()
    end = "" if text.endswith((".", "!", "?")) else "."
    return f"{start}{text[1:]}{end}" if text else ""


def took(duration_ms: int) -> str:
    """Say how long something took, as exactly as anybody wants to know."""
    if duration_ms < SECOND_MS:
        return f"{duration_ms} ms"
    return f"{duration_ms / SECOND_MS:.1f} s"


SECOND_MS = 1000
