"""The tenant's signing keys: what its admins see of them, rotate and revoke (T14)."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from app import destinations, forge, keys, vault
from app.crypto import KeyPair, Keyring
from app.destinations import Destination, Signing
from app.keys import KeyState, ListedKey, NoKeyError, Rotation, TooSoonError
from app.keys.reading import RETIREMENT
from app.tenants import Tenant
from app.web import bodies
from app.web.context import caller, runtime
from app.web.errors import BadRequestError
from app.web.fragments import fragment
from app.web.keys import offered_secret, samples, shared_secrets
from app.web.keys.samples import Matched
from app.web.words import Shown

bp = Blueprint("keys", __name__, url_prefix="/api/v1")

STATES: Mapping[KeyState, Shown] = {
    KeyState.NEXT: Shown("Next", "information"),
    KeyState.ACTIVE: Shown("Active", "success"),
    KeyState.RETIRING: Shown("Retired", "neutral"),
    KeyState.REVOKED: Shown("Revoked", "danger"),
}

SHOWN = 10
"""Keys that are shown; those before them ended long ago."""

_SCOPES = {"active": (keys.revoke_active, 1), "all": (keys.revoke_all, 2)}
"""What may be revoked: how, and how many new keys that takes."""

Act = Callable[[Session, Keyring, Rotation], None]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When the keys take turns."""

    ready_at: datetime
    """From when on the next key may sign."""
    due_at: datetime
    """When it will, by itself."""


@dataclass(frozen=True, kw_only=True)
class Receivers:
    """Destinations that are signed by the keys, and what one of them has to match."""

    choices: Mapping[uuid.UUID, str]
    """By name; empty while there is none."""
    chosen: uuid.UUID | None
    matched: Matched


@bp.get("/pages/keys")
def show() -> ResponseReturnValue:
    """Show the keys, Jira's shared secret, and how receivers verify."""
    tenant_id, now = caller().tenant_id, runtime().now()
    issuer = destinations.issuer(runtime().settings.base_url, tenant_id)
    with runtime().sessions.begin() as session:
        found = keys.listed(session, tenant_id)
        tenant = session.get_one(Tenant, tenant_id)
        secrets = shared_secrets.read(session, tenant, now=now)
        offered = offered_secret.read(session, tenant, now=now)
        receivers = _receivers(session, tenant_id, issuer)
        installation = forge.find_installation(session, tenant_id)
        own_token = vault.newest(session, tenant.personal_token)
        session.expunge_all()
    return fragment(
        "keys.html",
        found=found[:SHOWN],
        states=STATES,
        schedule=_schedule(found),
        published_until={key.id: _published_until(key, now) for key in found},
        addresses=_addresses(issuer),
        secrets=secrets,
        offered=offered,
        installation=installation,
        own_token=own_token,
        looked_through=shared_secrets.LOOKED_THROUGH,
        receivers=receivers,
        samples=samples.of(receivers.matched),
        now=now,
        publish_hours=runtime().settings.key_publish_hours,
        rotation_days=runtime().settings.key_rotation_days,
    )


@bp.post("/keys/rotate")
def rotate() -> ResponseReturnValue:
    """Let the next key sign from now on, unless it is too new to be known."""
    publish = timedelta(hours=runtime().settings.key_publish_hours)

    def act(session: Session, keyring: Keyring, rotation: Rotation) -> None:
        keys.rotate(session, keyring, rotation, publish=publish)

    return _changed(act, count=1)


@bp.post("/keys/revoke")
def revoke() -> ResponseReturnValue:
    """Emergency: take the active key, or all of them, out of use at once."""
    scope = bodies.read_object().get("scope")
    if not isinstance(scope, str) or scope not in _SCOPES:
        raise BadRequestError(f"scope must be one of {', '.join(_SCOPES)}")
    act, count = _SCOPES[scope]
    return _changed(act, count=count)


@bp.errorhandler(TooSoonError)
def _too_soon(error: TooSoonError) -> ResponseReturnValue:
    hours = runtime().settings.key_publish_hours
    message = (
        f"Receivers may not know the next key yet: it is published for {hours} hours"
        f" before it signs, until {error.ready_at:%Y-%m-%d %H:%M} UTC"
    )
    return {"error": "too-soon", "message": message}, 409


@bp.errorhandler(NoKeyError)
def _no_key(_: NoKeyError) -> ResponseReturnValue:
    message = "This site has no keys yet: the first destination that needs them has"
    return {"error": "no-keys", "message": f"{message} them made"}, 409


def _changed(act: Act, *, count: int) -> ResponseReturnValue:
    fresh: Sequence[KeyPair] = keys.make(count)
    with runtime().sessions.begin() as session:
        if not keys.has_keys(session, caller().tenant_id):
            raise NoKeyError(caller().tenant_id)
        rotation = Rotation(
            tenant_id=caller().tenant_id,
            actor=caller().account_id,
            now=runtime().now(),
            fresh=fresh,
        )
        act(session, runtime().keyring, rotation)
    return "", 204


def _schedule(found: Sequence[ListedKey]) -> Schedule | None:
    """Say when the next key signs; None while there is none."""
    settings = runtime().settings
    by_state = {key.state: key for key in found}
    active, waiting = by_state.get(KeyState.ACTIVE), by_state.get(KeyState.NEXT)
    if active is None or active.active_at is None or waiting is None:
        return None
    ready_at = waiting.published_at + timedelta(hours=settings.key_publish_hours)
    lifetime = timedelta(days=settings.key_rotation_days)
    due_at = max(active.active_at + lifetime, ready_at)
    return Schedule(ready_at=ready_at, due_at=due_at)


def _published_until(key: ListedKey, now: datetime) -> datetime | None:
    """Return until when a retired key is still in the key set; None if it has left."""
    if key.state is not KeyState.RETIRING or key.ended_at is None:
        return None
    until = key.ended_at + RETIREMENT
    return until if until > now else None


def _receivers(session: Session, tenant_id: uuid.UUID, issuer: str) -> Receivers:
    """Return the destinations to choose from; what is chosen is the caller's (T5)."""
    rows = [
        row
        for row in destinations.listed(session, tenant_id)
        if row.signing is Signing.KEY_SET
    ]
    wanted = request.args.get("destination", "")
    chosen = next((row for row in rows if str(row.id) == wanted), None)
    chosen = chosen or next(iter(rows), None)
    return Receivers(
        choices={row.id: row.name for row in rows},
        chosen=chosen.id if chosen else None,
        matched=_matched(chosen, issuer),
    )


def _matched(row: Destination | None, issuer: str) -> Matched:
    if row is None:
        return samples.example(issuer, _key_set(issuer))
    shown = row.project_ids[: samples.SUBJECTS_SHOWN]
    subjects = [
        destinations.subject_of(row.tenant_id, project_id, destination_id=row.id)
        for project_id in shown
    ]
    return Matched(
        issuer=issuer,
        key_set=_key_set(issuer),
        audience=destinations.audience_of(row),
        subjects=subjects,
        left_out=len(row.project_ids) - len(shown),
    )


def _key_set(issuer: str) -> str:
    return f"{issuer}/jwks.json"


def _addresses(issuer: str) -> Sequence[tuple[str, str, str]]:
    return (
        ("issuer", "Issuer", issuer),
        ("discovery", "Discovery", f"{issuer}/.well-known/openid-configuration"),
        ("key-set", "Key set (JWKS)", _key_set(issuer)),
    )
