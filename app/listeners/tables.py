"""What is stored of a listener: what the admin chose, and when it was last heard."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.vault import Owner


class Proof(StrEnum):
    """How a listener's calls are told from everybody else's."""

    SECRET = "secret"  # noqa: S105 -- the word, not a secret
    """HS256 with a secret of this listener alone, which we make."""
    PUBLIC_KEY = "public-key"
    """A key pair of the caller's; we keep the public half."""
    JWKS = "jwks"
    """A key set at an address."""
    OIDC = "oidc"
    """An issuer that says itself where its key set is."""
    GITHUB_ACTIONS = "github-actions"
    """A workflow of one repository, by GitHub's own tokens."""
    GITLAB_CI = "gitlab-ci"
    """A pipeline of one project, by GitLab's own tokens."""
    JIRA_WEBHOOK = "jira-webhook"
    """A self-managed Jira's webhook, whose body is signed with a secret (HMAC)."""
    JIRA_SECRET = "jira-secret"  # noqa: S105 -- the word, not a secret
    """A script in such a Jira, by tokens made with a secret: HS256."""
    JIRA_KEY = "jira-key"
    """A script in such a Jira, by tokens made with a key pair of its own."""

    @property
    def is_transition(self) -> bool:
        """Whether what it proves is that an issue made a transition."""
        return self in {Proof.JIRA_WEBHOOK, Proof.JIRA_SECRET, Proof.JIRA_KEY}

    @property
    def has_secret(self) -> bool:
        """Whether it proves itself by a secret that we make and keep."""
        return self in {Proof.SECRET, Proof.JIRA_WEBHOOK, Proof.JIRA_SECRET}


class ListenerState(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    """By an admin; every call is refused."""
    DELETED = "deleted"
    """Kept, without its secret, for the history that names it."""


class Listener(Base):
    """A caller other than Jira that a tenant's admin lets in."""

    __tablename__ = "listener"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tenant.id"))
    name: Mapped[str]
    state: Mapped[ListenerState]
    proof: Mapped[Proof]
    settings: Mapped[dict[str, Any]]
    """What its proof needs, as the model of that proof has it; no secret is in it."""
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    heard_at: Mapped[datetime | None]
    """When it last brought a good token."""

    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "id"),
        sa.Index(
            "uq_listener_tenant_id_name",
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
        return Owner(self.tenant_id, f"listener-secret:{self.id}")


class ListenerRule(Base):
    """One version of the rule that a transition's listener carries out.

    A self-managed Jira keeps no rule for us, so the master copy is here. A version is
    never changed: what a run was recorded by can be looked up as long as it is kept.
    """

    __tablename__ = "listener_rule"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[uuid.UUID]
    listener_id: Mapped[uuid.UUID]
    version: Mapped[int]
    """1 for the first; the highest one is carried out."""
    config: Mapped[str]
    rule_hash: Mapped[str]
    saved_at: Mapped[datetime]
    saved_by: Mapped[str]

    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["tenant_id", "listener_id"], ["listener.tenant_id", "listener.id"]
        ),
        sa.UniqueConstraint("tenant_id", "listener_id", "version"),
    )


class ListenerCall(Base):
    """The `jti` of a token that set off a transition's rule, until the token ends."""

    __tablename__ = "listener_call"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    """Of the listener and the token's `jti`."""
    expires_at: Mapped[datetime] = mapped_column(index=True)
