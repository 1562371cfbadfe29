"""The tokens that we make: one per request, never stored."""

from datetime import datetime, timedelta

import jwt

from app.crypto import Secret
from app.tokens import target

LIFETIME = timedelta(minutes=3)
"""How long a token of ours opens Jira: the value that Atlassian's own clients use."""


def sign_for_jira(
    secret: Secret, *, app_key: str, method: str, path: str, now: datetime
) -> str:
    """Make the token for one request to a tenant's Jira.

    `path` is the path and query exactly as sent, relative to the tenant's base URL.
    `iss` is the app key, not the client key. Source: "Understanding JWT for Connect
    apps".
    """
    claims = {
        "iss": app_key,
        "iat": int(now.timestamp()),
        "exp": int((now + LIFETIME).timestamp()),
        "qsh": target.hash_of(method, path),
    }
    return jwt.encode(claims, secret.reveal(), algorithm="HS256")
