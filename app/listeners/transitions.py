"""Transitions of a self-managed Jira, as the site itself reports them (ADR 21).

There is no app in such a Jira that would sign its calls, so the site's admin says here
which transition it is, and how the site proves itself: by the signature that its own
webhooks have, or by a token that a script of his makes. The rule is the listener's own,
since no signature of a webhook covers the address that could choose one.
"""

from typing import Annotated

from pydantic import Field

from app.listeners.defining import Definition, Line, Own, PublicKeyText
from app.listeners.tables import Proof

LONGEST = 5
"""Minutes that a token of such a script may live."""

StatusName = Annotated[str, Field(max_length=255)]

_MINUTES = Field(
    default=3,
    ge=1,
    le=LONGEST,
    title="Longest lifetime",
    description="Minutes that a token may live. Short is safe.",
)


class Transition(Definition):
    """Which transition its calls report; what they report besides is not its own."""

    workflow: Line = Field(
        title="Workflow", description="Its name, as Jira's list of workflows has it."
    )
    transition_id: str = Field(
        title="Transition's number",
        description="It stands in brackets behind the transition's name, in the text"
        " view of the workflow.",
        pattern=r"^[0-9]{1,19}$",
    )
    transition: Line = Field(title="Transition", description="Its name.")
    from_status: StatusName = Field(
        default="",
        title="From status",
        description="Its name. Empty: from any status.",
    )
    to_status: Line = Field(title="To status", description="Its name.")


class WebhookProof(Transition):
    """A webhook of Jira's own, with a secret: also the post function that sends one."""

    proof = Proof.JIRA_WEBHOOK


class TransitionSecretProof(Own, Transition):
    """A script in Jira that makes tokens with a secret that we made."""

    proof = Proof.JIRA_SECRET

    max_minutes: int = _MINUTES


class TransitionKeyProof(Own, Transition):
    """A script in Jira that makes tokens with a key pair of its own."""

    proof = Proof.JIRA_KEY

    max_minutes: int = _MINUTES
    public_key: PublicKeyText
