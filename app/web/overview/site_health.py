"""How a site is, in one sentence: the worst thing first, and what to do about it."""

from collections.abc import Callable, Sequence

from app.destinations import DestinationState
from app.web.overview.sentences import Health, Next, names
from app.web.overview.site_state import State, Troubled


def health(state: State) -> Health:
    """Say the worst thing that is so, and what to do next."""
    for judge in _WORST_FIRST:
        if found := judge(state):
            return found
    return _working(state)


def _halted(state: State) -> Health | None:
    if state.halted_since is None:
        return None
    return Health(
        sentence="The operator has stopped Countersign for this site.",
        tone="warning",
        detail=f"{_reason(state.halted_because)} Calls are still verified, recorded and"
        " answered; what they are to set off waits, and follows in its order once the"
        " operator lets it go on.",
        since=state.halted_since,
    )


def _reason(because: str) -> str:
    if not because:
        return "No reason was given: ask the operator."
    return f"The operator's reason: {because}"


def _refused_by_jira(state: State) -> Health | None:
    if state.refuses_since is None:
        return None
    mend, step = _mended_by(state)
    return Health(
        sentence="Jira accepts no call of Countersign's.",
        tone="danger",
        detail=f"{state.refuses_because} Issues in a hold stay there until that is"
        " mended, or until somebody with the role of the workflow's condition moves"
        f" them. {mend}".strip(),
        since=state.refuses_since,
        next=step,
    )


def _mended_by(state: State) -> tuple[str, Next]:
    if state.is_self_managed:
        mend = (
            "If its personal access token has ended, make another one in Jira, and have"
            " the operator renew it: countersign tenants renew-token."
        )
        address = f"{state.site}/secure/ViewProfile.jspa"
        return mend, Next("See the tokens in Jira", address)
    mend = "Installing the app again gives both sides a new secret."
    # Where Jira Cloud has its "Manage apps": its own links lead there, too.
    address = f"{state.site}/plugins/servlet/upm"
    return mend, Next("Install it again in Jira", address)


def _not_watched(state: State) -> Health | None:
    if state.late_since is None:
        return None
    return Health(
        sentence="The watchdog has not looked after held issues lately.",
        tone="danger",
        detail="It is part of Countersign's worker. While that stands still, calls are"
        " verified and recorded, and nothing is carried out. Ask the operator to look.",
        since=state.late_since,
    )


def _overdue(state: State) -> Health | None:
    if not state.overdue:
        return None
    return Health(
        sentence="One issue is past the deadline of its hold."
        if state.overdue == 1
        else f"{state.overdue} issues are past the deadline of their hold.",
        tone="danger",
        next=Next("See the rules that hold", "#/rules"),
    )


def _stopped(state: State) -> Health | None:
    if not state.stopped:
        return None
    return Health(
        sentence=f"The watchdog has stopped for {names(state.stopped, 'rules')}.",
        tone="danger",
        detail="It moved too many issues at once, and waits for a person to say go on.",
        next=Next("Look at it and let it go on", "#/rules"),
    )


def _rests(state: State) -> Health | None:
    if state.rests_until is None:
        return None
    return Health(
        sentence=f"Runs wait until {state.rests_until:%H:%M} UTC.",
        tone="warning",
        detail=f"{state.rests_because} Calls are still verified, recorded and answered;"
        " what they are to set off follows in its order.",
        next=Next("See the runs that wait", "#/runs?state=open"),
    )


def _offered(state: State) -> Health | None:
    told = state.offered
    if told is None:
        return None
    return Health(
        sentence=told.sentence,
        tone=told.tone,
        detail=told.detail,
        since=told.since,
        next=Next(*told.next(state.site)),
    )


def _unanswered(state: State) -> Health | None:
    if not state.unanswered:
        return None
    more = "More than " if state.is_cut else ""
    needs = (
        "One run needs"
        if state.unanswered == 1
        else f"{more}{state.unanswered} runs need"
    )
    return Health(
        sentence=f"{needs} your answer.",
        tone="warning",
        detail="Countersign cannot find out whether a step happened. Until somebody"
        " says so, nothing more is done for these issues.",
        next=Next("Look and answer", "#/runs?state=ambiguous"),
    )


