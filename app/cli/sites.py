"""`countersign tenants`: the sites that installed us, or that we were told of."""

import uuid

import click
import sqlalchemy as sa

from app import datacenter, stops, tenants
from app.cli import opening, self_managed
from app.tenants import Tenant, TenantIdentity


@click.group("tenants")
def group() -> None:
    """Look after the sites that installed us."""


@group.command("list")
def list_tenants() -> None:
    """List the sites: id, state, address, door, and the name there."""
    runtime = opening.runtime()
    with runtime.sessions.begin() as session:
        rows = session.execute(
            sa.select(Tenant, TenantIdentity)
            .join(TenantIdentity, TenantIdentity.tenant_id == Tenant.id)
            .order_by(Tenant.installed_at, TenantIdentity.id)
        )
        if not (found := rows.all()):
            click.echo("no site has installed us yet")
        stopped = {each.tenant_id for each in stops.listed(session)}
        for tenant, name in found:
            ended = " (ended)" if name.ended_at else ""
            halted = " (stopped)" if {tenant.id, None} & stopped else ""
            click.echo(
                f"{tenant.id}  {tenant.state:<12} {tenant.base_url}"
                f"  {name.door} {name.external_id}{ended}{halted}"
            )


@group.command()
@click.argument("tenant_id", type=click.UUID)
def approve(tenant_id: uuid.UUID) -> None:
    """Let in a site that waits for approval."""
    runtime = opening.runtime()
    with runtime.sessions.begin() as session:
        tenant = opening.tenant(session, tenant_id)
        if datacenter.find_identity(session, tenant_id) is not None:
            words = "its own Jira's answer lets it in: countersign tenants check"
            raise click.ClickException(words)
        approved = tenants.approve(session, tenant, actor="operator", now=runtime.now())
    click.echo("approved" if approved else "it was not waiting")


for command in self_managed.COMMANDS:
    group.add_command(command)
