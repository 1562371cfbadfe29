"""The tenant's signing keys: what its admins see of them, rotate and revoke (T14)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from app import destinations, keys
from app.crypto import KeyPair, Keyring
from app.keys import KeyState, ListedKey, NoKeyError, Rotation, TooSoonError
from app.keys.reading import RETIREMENT
from app.web import bodies
from app.web.context import caller, runtime
from app.web.errors import BadRequestError
from app.web.fragments import fragment
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
    days_left: int


@bp.get("/pages/keys")
def show() -> ResponseReturnValue:
    """Show the keys, and where receivers find them."""
    tenant_id, now = caller().tenant_id, runtime().now()
    with runtime().sessions.begin() as session:
        found = keys.listed(session, tenant_id)
    issuer = destinations.issuer(runtime().settings.base_url, tenant_id)
    return fragment(
        "keys.html",
        found=found[:SHOWN],
        states=STATES,
        schedule=_schedule(found, now),
        published_until={key.id: _published_until(key, now) for key in found},
        addresses=_addresses(issuer),
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


def _schedule(found: Sequence[ListedKey], now: datetime) -> Schedule | None:
    """Say when the next key signs; None while there is none."""
    settings = runtime().settings
    by_state = {key.state: key for key in found}
    active, waiting = by_state.get(KeyState.ACTIVE), by_state.get(KeyState.NEXT)
    if active is None or active.active_at is None or waiting is None:
        return None
    ready_at = waiting.published_at + timedelta(hours=settings.key_publish_hours)
    lifetime = timedelta(days=settings.key_rotation_days)
    due_at = max(active.active_at + lifetime, ready_at)
    days_left = max((due_at - now).days, 0)
    return Schedule(ready_at=ready_at, due_at=due_at, days_left=days_left)


def _published_until(key: ListedKey, now: datetime) -> datetime | None:
    """Return until when a retired key is still in the key set; None if it has left."""
    if key.state is not KeyState.RETIRING or key.ended_at is None:
        return None
    until = key.ended_at + RETIREMENT
    return until if until > now else None


def _addresses(issuer: str) -> Sequence[tuple[str, str, str]]:
    return (
        ("issuer", "Issuer (iss)", issuer),
        ("discovery", "Discovery", f"{issuer}/.well-known/openid-configuration"),
        ("key-set", "Key set (JWKS)", f"{issuer}/jwks.json"),
    )