def _destinations(state: State) -> Health | None:
    for words, tone, which in _TROUBLES:
        found = [each for each in state.troubled if which(each)]
        if found:
            is_one = len(found) == 1
            named = names([each.name for each in found], "destinations")
            return Health(
                sentence=f"{named[:1].upper()}{named[1:]} {words(is_one)}.",
                tone=tone,
                next=Next("See what it answered", f"#/destinations/{found[0].id}")
                if is_one
                else Next("See the destinations", "#/destinations"),
            )
    return None


def _unsound(state: State) -> Health | None:
    if not state.unsound:
        return None
    named = names(state.unsound, "rules")
    return Health(
        sentence=f"The gate of {named} is open."
        if len(state.unsound) == 1
        else f"The gates of {named} are open.",
        tone="warning",
        detail="Others than Countersign can move issues out of the hold.",
        next=Next("See which ways are open", "#/rules"),
    )


def _refused(state: State) -> Health | None:
    if not state.refused:
        return None
    calls = (
        "One call of this site was"
        if state.refused == 1
        else f"{state.refused:,} calls of this site were"
    )
    return Health(
        sentence=f"{calls} refused in the last 24 hours.",
        tone="warning",
        detail="A refused call changes nothing in Jira.",
        next=Next("See why", "#/log?what=refused&period=24h"),
    )


def _failed(state: State) -> Health | None:
    if not state.failed:
        return None
    runs = "One run" if state.failed == 1 else f"{state.failed:,} runs"
    return Health(
        sentence=f"{runs} failed in the last 24 hours, and {state.succeeded:,}"
        " succeeded.",
        tone="warning",
        next=Next("See why", "#/runs?state=failed&period=24h"),
    )


def _without_rules(state: State) -> Health | None:
    if state.has_rules or state.has_runs:
        return None
    if state.is_self_managed:
        return Health(
            sentence="Jira answers Countersign, and no listener has a rule yet.",
            tone="information",
            next=Next("Add a listener for a transition", "#/listeners"),
        )
    return Health(
        sentence="Countersign is installed, and no workflow has a rule of it yet.",
        tone="information",
        next=Next("See how to add a rule", "#/rules"),
    )


def _without_runs(state: State) -> Health | None:
    if state.has_runs:
        return None
    return Health(
        sentence="A rule is in place, and no issue has gone through its transition"
        " yet.",
        tone="information",
        next=Next("See where", "#/rules"),
    )


def _working(state: State) -> Health:
    if not (state.verified or state.succeeded):
        return Health(
            sentence="Nothing is wrong, and nothing happened in the last 24 hours.",
            tone="success",
        )
    calls = "call was" if state.verified == 1 else "calls were"
    runs = "run" if state.succeeded == 1 else "runs"
    return Health(
        sentence=f"All is well: in the last 24 hours {state.verified:,} {calls}"
        f" verified and {state.succeeded:,} {runs} succeeded.",
        tone="success",
    )


_WORST_FIRST: Sequence[Callable[[State], Health | None]] = (
    _halted,
    _refused_by_jira,
    _not_watched,
    _overdue,
    _stopped,
    _rests,
    _offered,
    _unanswered,
    _destinations,
    _unsound,
    _refused,
    _failed,
    _without_rules,
    _without_runs,
)

_TROUBLES: Sequence[tuple[Callable[[bool], str], str, Callable[[Troubled], bool]]] = (
    (
        lambda is_one: f"{'was' if is_one else 'were'} disabled",
        "danger",
        lambda each: each.state is DestinationState.DISABLED,
    ),
    (
        lambda is_one: f"{'is' if is_one else 'are'} not reached now",
        "danger",
        lambda each: each.state is DestinationState.ACTIVE and not each.is_reached,
    ),
    (
        lambda is_one: f"{'is' if is_one else 'are'} failing",
        "warning",
        lambda each: each.state is DestinationState.ACTIVE,
    ),
)
