"""A destination as a preview shows it: where, and with which headers, by name (T8)."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app import destinations
from app.destinations import Destination, DestinationState, Signing
from app.destinations.events import CONTENT_TYPE
from app.destinations.sending import USER_AGENT
from app.rules import Rule
from app.steps.deliver import Deliver

LATER = "made when it is sent"


@dataclass(frozen=True, kw_only=True)
class Place:
    """What of a destination a preview needs; no credential is among it."""

    tenant_id: uuid.UUID
    name: str
    address: str
    """Without its query, which is a credential at many receivers."""
    environment: str
    signing: Signing
    header_names: Sequence[str]
    is_paused: bool
    refusal: str | None
    """Why nothing of this rule and project may go there, if so (rule T7)."""

    def headers(self, delivery_id: str) -> Sequence[tuple[str, str]]:
        """Return a delivery's headers, without what proves it ours and no secret."""
        own = [(name, "kept by Countersign") for name in self.header_names]
        if self.signing is Signing.WEBHOOK:
            proof = [("webhook-timestamp", LATER), ("webhook-signature", LATER)]
        else:
            proof = [("Authorization", f"Bearer (a token, {LATER})")]
        return (
            *own,
            ("Content-Type", CONTENT_TYPE),
            ("User-Agent", USER_AGENT),
            ("Idempotency-Key", delivery_id),
            ("webhook-id", delivery_id),
            *proof,
        )


def read(
    session: Session,
    tenant_id: uuid.UUID,
    rule: Rule,
    *,
    rule_hash: str,
    project_id: str,
) -> Mapping[uuid.UUID, Place]:
    """Read those of the tenant's own destinations that the rule names (rule T5)."""
    found = {}
    for step in rule.steps:
        if not isinstance(step, Deliver):
            continue
        destination = destinations.find(session, tenant_id, step.destination_id)
        if destination is not None:
            refusal = destinations.refusal(
                session, destination, project_id=project_id, rule_hash=rule_hash
            )
            found[destination.id] = _place(destination, refusal)
    return found


def _place(destination: Destination, refusal: str | None) -> Place:
    address, asked, _ = destination.url.partition("?")
    return Place(
        tenant_id=destination.tenant_id,
        name=destination.name,
        address=f"{address}?…" if asked else address,
        environment=destination.environment,
        signing=destination.signing,
        header_names=tuple(destination.header_names),
        is_paused=destination.state is DestinationState.PAUSED,
        refusal=refusal,
    )
