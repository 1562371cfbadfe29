"""What a person in session changes: who does it, and what is shown of it once."""

from app.audit import Change
from app.crypto import Secret
from app.web.context import caller, runtime


def change_now() -> Change:
    """Return who changes something now."""
    return Change(
        tenant_id=caller().tenant_id, actor=caller().account_id, now=runtime().now()
    )


def once(secret: Secret | None) -> str | None:
    """Reveal a new secret to who asked for it: nobody can read it again (rule T8)."""
    return None if secret is None else secret.reveal()
