"""Every kind of audit event, and the groups that people look for them by.

An event of a kind that is not here cannot be recorded: nobody could read it, for what
kinds are called stands in a full table (`app/web/log/event_words.py`).
"""

from collections.abc import Mapping
from enum import StrEnum


class Kind(StrEnum):
    """What happened."""

    # calls to us
    VERIFICATION_ACCEPTED = "verification-accepted"
    VERIFICATION_HELD = "verification-held"
    VERIFICATION_DUPLICATE = "verification-duplicate"
    VERIFICATION_REFUSED = "verification-refused"
    PERMISSION_REFUSED = "permission-refused"
    DUPLICATES_LEFT_OUT = "duplicates-left-out"
    REFUSALS_LEFT_OUT = "refusals-left-out"
    PEOPLE_LEFT_OUT = "people-left-out"

    # what runs did
    RUN_SUCCEEDED = "run-succeeded"
    RUN_FAILED = "run-failed"
    RUN_SKIPPED = "run-skipped"
    RUN_UNCONFIRMED = "run-unconfirmed"
    RUN_DUPLICATE = "run-duplicate"
    RUN_REPLAYED = "run-replayed"
    STEP_RESOLVED = "step-resolved"
    TOKEN_MINTED = "token-minted"  # noqa: S105 -- a kind, not a token
    DELIVERY_REFUSED = "delivery-refused"
    REPORT_FAILED = "report-failed"
    TICKET_RESCUED = "ticket-rescued"

    # the site
    INSTALLED = "installed"
    INSTALL_TOO_LATE = "install-too-late"
    UNINSTALLED = "uninstalled"
    UNINSTALL_TOO_LATE = "uninstall-too-late"
    ENABLED = "enabled"
    DISABLED = "disabled"
    CONNECT_UNINSTALLED = "connect-uninstalled"
    FORGE_INSTALLED = "forge-installed"
    FORGE_UNINSTALLED = "forge-uninstalled"
    DATACENTER_ADDED = "datacenter-added"
    DATACENTER_PROVEN = "datacenter-proven"
    DATACENTER_TOKEN_RENEWED = "datacenter-token-renewed"  # noqa: S105 -- a kind
    DATACENTER_REMOVED = "datacenter-removed"
    CONDITIONS_MENDED = "conditions-mended"
    APPROVED = "approved"
    SUPERSEDED = "superseded"
    SECRET_OFFERED = "secret-offered"  # noqa: S105 -- a kind, not a secret
    SECRET_PROVEN = "secret-proven"  # noqa: S105 -- a kind
    SECRET_DROPPED = "secret-dropped"  # noqa: S105 -- a kind
    ADDRESS_REFUSED = "address-refused"
    JIRA_REFUSES_US = "jira-refuses-us"
    JIRA_ACCEPTS_US = "jira-accepts-us"
    STOPPED = "stopped"
    RESUMED = "resumed"

    # configuration
    DESTINATION_CREATED = "destination-created"
    DESTINATION_CHANGED = "destination-changed"
    DESTINATION_SECRET_RENEWED = "destination-secret-renewed"  # noqa: S105 -- a kind
    DESTINATION_PAUSED = "destination-paused"
    DESTINATION_RESUMED = "destination-resumed"
    DESTINATION_DISABLED = "destination-disabled"
    DESTINATION_RECOVERED = "destination-recovered"
    DESTINATION_DELETED = "destination-deleted"
    ANSWER_COUNTED = "answer-counted"
    ANSWER_LATE = "answer-late"
    ANSWER_MISSING = "answer-missing"
    LISTENER_CREATED = "listener-created"
    LISTENER_CHANGED = "listener-changed"
    LISTENER_SECRET_RENEWED = "listener-secret-renewed"  # noqa: S105 -- a kind
    LISTENER_RULE_SAVED = "listener-rule-saved"
    LISTENER_PAUSED = "listener-paused"
    LISTENER_RESUMED = "listener-resumed"
    LISTENER_DELETED = "listener-deleted"
    RULE_APPROVED = "rule-approved"
    RULE_APPROVAL_WITHDRAWN = "rule-approval-withdrawn"
    RULE_PAUSED = "rule-paused"
    RULE_RESUMED = "rule-resumed"
    WATCH_STOPPED = "watch-stopped"
    GATE_SOUND = "gate-sound"
    GATE_UNSOUND = "gate-unsound"
    PREFERENCES_CHANGED = "preferences-changed"

    # people
    PERSON_INVITED = "person-invited"
    PERSON_SIGNED_IN = "person-signed-in"
    SESSIONS_ENDED = "sessions-ended"
    ERASURE_WANTED = "erasure-wanted"
    ERASURE_DONE = "erasure-done"

    # keys
    KEY_CREATED = "key-created"
    KEY_ROTATED = "key-rotated"
    KEY_REVOKED = "key-revoked"

    # what left us
    EXPORTED = "exported"


