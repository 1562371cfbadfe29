"""Kind: any receiver of a POST; the message is a CloudEvent, proven by us."""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from app.crypto import Secret
from app.destinations import cdevents, events
from app.destinations.attempting import (
    USER_AGENT,
    Exchange,
    Form,
    Line,
    NoCredentials,
    Signed,
    Target,
)
from app.destinations.connector import Connector
from app.destinations.events import Delivery
from app.destinations.tables import Signing
from app.http import Request
from app.tokens import ours

UNAUTHORIZED = 401


class Settings(Form):
    """What its messages look like; `{}` if it was set up before there was a choice."""

    format: Literal["cloudevents", "cdevents"] = Field(
        default="cloudevents",
        title="Messages",
        description="cloudevents: our own facts in a CloudEvent. cdevents: the same in"
        f" a CDEvent (“ticket updated”, {cdevents.SPEC_VERSION}), such as Spinnaker"
        " takes",
    )


class Webhook(Connector[Settings, NoCredentials]):
    """Its address, audience, signing and headers are columns of the destination."""

    kind = "webhook"
    title = "Webhook"
    about = "Any service that takes a POST: a CloudEvent with a token of ours"
    mints = True
    awaits = True
    may_repeat = True
    settings_form = Settings
    credentials_form = NoCredentials

    def url(self, settings: Settings, credentials: NoCredentials | None) -> str:
        raise NotImplementedError("its address is the destination's own")

    def inputs(self, settings: Settings) -> type[Form] | None:
        del settings
        return None

    def body(self, settings: Settings, delivery: Delivery, *, base_url: str) -> str:
        if settings.format == "cdevents":
            return cdevents.message(delivery, base_url=base_url).decode()
        return events.message(delivery, base_url=base_url).decode()

    def prepare(
        self,
        target: Target[Settings, NoCredentials],
        delivery: Delivery,
        body: bytes,
        *,
        base_url: str,
        now: datetime,
    ) -> Signed:
        """Make the request of one attempt: a fresh token, the same delivery id."""
        said = events.claims(delivery, base_url=base_url, audience=target.audience)
        token_id = secrets.token_urlsafe(16)
        claims = ours.bind({**said, "jti": token_id}, body, now)
        delivery_id = str(delivery.id)

        def proven(proof: Mapping[str, str]) -> Signed:
            headers = {**_headers(target, delivery_id), **proof}
            request = Request(method="POST", url=target.url, headers=headers, body=body)
            return self.ready(request, target, delivery)

        signed = proven(_proof(target, delivery_id, claims, body, now))
        if target.signing is Signing.SECRET and len(target.secrets) > 1:
            # One token has one signature. It is the same token, by its id, with the
            # other one: whoever refused the first takes at most this.
            before = proven(_bearer(target.secrets[1], claims))
            signed = replace(signed, before=before)
        minted = {
            "aud": target.audience,
            "sub": said["sub"],
            "jti": token_id,
            "kid": target.signer.key_id if target.signer else None,
            "signing": target.signing,
            "delivery": delivery_id,
            "run": said.get("run_id"),
        }
        return replace(signed, minted=minted)

    def send(
        self, target: Target[Settings, NoCredentials], signed: Signed, line: Line
    ) -> Exchange:
        """Send it; where a renewed secret is refused, once more by the one before.

        401 says that nothing was done, so nothing is done twice.
        """
        del target
        came = self.exchange(signed, line)
        if signed.before is None or came.judged.status != UNAUTHORIZED:
            return came
        return self.exchange(signed.before, line)

    def hidden(
        self, target: Target[Settings, NoCredentials], headers: Mapping[str, str]
    ) -> tuple[str, ...]:
        proofs = [headers.get("Authorization", "").removeprefix("Bearer ")]
        proofs += headers.get("webhook-signature", "").split(" ")
        kept = [*target.headers.values(), *(s.reveal() for s in target.secrets)]
        return tuple(filter(None, (*proofs, *kept)))


def _headers(target: Target[Any, Any], delivery_id: str) -> dict[str, str]:
    """Return what every attempt of a delivery sends, but for its proof."""
    return {
        **target.headers,
        "Content-Type": events.CONTENT_TYPE,
        "User-Agent": USER_AGENT,
        "Idempotency-Key": delivery_id,
        "webhook-id": delivery_id,
    }


def _proof(
    target: Target[Any, Any],
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
            return _bearer(target.secrets[0], claims)
        case Signing.WEBHOOK:
            return ours.sign_webhook(
                target.secrets, message_id=delivery_id, body=body, now=now
            )


def _bearer(secret: Secret, claims: Mapping[str, Any]) -> dict[str, str]:
    token = ours.sign_with_secret(secret, claims)
    return {"Authorization": f"Bearer {token}"}
