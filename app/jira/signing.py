"""How a call to a tenant's Jira says that it is ours, through each door."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from app.crypto import Secret
from app.tokens import ours


class Signer(Protocol):
    """Makes the header that opens a tenant's Jira for one request."""

    @property
    def renews(self) -> bool:
        """Whether another one comes by itself where Jira refuses this one."""
        ...

    def authorization(self, method: str, path: str, *, now: datetime) -> str:
        """Return it; `path` is path and query exactly as sent."""
        ...


@dataclass(frozen=True, kw_only=True)
class SharedSecret:
    """Connect: a token of our own, made for this one URL."""

    secret: Secret
    app_key: str
    renews: bool = False
    """True where Forge is open too, and its next token will do what this cannot."""

    def authorization(self, method: str, path: str, *, now: datetime) -> str:
        token = ours.sign_for_jira(
            self.secret, app_key=self.app_key, method=method, path=path, now=now
        )
        return f"JWT {token}"


@dataclass(frozen=True, kw_only=True)
class AccessToken:
    """Forge: a token that Atlassian lent us, for the app or for a person in session.

    Of a self-managed site: the personal access token that its admin gave us.
    """

    token: Secret
    renews: bool
    """True of the app's own; a person's is good for this request only."""

    def authorization(self, method: str, path: str, *, now: datetime) -> str:
        del method, path, now
        return f"Bearer {self.token.reveal()}"
