"""What is stored of a destination: what the admin chose, and how it has been lately."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.vault import Owner


class Signing(StrEnum):
    """How a receiver can tell that a delivery is ours."""

    KEY_SET = "key-set"
    """RS256 by the tenant's key set: the receiver stores no secret at all."""
    SECRET = "secret"  # noqa: S105 -- the word, not a secret
    """HS256 with a secret of this destination alone."""
    WEBHOOK = "standard-webhooks"
    """Standard Webhooks' HMAC, with a secret of this destination alone."""


class Pace(StrEnum):
    """How long a delivery that fails is tried again."""

    NOTIFY = "notify"
    """For a day: late news is still news."""
    DEPLOY = "deploy"
    """For a quarter of an hour: a deployment three hours late is harm."""


class DestinationState(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    """By an admin; deliveries wait as long as their pace allows."""
    DISABLED = "disabled"
    """By us, because it failed for days or said that it is gone."""
    DELETED = "deleted"
    """Kept, without its secrets, for the runs that name it."""


class Destination(Base):
    """An external system that a tenant's admin set up; designers only choose it."""

    __tablename__ = "destination"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tenant.id"))
    name: Mapped[str]
    kind: Mapped[str] = mapped_column(sa.String(32))
    """What sort of system it is: a key of `connectors.CONNECTORS`."""
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """What its kind lets an admin choose; no credential is among it."""
    listener_id: Mapped[uuid.UUID | None]
    """Who may answer to its deliveries, where a rule waits for that (rule T17)."""
    state: Mapped[DestinationState]
    disabled_because: Mapped[str | None]
    url: Mapped[str]
    """Where it is; of a kind with credentials, without what stands for one."""
    signing: Mapped[Signing]
    audience: Mapped[str]
    header_names: Mapped[list[Any]]
    """Extra headers by name; their values are in the vault and never shown."""
    project_ids: Mapped[list[Any]]
    """For which projects it may be used; never empty (rule T7)."""
    environment: Mapped[str]
    pace: Mapped[Pace]
    honours_delivery_id: Mapped[bool]
    """The receiver takes two deliveries with one id for one: it may be sent again."""
    per_minute: Mapped[int]
    is_protected: Mapped[bool]
    """It takes deliveries only for rules that an admin approved, by hash (rule T7)."""
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]

    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "listener_id"], ["listener.tenant_id", "listener.id"]
        ),
        sa.Index(
            "uq_destination_tenant_id_name",
            "tenant_id",
            "name",
            unique=True,
            sqlite_where=sa.text("state != 'deleted'"),
            postgresql_where=sa.text("state != 'deleted'"),
        ),
    )

    @property
    def secret(self) -> Owner:
        """Where the vault keeps what it shares with us."""
        return Owner(self.tenant_id, f"destination-secret:{self.id}")

    @property
    def credentials(self) -> Owner:
        """Where the vault keeps what its kind needs to be let in, as a JSON object."""
        return Owner(self.tenant_id, f"destination-credentials:{self.id}")

    @property
    def headers(self) -> Owner:
        """Where the vault keeps the values of its extra headers, as a JSON object."""
        return Owner(self.tenant_id, f"destination-headers:{self.id}")


class DestinationHealth(Base):
    """How deliveries to a destination went lately: its breaker and its bucket."""

    __tablename__ = "destination_health"

    destination_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[uuid.UUID]
    failures: Mapped[int] = mapped_column(default=0)
    """Failures in a row; the breaker opens at a few."""
    denials: Mapped[int] = mapped_column(default=0)
    """Fresh tokens in a row that were answered 401: the trust is not set up."""
    open_until: Mapped[datetime | None]
    """Until when nothing is sent; then one delivery goes to find out."""
    open_for: Mapped[int] = mapped_column(default=0)
    """Seconds of the latest opening; the next one is twice as long."""
    failing_since: Mapped[datetime | None]
    """The first failure after the last success."""
    succeeded_at: Mapped[datetime | None]
    tokens: Mapped[float]
    """Deliveries that may go at once; filled again as time passes."""
    filled_at: Mapped[datetime]

    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["tenant_id", "destination_id"],
            ["destination.tenant_id", "destination.id"],
            ondelete="CASCADE",
        ),
    )


class Approval(Base):
    """An admin's word that this rule may use a protected destination (rule T7)."""

    __tablename__ = "destination_approval"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[uuid.UUID]
    destination_id: Mapped[uuid.UUID]
    rule_hash: Mapped[str]
    """Of the whole rule: another text of it needs another approval."""
    approved_by: Mapped[str]
    approved_at: Mapped[datetime]

    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["tenant_id", "destination_id"],
            ["destination.tenant_id", "destination.id"],
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint("tenant_id", "destination_id", "rule_hash"),
    )
