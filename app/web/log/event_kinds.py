"""Every kind of audit event in words: a full table, so that no event goes unread."""

from collections.abc import Mapping

from app.audit import Kind
from app.runs import RunState
from app.web import words
from app.web.log import event_sentences as said
from app.web.log.event_sentences import Told
from app.web.log.site_kinds import SITES


def _run(state: RunState) -> Told:
    named = words.RUN_STATES[state]
    return Told(f"Run {named.words.lower()}", named.tone, said.ended(state))


KINDS: Mapping[Kind, Told] = {
    Kind.VERIFICATION_ACCEPTED: Told("Verified", "success", said.accepted),
    Kind.VERIFICATION_HELD: Told("Stored", "information", said.held),
    Kind.VERIFICATION_DUPLICATE: Told("Duplicate", "neutral", said.duplicate),
    Kind.VERIFICATION_REFUSED: Told("Refused", "danger", said.refused),
    Kind.PERMISSION_REFUSED: Told("Not permitted", "warning", said.refused),
    Kind.DUPLICATES_LEFT_OUT: Told("More duplicates", "neutral", said.left_out),
    Kind.REFUSALS_LEFT_OUT: Told("More refused", "danger", said.left_out),
    Kind.PEOPLE_LEFT_OUT: Told("More not permitted", "warning", said.left_out),
    Kind.RUN_SUCCEEDED: _run(RunState.SUCCEEDED),
    Kind.RUN_FAILED: _run(RunState.FAILED),
    Kind.RUN_SKIPPED: _run(RunState.SKIPPED),
    Kind.RUN_UNCONFIRMED: _run(RunState.UNCONFIRMED),
    Kind.RUN_DUPLICATE: _run(RunState.DUPLICATE),
    Kind.RUN_REPLAYED: Told("Replayed", "information", said.replayed),
    Kind.STEP_RESOLVED: Told("Step answered for", "information", said.resolved),
    Kind.TOKEN_MINTED: Told("Token signed", "neutral", said.minted),
    Kind.DELIVERY_REFUSED: Told("Delivery not allowed", "danger", said.not_sent),
    Kind.REPORT_FAILED: Told("Report not taken", "warning", said.not_told),
    Kind.TICKET_RESCUED: Told(
        "Ticket rescued",
        "warning",
        "The watchdog found {issue} stuck in its hold, and began what the rule “{rule}”"
        " does on failure.",
    ),
    **SITES,
    Kind.DESTINATION_CREATED: Told(
        "Destination added", "information", "The destination “{name}” was added."
    ),
    Kind.DESTINATION_CHANGED: Told("Destination changed", "information", said.moved),
    Kind.DESTINATION_SECRET_RENEWED: Told(
        "Secret renewed",
        "information",
        "The destination “{name}” was given a new secret.",
    ),
    Kind.DESTINATION_PAUSED: Told(
        "Destination paused",
        "warning",
        "The destination “{name}” was paused. Its deliveries wait.",
    ),
    Kind.DESTINATION_RESUMED: Told(
        "Destination resumed",
        "information",
        "The destination “{name}” was resumed.",
    ),
    Kind.DESTINATION_DISABLED: Told(
        "Destination disabled",
        "danger",
        said.because("The destination “{name}” was disabled."),
    ),
    Kind.DESTINATION_RECOVERED: Told(
        "Destination recovered",
        "success",
        "A destination that had failed takes deliveries again.",
    ),
    Kind.DESTINATION_DELETED: Told(
        "Destination deleted",
        "warning",
        "The destination “{name}” was deleted, and its secrets with it.",
    ),
    Kind.ANSWER_COUNTED: Told(
        "Answer heard",
        "success",
        "A listener said how a delivery ended: {result}. Its run goes on.",
    ),
    Kind.ANSWER_LATE: Told(
        "Late answer",
        "warning",
        "A listener said how a delivery ended: {result}. Its step had ended before, so"
        " it changed nothing.",
    ),
    Kind.ANSWER_MISSING: Told(
        "No answer",
        "danger",
        "A rule waited for an answer, and none came in time. Its step failed.",
    ),
    Kind.LISTENER_CREATED: Told(
        "Listener added", "information", "The listener “{name}” was added."
    ),
    Kind.LISTENER_CHANGED: Told(
        "Listener changed", "information", "The listener “{name}” was changed."
    ),
    Kind.LISTENER_SECRET_RENEWED: Told(
        "Secret of a listener renewed",
        "information",
        "The listener “{name}” was given a new secret.",
    ),
    Kind.LISTENER_RULE_SAVED: Told(
        "Rule saved",
        "information",
        "The rule of the listener “{name}” was saved as version {version}.",
    ),
    Kind.LISTENER_PAUSED: Told(
        "Listener paused",
        "warning",
        "The listener “{name}” was paused. Its calls are refused.",
    ),
    Kind.LISTENER_RESUMED: Told(
        "Listener resumed", "information", "The listener “{name}” was resumed."
    ),
    Kind.LISTENER_DELETED: Told(
        "Listener deleted",
        "warning",
        "The listener “{name}” was deleted, and its secret with it.",
    ),
    Kind.RULE_APPROVED: Told(
        "Rule approved",
        "information",
        "A rule was approved for the protected destination “{name}”.",
    ),
    Kind.RULE_APPROVAL_WITHDRAWN: Told(
        "Approval withdrawn",
        "warning",
        "The approval of a rule for the destination “{name}” was taken back.",
    ),
    Kind.RULE_PAUSED: Told(
        "Rule paused", "warning", "The rule “{rule}” was paused: it does nothing."
    ),
    Kind.RULE_RESUMED: Told(
        "Rule resumed", "information", "The rule “{rule}” was resumed."
    ),
    Kind.WATCH_STOPPED: Told(
        "Rescue stopped",
        "danger",
        said.because("The watchdog stopped for the rule “{rule}”."),
    ),
    Kind.GATE_SOUND: Told(
        "Gate is shut",
        "success",
        "Every way out of the hold of the rule “{rule}” is shut to others.",
    ),
    Kind.GATE_UNSOUND: Told(
        "Gate is open", "danger", said.because("The gate of the rule “{rule}” is open.")
    ),
    Kind.PREFERENCES_CHANGED: Told("Settings changed", "information", said.preferences),
    Kind.PERSON_INVITED: Told(
        "Sign-in link made",
        "information",
        "The operator made a sign-in link to these pages for the user {account}.",
    ),
    Kind.PERSON_SIGNED_IN: Told(
        "Signed in", "information", "A sign-in link of the operator's was used."
    ),
    Kind.SESSIONS_ENDED: Told(
        "Sessions ended", "warning", "The operator ended all sessions on these pages."
    ),
    Kind.ERASURE_WANTED: Told(
        "Erasure asked for",
        "information",
        "Somebody asked that one person's account id be erased.",
    ),
    Kind.ERASURE_DONE: Told(
        "Erasure done", "success", "One person's account id was erased."
    ),
    Kind.KEY_CREATED: Told(
        "Keys made", "information", "The site was given its first two signing keys."
    ),
    Kind.KEY_ROTATED: Told(
        "Key rotated", "information", "The next signing key signs from now on."
    ),
    Kind.KEY_REVOKED: Told("Key revoked", "danger", said.revoked),
    Kind.EXPORTED: Told("Downloaded", "information", "The file {file} was downloaded."),
}
