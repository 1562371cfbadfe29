"""A destination as a preview shows it: where, and with which headers, by name (T8)."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.orm import Session

from app import destinations
from app.destinations import Delivery, Destination, DestinationState, Signing
from app.destinations.attempting import USER_AGENT
from app.destinations.connectors import connector_of
from app.destinations.events import CONTENT_TYPE
from app.rules import Rule
from app.steps.deliver import Deliver
from app.tenants import Tenant

LATER = "made when it is sent"


@dataclass(frozen=True, kw_only=True)
class Place:
    """What of a destination a preview needs; no credential is among it."""

    tenant_id: uuid.UUID
    site_url: str
    name: str
    kind: str
    settings: Mapping[str, Any]
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
        if not connector_of(self.kind).mints:
            return ()
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

    def message(self, delivery: Delivery, *, base_url: str) -> str:
        """Return the very message, made by what makes those that are sent.

        Raise `ValueError` if the destination does not take such inputs.
        """
        inputs = destinations.fitting(self.kind, self.settings, delivery.inputs)
        connector = connector_of(self.kind)
        settings = connector.settings_form.model_validate(self.settings)
        delivery = replace(delivery, inputs=inputs, site_url=self.site_url)
        return connector.body(settings, delivery, base_url=base_url)


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
    site_url = session.get_one(Tenant, tenant_id).site_url
    for step in rule.steps:
        if not isinstance(step, Deliver):
            continue
        destination = destinations.find(session, tenant_id, step.destination_id)
        if destination is not None:
            refusal = destinations.refusal(
                session, destination, project_id=project_id, rule_hash=rule_hash
            )
            found[destination.id] = _place(destination, site_url, refusal)
    return found


def _place(destination: Destination, site_url: str, refusal: str | None) -> Place:
    connector = connector_of(destination.kind)
    whole = destination.url
    if not connector.mints:
        chosen = connector.settings_form.model_validate(destination.settings)
        whole = connector.address(chosen)
    address, asked, _ = whole.partition("?")
    return Place(
        tenant_id=destination.tenant_id,
        site_url=site_url,
        name=destination.name,
        kind=destination.kind,
        settings=destination.settings,
        address=f"{address}?…" if asked else address,
        environment=destination.environment,
        signing=destination.signing,
        header_names=tuple(destination.header_names),
        is_paused=destination.state is DestinationState.PAUSED,
        refusal=refusal,
    )
