"""What is stored of points and rests: a row a site, and one for each of its hours."""

import uuid
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class RestCause(StrEnum):
    REFUSED = "refused"
    """Jira answered that there were too many calls."""
    NEAR = "near"
    """Jira says that there is little left; calls go slower."""
    SHARE = "share"
    """The site has had its share of the hour's points."""
    SILENT = "silent"
    """Jira gave no answer, several times in a row."""


class Rest(Base):
    """Until when no run of a site is begun, and why; the last one of each site."""

    __tablename__ = "rest"

    tenant_id: Mapped[uuid.UUID] = mapped_column(
        sa.ForeignKey("tenant.id"), primary_key=True
    )
    cause: Mapped[RestCause]
    since: Mapped[datetime]
    until: Mapped[datetime]
    times: Mapped[int]
    """How many rests followed each other; where Jira does not say how long one is to
    be, each is longer than the one before."""


class SpentPoints(Base):
    """What a site's calls cost in one hour of UTC, by our own count."""

    __tablename__ = "spent_points"

    tenant_id: Mapped[uuid.UUID] = mapped_column(
        sa.ForeignKey("tenant.id"), primary_key=True
    )
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    points: Mapped[int]
