"""One attempt at one delivery: signed anew, bound to its body, minted on the record."""

import json
import secrets
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app import audit, keys, vault
from app.crypto import Keyring, Secret
from app.destinations import events, scrubbing
from app.destinations.answers import Judged, judge
from app.destinations.events import Delivery
from app.destinations.tables import Destination, Signing
from app.http import Http, Request, Response, SendError
from app.keys import Signer
from app.tokens import ours

USER_AGENT = "Countersign/1"


@dataclass(frozen=True, kw_only=True)
class Target:
    """A destination with its credentials open, for one attempt."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    url: str
    signing: Signing
    audience: str
    headers: Mapping[str, str] = field(repr=False)
    secrets: Sequence[Secret]
    """The newest first; two while one is being replaced."""
    signer: Signer | None


@dataclass(frozen=True, kw_only=True)
class Signed:
    """A request that is ready to go, and what may be shown of it."""

    request: Request
    head: str
    credentials: tuple[str, ...] = field(repr=False)
    """What must not be shown of the answer."""
    minted: Mapping[str, audit.Value]
    """What the audit keeps of the token: never the token."""


def open_target(
    session: Session, keyring: Keyring, destination: Destination, *, now: datetime
) -> Target:
    """Open the destination's credentials; raise `keys.NoKeyError` if it has none."""
    tenant_id = destination.tenant_id
    opened = vault.accepted(session, keyring, destination.secret, now=now)
    by_key = destination.signing is Signing.KEY_SET
    if not by_key and not opened:
        raise keys.NoKeyError(destination.id)
    return Target(
        id=destination.id,
        tenant_id=tenant_id,
        url=destination.url,
        signing=destination.signing,
        # What stands after the "?" may be a credential, and `aud` is in the audit (T8).
        audience=destination.audience or destination.url.partition("?")[0],
        headers=headers_of(session, keyring, destination, now=now),
        secrets=[version.secret for version in opened],
        signer=keys.signer(session, keyring, tenant_id, now=now) if by_key else None,
    )


def headers_of(
    session: Session, keyring: Keyring, destination: Destination, *, now: datetime
) -> dict[str, str]:
    """Return the values of its extra headers."""
    opened = vault.accepted(session, keyring, destination.headers, now=now)
    found: dict[str, str] = json.loads(opened[0].secret.reveal()) if opened else {}
    return found


def sign(
    target: Target, delivery: Delivery, body: bytes, *, base_url: str, now: datetime
) -> Signed:
    """Make the request of one attempt: a fresh token, the same delivery id."""
    said = events.claims(delivery, base_url=base_url, audience=target.audience)
    token_id = secrets.token_urlsafe(16)
    claims = ours.bind({**said, "jti": token_id}, body, now)
    delivery_id = str(delivery.id)
    headers = {
        **target.headers,
        "Content-Type": events.CONTENT_TYPE,
        "User-Agent": USER_AGENT,
        "Idempotency-Key": delivery_id,
        "webhook-id": delivery_id,
        **_proof(target, delivery_id, claims, body, now),
    }
    request = Request(
        method="POST",
        url=target.url,
        headers=headers,
        body=body,
        tenant_id=target.tenant_id,
        keep=scrubbing.KEPT_BODY,
    )
    credentials = _credentials(target, headers)
    return Signed(
        request=request,
        head=scrubbing.request_head(request, credentials),
        credentials=credentials,
        minted={
            "aud": target.audience,
            "sub": said["sub"],
            "jti": token_id,
            "kid": target.signer.key_id if target.signer else None,
            "signing": target.signing,
            "delivery": delivery_id,
            "run": said.get("run_id"),
        },
    )


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """What came of sending one request: judged, and as it may be shown."""

    judged: Judged
    duration_ms: int
    response_head: str | None = None
    response_body: str | None = None


def exchange(http: Http, signed: Signed, *, now: Callable[[], datetime]) -> Exchange:
    """Send it, and judge what came back; no answer is a verdict, too."""
    answer: Response | SendError
    started = time.monotonic()
    try:
        answer = http.send(signed.request)
    except SendError as error:
        answer = error
    duration_ms = round((time.monotonic() - started) * 1000)
    judged = judge(answer, now=now())
    if isinstance(answer, SendError):
        return Exchange(judged=judged, duration_ms=duration_ms)
    return Exchange(
        judged=judged,
        duration_ms=duration_ms,
        response_head=scrubbing.response_head(answer, signed.credentials),
        response_body=scrubbing.response_body(answer, signed.credentials),
    )


def note_mint(
    session: Session, target: Target, signed: Signed, *, actor: str, now: datetime
) -> None:
    """Write down that a token was made, in the transaction before it is sent."""
    audit.record(
        session, target.tenant_id, "token-minted", actor=actor, now=now, **signed.minted
    )


def _proof(
    target: Target,
    delivery_id: str,
    claims: Mapping[str, Any],
    body: bytes,
    now: datetime,
) -> dict[str, str]:
    match target.signing:
        case Signing.KEY_SET:
            signer = target.signer
            assert signer is not None  # noqa: S101 -- `open_target` sees to it
            token = ours.sign_with_key(signer.private_key, signer.key_id, claims)
            return {"Authorization": f"Bearer {token}"}
        case Signing.SECRET:
            token = ours.sign_with_secret(target.secrets[0], claims)
            return {"Authorization": f"Bearer {token}"}
        case Signing.WEBHOOK:
            return ours.sign_webhook(
                target.secrets, message_id=delivery_id, body=body, now=now
            )


def _credentials(target: Target, headers: Mapping[str, str]) -> tuple[str, ...]:
    proofs = [headers.get("Authorization", "").removeprefix("Bearer ")]
    proofs += headers.get("webhook-signature", "").split(" ")
    hidden = [*target.headers.values(), *(s.reveal() for s in target.secrets)]
    return tuple(filter(None, (*proofs, *hidden)))
