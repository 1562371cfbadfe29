"""Every kind of audit event in words: a full table, so that no event goes unread."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from app.audit import Kind
from app.runs import RunState
from app.web import words
from app.web.log import event_sentences as said
from app.web.log.event_sentences import Facts


class Told(NamedTuple):
    """How a kind is told: its name beside a tone, and its sentence.

    A text names facts in braces; one that was not noted is said to be missing.
    """

    name: str
    tone: str
    text: str | Callable[[Facts], str]


def _run(state: RunState) -> Told:
    named = words.RUN_STATES[state]
    return Told(f"Run {named.words.lower()}", named.tone, said.ended(state))


STOPPED = (
    "The operator stopped Countersign for this site: calls are verified and recorded,"
    " nothing is carried out."
)

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
    Kind.INSTALLED: Told(
        "Installed",
        "success",
        "The app was installed at {base_url}, with shared secret number"
        " {secret_generation}.",
    ),
    Kind.INSTALL_TOO_LATE: Told(
        "Late install",
        "warning",
        "An installation arrived that is older than the last one. It changed nothing.",
    ),
    Kind.UNINSTALLED: Told(
        "Uninstalled",
        "warning",
        "The app was uninstalled. Every shared secret ended, and nothing is signed.",
    ),
    Kind.UNINSTALL_TOO_LATE: Told(
        "Late uninstall",
        "warning",
        "An uninstallation arrived that is older than the last change. It changed"
        " nothing.",
    ),
    Kind.ENABLED: Told("Enabled", "success", "Jira says that the app is enabled."),
    Kind.DISABLED: Told(
        "Disabled",
        "warning",
        "Jira says that the app is disabled. Calls that come are still served.",
    ),
    Kind.CONNECT_UNINSTALLED: Told(
        "Connect app removed",
        "information",
        "The Connect app was uninstalled. The site is served through Forge.",
    ),
    Kind.FORGE_INSTALLED: Told("Installed by Forge", "success", said.forge_installed),
    Kind.FORGE_UNINSTALLED: Told(
        "Forge app removed",
        "warning",
        "The Forge app is being removed. The site is served through Connect.",
    ),
    Kind.DATACENTER_ADDED: Told(
        "Site added",
        "information",
        "The operator added the self-managed site at {base_url}. It waits until its"
        " Jira has answered us.",
    ),
    Kind.DATACENTER_PROVEN: Told(
        "Site proven",
        "success",
        "Jira answered a call of ours at {base_url}. The site is let in; there we act"
        " as the user {account}.",
    ),
    Kind.DATACENTER_TOKEN_RENEWED: Told(
        "Token renewed",
        "information",
        "The operator replaced the personal access token. It is number {number}, of the"
        " user {account}; the one before opens nothing of ours any more.",
    ),
    Kind.DATACENTER_REMOVED: Told(
        "Site removed",
        "warning",
        "The operator removed the self-managed site at {base_url}. Its token is"
        " forgotten, and nothing is signed.",
    ),
    Kind.CONDITIONS_MENDED: Told(
        "Conditions mended",
        "information",
        "Conditions of holds named the account of the Connect app. Now they name the"
        " one that Countersign acts as: {count} of them.",
    ),
    Kind.APPROVED: Told("Approved", "success", "The operator let this site in."),
    Kind.SUPERSEDED: Told(
        "Superseded",
        "warning",
        "Another installation has proven to be {base_url} now. This one stopped"
        " calling and signing.",
    ),
    Kind.SECRET_OFFERED: Told(
        "Secret offered",
        "information",
        "An installation came, for {base_url}, with a secret that is to be proven:"
        " Jira has to answer a call of ours that is signed with it. Until then the one"
        " before counts.",
    ),
    Kind.SECRET_PROVEN: Told(
        "Secret proven",
        "success",
        "Jira answered, at {base_url}, a call that is signed with the secret that it"
        " offered. It counts from now on, as shared secret number {secret_generation};"
        " the one before is accepted for {grace_minutes} minutes more.",
    ),
    Kind.SECRET_DROPPED: Told(
        "Secret dropped",
        "warning",
        said.because(
            "The secret that an installation for {base_url} offered was dropped, and"
            " the one before goes on to count."
        ),
    ),
    Kind.ADDRESS_REFUSED: Told(
        "Address refused",
        "danger",
        "An installation of this site names {base_url}, which is the address of"
        " another site that has the app. It is not taken over.",
    ),
    Kind.JIRA_REFUSES_US: Told(
        "Jira refuses us",
        "danger",
        said.because("Jira accepts no call of Countersign's."),
    ),
    Kind.JIRA_ACCEPTS_US: Told(
        "Jira accepts us", "success", "Jira accepts Countersign's calls again."
    ),
    Kind.STOPPED: Told("Stopped", "warning", said.because(STOPPED)),
    Kind.RESUMED: Told(
        "Resumed", "success", "The operator let Countersign go on for this site."
    ),
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
