"""A listener that shares a secret with us, and what it signs."""

import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import Any

from app import listeners
from app.listeners.defining import SecretProof
from sandbox import tokens
from tests.functional.callers import BASE_URL
from tests.functional.fakes import Clock
from tests.functional.receiving import Desk

BOT = {"name": "Bot", "proof": "secret", "issuer": "bot"}


@dataclass(frozen=True)
class Bot:
    id: uuid.UUID
    secret: str

    @property
    def path(self) -> str:
        return f"/listeners/{self.id}"

    def token(self, body: object, clock: Clock, **changes: Any) -> str:
        """Sign a call, by the sandbox's code; a claim that is None is left away."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        claims: dict[str, Any] = {
            **tokens.times(clock()),
            "iss": BOT["issuer"],
            "aud": f"{BASE_URL}{self.path}",
            "jti": str(uuid.uuid4()),
            "body_sha256": hashlib.sha256(sent).hexdigest(),
            **changes,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        return tokens.sign(kept, self.secret)


NONE = Bot(uuid.UUID(int=0), "s" * 43)


def define(name: str) -> SecretProof:
    """Return what its admin says of it."""
    return SecretProof(name=name, issuer=BOT["issuer"])


def create(desk: Desk, name: str = "Bot") -> Bot:
    """Set it up as its admin does."""
    definition = define(name)
    with desk.runtime.sessions.begin() as session:
        listener_id, secret = listeners.create(
            session, desk.runtime.keyring, desk.change(), definition
        )
    assert secret is not None
    return Bot(listener_id, secret.reveal())
