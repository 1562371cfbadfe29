"""Audit events in words: what each is called, what happened, what its facts are."""

from collections.abc import Mapping

from app.audit import Event, Kind, Value
from app.runs import Why
from app.tokens.checks import Reason
from app.web import words
from app.web.log import event_sentences as said
from app.web.log.event_kinds import KINDS
from app.web.log.event_sentences import Told
from app.web.words import Shown

UNKNOWN = "Something that this version of Countersign has no words for."


def shown(event: Event) -> Shown:
    """Name what an event is, with the tone of its lozenge."""
    told = _told(event)
    return Shown(told.name, told.tone) if told else Shown(event.kind, "neutral")


def sentence(event: Event) -> str:
    """Say what happened, in a sentence or two."""
    told = _told(event)
    if told is None:
        return UNKNOWN
    if callable(told.text):
        return told.text(event.facts)
    return told.text.format_map(said.Known(event.facts))


def who(actor: str) -> str:
    """Say who did it; of a person only the account id is known."""
    return _ACTORS.get(actor, actor)


def label(name: str) -> str:
    """Say what a fact of an event is."""
    return LABELS.get(name, name.replace("_", " ").capitalize())


def meaning(name: str, value: Value) -> str:
    """Say what a code among the facts means; empty for what speaks for itself."""
    if name == "route":
        return words.route(value)
    if name == "reason" and value in list(Reason):
        return words.REASONS[Reason(str(value))]
    if name == "why" and value in list(Why):
        return words.WHYS[Why(str(value))]
    return ""


def _told(event: Event) -> Told | None:
    # Events are kept for years, and an older version may have had other kinds.
    return KINDS[Kind(event.kind)] if event.kind in list(Kind) else None


LABELS: Mapping[str, str] = {
    "account": "User",
    "age": "Age of its token, in seconds",
    "aud": "Audience",
    "base_url": "Site",
    "because": "Because",
    "count": "How many",
    "detail": "Exactly",
    "expires_at": "Its token expires",
    "endpoint": "Endpoint of the manifest",
    "how": "How it was known",
    "installation": "Installation",
    "issued_at": "Its token was made",
    "jti": "Token id",
    "kid": "Key id",
    "qsh": "Address that it was made for",
    "reason": "Reason",
    "route": "Door",
    "rule_version": "Version of the rule",
    "secret_generation": "Shared secret number",
    "signing": "Signed by",
    "since": "From",
    "sub": "Subject",
    "subject": "Person in session",
    "unproven": "Secret to be proven",
    "why": "Why",
}
"""What facts are called; the others by their own names."""

_ACTORS = {
    "countersign": "Countersign",
    "erased": "Somebody whose id was erased",
    "jira": "Jira",
    "listener": "A listener",
    "operator": "The operator",
    "unproven": "Nobody proven",
}
