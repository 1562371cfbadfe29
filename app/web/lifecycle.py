"""Installs and uninstalls that Atlassian signed, and the notices that follow them."""

import logging
from typing import Any

from flask import Blueprint, g
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from app import runs, tenants
from app.crypto import Secret
from app.tenants import Effect, Installation, Installed, State, Tenant
from app.tokens.checks import Reason, Refused, Verified
from app.web import bodies, key_renewal
from app.web.context import caller, runtime
from app.web.errors import BadRequestError

log = logging.getLogger(__name__)

signed = Blueprint("lifecycle", __name__, url_prefix="/lifecycle")
notices = Blueprint("notices", __name__, url_prefix="/lifecycle")

SECRET_SIZE = 400
"""Bytes that Atlassian says a shared secret may have."""

SECRET_LEAST = 32
"""Fewer are guessed; RFC 7518 asks as many of a key for HS256."""


@signed.post("/installed")
def installed() -> ResponseReturnValue:
    """Keep the site and the secret it shares with us."""
    verified = _verified_sender()
    body = bodies.read_object()
    installation = Installed(
        client_key=verified.issuer,
        shared_secret=_shared_secret(body),
        base_url=tenants.check_site(
            runtime().settings, bodies.text(body, "baseUrl", limit=200)
        ),
        display_url=_display_url(body.get("displayUrl")),
    )
    now = runtime().now()
    with runtime().sessions.begin() as session:
        event = _event(tenants.find(session, verified.issuer), installation)
        done = tenants.install(
            session,
            runtime().keyring,
            runtime().settings,
            verified,
            installation,
            now=now,
        )
        _end_stored(session, done)
        tenant_id, state = done.tenant.id, done.tenant.state
    if done.effect is Effect.APPLIED:
        log.info("%s tenant=%s state=%s", event, tenant_id, state)
        key_renewal.renew(tenant_id)
    if done.effect is Effect.OFFERED:
        log.info("%s tenant=%s to be proven", event, tenant_id)
    return "", 204


@signed.post("/uninstalled")
def uninstalled() -> ResponseReturnValue:
    """Close the site's door."""
    verified = _verified_sender()
    now = runtime().now()
    with runtime().sessions.begin() as session:
        done = tenants.uninstall(session, runtime().settings, verified, now=now)
        has_left = done is not None and done.tenant.uninstalled_at == now
        tenant_id = done.tenant.id if done and has_left else None
        if done:
            _end_stored(session, done)
    if tenant_id:
        log.info("uninstalled tenant=%s", tenant_id)
    return "", 204


@notices.post("/enabled")
def enabled() -> ResponseReturnValue:
    """Note that Jira says we are switched on."""
    return _note(is_enabled=True)


@notices.post("/disabled")
def disabled() -> ResponseReturnValue:
    """Note that Jira says we are switched off; it is shown, and changes nothing."""
    return _note(is_enabled=False)


def _end_stored(session: Session, done: Installation) -> None:
    """End what is stored for a candidate that will not be proven any more (T4)."""
    if done.withdrawn is not None:
        now = runtime().now()
        runs.end_held(session, done.tenant.id, done.withdrawn, now=now)


def _verified_sender() -> Verified:
    """Return the token's verdict once the unsigned body agrees with it.

    Attack: one site's genuine token with another site's name in the body.
    """
    verified: Verified = g.verified
    body = bodies.read_object()
    if body.get("clientKey") != verified.issuer:
        raise Refused(Reason.BODY_MISMATCH, "clientKey")
    if body.get("key", runtime().settings.app_key) != runtime().settings.app_key:
        raise Refused(Reason.BODY_MISMATCH, "key")
    return verified


def _event(known: Tenant | None, installation: Installed) -> str:
    """Name the install for the log, from what was known before it."""
    if known is None:
        return "installed"
    if known.state is State.UNINSTALLED or known.base_url == installation.base_url:
        return "re-installed"
    return "renamed"


def _shared_secret(body: dict[str, Any]) -> Secret:
    """Return the site's secret, opaque as it is, if it can be used to sign at all."""
    text = bodies.text(body, "sharedSecret", limit=SECRET_SIZE)
    if len(text.encode()) > SECRET_SIZE or len(text) < SECRET_LEAST:
        raise BadRequestError("sharedSecret is too long or too short")
    if text.startswith(("-----BEGIN", "ssh-")):
        # A public key as a shared secret is the beginning of a known attack, and our
        # library signs nothing with one.
        raise BadRequestError("sharedSecret is a key, not a secret")
    return Secret(text)


def _display_url(value: object) -> str | None:
    """Return the address that people see, where it is one that may frame our pages."""
    if not isinstance(value, str) or len(value) > 200:  # noqa: PLR2004
        return None
    host = value.removeprefix("https://").rstrip("/")
    plain = host.replace("-", "").replace(".", "")
    return f"https://{host}" if plain.isalnum() and plain.isascii() else None


def _note(*, is_enabled: bool) -> ResponseReturnValue:
    if caller().candidate_id is not None:
        # Jira sends `enabled` right behind an install, signed with a secret that is
        # still to be proven. It is content, and nothing is noted for it (rule T4); the
        # proof says itself that the app is on.
        return "", 204
    now = runtime().now()
    tenant_id, verified = caller().tenant_id, caller().verified
    with runtime().sessions.begin() as session:
        is_new = tenants.switch(
            session, tenant_id, verified, is_enabled=is_enabled, now=now
        )
    if is_new:
        log.info("%s tenant=%s", "enabled" if is_enabled else "disabled", tenant_id)
    return "", 204
