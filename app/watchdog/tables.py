"""What is stored of the watchdog: that it lives, and who it is."""

import uuid
from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class Heartbeat(Base):
    """One row: when somebody last looked, and whose turn it is."""

    __tablename__ = "heartbeat"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    beat_at: Mapped[datetime]
    """When the last look began."""
    resumed_at: Mapped[datetime | None]
    """When the first look after an outage of ours began."""
    holder: Mapped[uuid.UUID | None]
    lease_until: Mapped[datetime | None]
