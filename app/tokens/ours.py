"""The tokens that we make: one per request, never stored."""

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import jwt
from standardwebhooks import Webhook

from app.crypto import Secret, read_private_key
from app.tokens import target

LIFETIME = timedelta(minutes=3)
"""How long a token of ours opens Jira: the value that Atlassian's own clients use."""

DELIVERY_LIFETIME = timedelta(minutes=5)
"""How long a token of ours opens a destination."""

GITHUB_DRIFT, GITHUB_LIFETIME = timedelta(seconds=60), timedelta(minutes=5)
"""Before and after now, of a token that says which GitHub App we are."""

DELIVERY_ALGORITHM = "RS256"
"""The one that every receiver takes: Microsoft Entra knows no other, AWS no EdDSA."""


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


def sign_with_key(private_key: Secret, key_id: str, claims: Mapping[str, Any]) -> str:
    """Make the token for one delivery that anybody can check by our key set."""
    return jwt.encode(
        dict(claims),
        read_private_key(private_key),
        algorithm=DELIVERY_ALGORITHM,
        headers={"kid": key_id},
    )


def sign_with_secret(secret: Secret, claims: Mapping[str, Any]) -> str:
    """Make the token for one delivery that only who has the secret can check."""
    return jwt.encode(dict(claims), secret.reveal(), algorithm="HS256")


def sign_for_listener(
    secret: Secret,
    *,
    issuer: str,
    audience: str,
    body: bytes,
    lifetime: timedelta,
    now: datetime,
) -> str:
    """Make the token of one call of a listener, as its caller makes it.

    It has what `listener.verify_secret` asks of callers that make their own: the
    listener's address, a number of its own, and the body.
    """
    claims = {
        "iss": issuer,
        "aud": audience,
        "iat": int(now.timestamp()),
        "exp": int((now + lifetime).timestamp()),
        "jti": str(uuid.uuid4()),
        "body_sha256": hashlib.sha256(body).hexdigest(),
    }
    return sign_with_secret(secret, claims)


def sign_webhook(
    secrets: Sequence[Secret], *, message_id: str, body: bytes, now: datetime
) -> dict[str, str]:
    """Return the signature headers of one webhook, by each of the secrets.

    While a secret is being replaced there are two, and a receiver that knows one of
    them is content. Source: Standard Webhooks, "Signature scheme".
    """
    signatures = [
        Webhook(secret.reveal()).sign(message_id, now, body.decode())
        for secret in secrets
    ]
    return {
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def sign_for_github(private_key: Secret, *, app_id: str, now: datetime) -> str:
    """Make the token by which a GitHub App says who it is.

    Dated back by a minute, as GitHub advises, for its clock; it takes at most ten.
    Source: "Generating a JSON Web Token (JWT) for a GitHub App".
    """
    claims = {
        "iss": app_id,
        "iat": int((now - GITHUB_DRIFT).timestamp()),
        "exp": int((now + GITHUB_LIFETIME).timestamp()),
    }
    key = read_private_key(private_key)
    return jwt.encode(claims, key, algorithm=DELIVERY_ALGORITHM)


def bind(claims: Mapping[str, Any], body: bytes, now: datetime) -> dict[str, Any]:
    """Return the claims with their times, and bound to exactly these bytes.

    Attack: who catches a token sends it with a body of his own.
    """
    return {
        **claims,
        "iat": int(now.timestamp()),
        "exp": int((now + DELIVERY_LIFETIME).timestamp()),
        "body_sha256": hashlib.sha256(body).hexdigest(),
    }
