"""What is seen to before a destination is saved: its place, its keys, its listener."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from app import keys, listeners
from app.crypto import KeyPair
from app.destinations import Definition, Signing
from app.http import SendError
from app.keys import Rotation
from app.rules import Problem
from app.web.changes import change_now
from app.web.context import caller, runtime, web
from app.web.form_problems import InvalidDefinitionError


def check(definition: Definition) -> None:
    """Refuse it unless something that may be reached is there now (rule T11).

    What leads inside today and outside tomorrow is judged again when it is sent to.
    Raise `BusyError` while there is no room to ask.
    """
    connector, network, tenant_id = (
        definition.connector,
        runtime().http,
        caller().tenant_id,
    )
    try:
        with web().asking.place(tenant_id):
            if connector.mints:
                network.check(definition.url, tenant_id)
            else:
                connector.check(
                    network, definition.chosen, definition.given, tenant_id=tenant_id
                )
    except SendError as error:
        key = "url" if connector.mints else connector.url_key
        raise InvalidDefinitionError([Problem(key, str(error))]) from error


def fresh_keys(definition: Definition) -> Sequence[KeyPair]:
    """Make the tenant's first keys if it needs them now: slow, so made beforehand."""
    if not definition.connector.mints or definition.signing is not Signing.KEY_SET:
        return ()
    with runtime().sessions.begin() as session:
        has_keys = keys.has_keys(session, caller().tenant_id)
    return () if has_keys else keys.make(2)


def ensure_keys(session: Session, fresh: Sequence[KeyPair]) -> None:
    """Keep them, unless the tenant has come by some meanwhile."""
    if fresh:
        made = change_now()
        rotation = Rotation(
            tenant_id=made.tenant_id, actor=made.actor, now=made.now, fresh=fresh
        )
        keys.ensure(session, runtime().keyring, rotation)


def ensure_listener(session: Session, definition: Definition) -> None:
    """Refuse a listener that is not the tenant's own (rule T5)."""
    if definition.listener_id is not None:
        listeners.get(session, caller().tenant_id, definition.listener_id)
