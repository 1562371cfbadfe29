"""`countersign keys`, what signs: a site's signing keys, from the shell (rule T14)."""

import uuid
from collections.abc import Callable
from datetime import timedelta

import click
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import keys
from app.cli import opening
from app.crypto import Keyring
from app.keys import NoKeyError, Rotation, SigningKey, TooSoonError
from app.runtime import Runtime

ACTOR = "operator"
"""As whom the site's history knows who did it."""

ALL = (
    "Every signing key of {site} stops counting at once, and two new ones take their"
    " place. Receivers refuse the site's deliveries until they read the new key set:"
    " those that keep it for a day, for a day."
)
ACTIVE = (
    "The key that signs for {site} leaves the key set at once, and the next one signs."
    " Receivers that have not read the key set since the next key was published refuse"
    " the site's deliveries until they do. Those that remember the old set may take"
    " the revoked key's tokens until they read it again."
)


@click.command("list")
@click.argument("tenant_id", type=click.UUID, required=False)
def list_keys(tenant_id: uuid.UUID | None) -> None:
    """List signing keys: site, id (the `kid`), state, since when."""
    runtime = opening.runtime()
    with runtime.sessions.begin() as session:
        if tenant_id:
            opening.tenant(session, tenant_id)
        owners = [tenant_id] if tenant_id else _owners(session)
        if not any(keys.has_keys(session, owner) for owner in owners):
            click.echo(
                "there are no signing keys yet: the first destination makes them"
            )
        for owner in owners:
            for key in keys.listed(session, owner):
                since = key.ended_at or key.active_at or key.published_at
                click.echo(
                    f"{owner}  {key.id}  {key.state:<8}  {since:%Y-%m-%d %H:%M} UTC"
                )


@click.command()
@click.argument("tenant_id", type=click.UUID)
def rotate(tenant_id: uuid.UUID) -> None:
    """Let a site's next signing key sign from now on.

    Receivers notice nothing. It is refused while they may not know that key yet.
    """
    runtime = opening.runtime()
    publish = timedelta(hours=runtime.settings.key_publish_hours)

    def act(session: Session, keyring: Keyring, rotation: Rotation) -> None:
        keys.rotate(session, keyring, rotation, publish=publish)

    try:
        _change(runtime, tenant_id, act, count=1)
    except TooSoonError as error:
        raise click.ClickException(
            f"{error}: before that, receivers may not know it. In an emergency,"
            " `countersign keys revoke`"
        ) from error
    click.echo("the next key signs; the one before stays published for its last tokens")


@click.command()
@click.argument("tenant_id", type=click.UUID)
@click.option("--all", "everything", is_flag=True, help="Also the next key.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def revoke(tenant_id: uuid.UUID, *, everything: bool, yes: bool) -> None:
    """In an emergency: end a site's signing key at once.

    It says what stops working, and asks.
    """
    runtime = opening.runtime()
    with runtime.sessions.begin() as session:
        opening.tenant(session, tenant_id)
        if not keys.has_keys(session, tenant_id):
            raise click.ClickException("this site has no signing keys")
    click.echo((ALL if everything else ACTIVE).format(site=tenant_id))
    if not yes:
        click.confirm("Revoke?", abort=True)
    act = keys.revoke_all if everything else keys.revoke_active
    _change(runtime, tenant_id, act, count=2 if everything else 1)
    click.echo("revoked")


def revoke_all(runtime: Runtime, tenant_id: uuid.UUID) -> None:
    """Give a site two new keys for those that it has, in a transaction of their own."""
    _change(runtime, tenant_id, keys.revoke_all, count=2)


def _change(
    runtime: Runtime,
    tenant_id: uuid.UUID,
    act: Callable[[Session, Keyring, Rotation], None],
    *,
    count: int,
) -> None:
    rotation = Rotation(
        tenant_id=tenant_id, actor=ACTOR, now=runtime.now(), fresh=keys.make(count)
    )
    try:
        with runtime.sessions.begin() as session:
            opening.tenant(session, tenant_id)
            act(session, runtime.keyring, rotation)
    except NoKeyError as error:
        raise click.ClickException("this site has no signing keys") from error


def _owners(session: Session) -> list[uuid.UUID]:
    found = sa.select(SigningKey.tenant_id).distinct().order_by(SigningKey.tenant_id)
    return list(session.scalars(found))