class Group(StrEnum):
    """What people look for; every kind is in exactly one group."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REFUSED = "refused"
    """Calls of the site that were not served; people who may not are apart from them,
    so that they hide none."""
    PEOPLE = "people"
    RUNS = "runs"
    CHANGES = "changes"
    """Every other kind: who changed what of the site, its configuration, its keys."""


_GROUPS = {
    Kind.VERIFICATION_ACCEPTED: Group.ACCEPTED,
    Kind.VERIFICATION_HELD: Group.ACCEPTED,
    Kind.VERIFICATION_DUPLICATE: Group.DUPLICATE,
    Kind.VERIFICATION_REFUSED: Group.REFUSED,
    Kind.PERMISSION_REFUSED: Group.PEOPLE,
    Kind.DUPLICATES_LEFT_OUT: Group.DUPLICATE,
    Kind.REFUSALS_LEFT_OUT: Group.REFUSED,
    Kind.PEOPLE_LEFT_OUT: Group.PEOPLE,
    Kind.RUN_SUCCEEDED: Group.RUNS,
    Kind.RUN_FAILED: Group.RUNS,
    Kind.RUN_SKIPPED: Group.RUNS,
    Kind.RUN_UNCONFIRMED: Group.RUNS,
    Kind.RUN_DUPLICATE: Group.RUNS,
    Kind.RUN_REPLAYED: Group.RUNS,
    Kind.STEP_RESOLVED: Group.RUNS,
    Kind.TOKEN_MINTED: Group.RUNS,
    Kind.DELIVERY_REFUSED: Group.RUNS,
    Kind.REPORT_FAILED: Group.RUNS,
    Kind.TICKET_RESCUED: Group.RUNS,
}

KINDS_OF: Mapping[Group, tuple[Kind, ...]] = {
    group: tuple(kind for kind in Kind if _GROUPS.get(kind, Group.CHANGES) is group)
    for group in Group
}
"""The kinds of each group. What nobody sorted is a change: it is shown, not lost."""

CALLS = (
    Kind.VERIFICATION_ACCEPTED,
    Kind.VERIFICATION_HELD,
    Kind.VERIFICATION_DUPLICATE,
    Kind.VERIFICATION_REFUSED,
    Kind.PERMISSION_REFUSED,
)
"""Kinds that say which door a call came to."""

REFUSALS = (
    Kind.VERIFICATION_REFUSED,
    Kind.PERMISSION_REFUSED,
    Kind.REFUSALS_LEFT_OUT,
    Kind.PEOPLE_LEFT_OUT,
)
"""Kinds that carry a reason code."""

LEFT_OUT: Mapping[Kind, Kind] = {
    Kind.VERIFICATION_DUPLICATE: Kind.DUPLICATES_LEFT_OUT,
    Kind.VERIFICATION_REFUSED: Kind.REFUSALS_LEFT_OUT,
    Kind.PERMISSION_REFUSED: Kind.PEOPLE_LEFT_OUT,
}
"""What counts, in its fact `count`, those of a kind that were not written (T13)."""
