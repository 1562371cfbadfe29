"""What is stored of the Forge door: installations, and tokens that were used."""

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class ForgeInstallation(Base):
    """What Forge says of one name of a tenant, beside the name itself."""

    __tablename__ = "forge_installation"

    identity_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[uuid.UUID] = mapped_column(index=True)
    cloud_id: Mapped[str] = mapped_column(index=True)
    """Atlassian's id of the site; another one after the site was made anew."""
    environment: Mapped[str]
    api_base_url: Mapped[str]
    """Where the site's REST API is for us; below the operator's own setting."""
    installed_at: Mapped[datetime]
    heard_at: Mapped[datetime]
    """When an event of Forge's came last. One comes every hour, while it is there."""
    token_until: Mapped[datetime | None]
    """Until when the system token is good that Jira accepted last."""

    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["tenant_id", "identity_id"],
            ["tenant_identity.tenant_id", "tenant_identity.id"],
        ),
    )


class ForgeCall(Base):
    """The token of an event, remembered until it expires: it is good once (T16)."""

    __tablename__ = "forge_call"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    """Of the installation and the token's `jti`."""
    expires_at: Mapped[datetime] = mapped_column(index=True)
