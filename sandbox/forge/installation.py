"""What the site keeps of a Forge app: its installation, its keys, its access tokens.

Nothing here knows the world, which keeps it.
"""

import secrets
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.forge.manifest import Manifest

Json = dict[str, Any]

_ECOSYSTEM = "ari:cloud:ecosystem::"


@dataclass
class Key:
    """One that Forge signs its invocations with."""

    kid: str
    private_pem: str = field(repr=False)


@dataclass
class Issued:
    """An access token; the token itself is kept nowhere."""

    account: str
    """The app's own, for a system token."""
    expires: float
    is_refused: bool = False


@dataclass
class Installation:
    is_live: bool = False
    uuid: str = ""
    """Another one after every installation."""
    environment: str = field(default_factory=lambda: str(uuid.uuid4()))
    environment_type: str = "PRODUCTION"
    version: int = 1
    """The major one: it grows with each upgrade."""
    manifest: Json = field(default_factory=dict)
    folder: str = ""
    """Where the manifest was."""
    keys: list[Key] = field(default_factory=list)
    """All that are published, the newest last."""
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(48), repr=False)
    """Atlassian's own: access tokens are opaque to everybody else."""
    tokens: dict[str, Issued] = field(default_factory=dict)
    """By `jti`, of this installation only."""

    @classmethod
    def restored(cls, raw: Json) -> "Installation":
        kept = cls(**raw)
        kept.keys = [Key(**one) for one in raw.get("keys", [])]
        kept.tokens = {jti: Issued(**one) for jti, one in raw.get("tokens", {}).items()}
        return kept

    @property
    def app(self) -> Manifest:
        return Manifest(self.manifest, Path(self.folder))

    @property
    def id(self) -> str:
        return f"{_ECOSYSTEM}installation/{self.uuid}"

    @property
    def app_version(self) -> str:
        return f"{self.version}.0.0"

    @property
    def environment_id(self) -> str:
        return f"{_ECOSYSTEM}environment/{self.app.uuid}/{self.environment}"

    def extension_id(self, module_key: str) -> str:
        """How Jira calls a module of the app; `localId` in a page's context."""
        place = f"{self.app.uuid}/{self.environment}/static/{module_key}"
        return f"{_ECOSYSTEM}extension/{place}"
