"""the Forge door

Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('forge_call',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('token_hash', sa.Text(), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_forge_call')),
    sa.UniqueConstraint('token_hash', name=op.f('uq_forge_call_token_hash'))
    )
    with op.batch_alter_table('forge_call', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_forge_call_expires_at'), ['expires_at'], unique=False)

    with op.batch_alter_table('tenant_identity', schema=None) as batch_op:
        batch_op.add_column(sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('account_id', sa.Text(), nullable=True))

    # A site that had left has left by every name that it had.
    op.execute(
        "UPDATE tenant_identity SET ended_at = (SELECT COALESCE(uninstalled_at, installed_at) FROM tenant"
        " WHERE tenant.id = tenant_identity.tenant_id)"
        " WHERE tenant_id IN (SELECT id FROM tenant WHERE state = 'uninstalled')"
    )

    with op.batch_alter_table('tenant_identity', schema=None) as batch_op:
        batch_op.create_unique_constraint(batch_op.f('uq_tenant_identity_tenant_id_id'), ['tenant_id', 'id'])
        batch_op.create_index('uq_tenant_identity_tenant_id_door', ['tenant_id', 'door'], unique=True, sqlite_where=sa.text('ended_at IS NULL'), postgresql_where=sa.text('ended_at IS NULL'))

    op.create_table('forge_installation',
    sa.Column('identity_id', sa.Uuid(), nullable=False),
    sa.Column('tenant_id', sa.Uuid(), nullable=False),
    sa.Column('cloud_id', sa.Text(), nullable=False),
    sa.Column('environment', sa.Text(), nullable=False),
    sa.Column('api_base_url', sa.Text(), nullable=False),
    sa.Column('installed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('heard_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('token_until', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['tenant_id', 'identity_id'], ['tenant_identity.tenant_id', 'tenant_identity.id'], name=op.f('fk_forge_installation_tenant_id_identity_id_tenant_identity')),
    sa.PrimaryKeyConstraint('identity_id', name=op.f('pk_forge_installation'))
    )
    with op.batch_alter_table('forge_installation', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_forge_installation_cloud_id'), ['cloud_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_forge_installation_tenant_id'), ['tenant_id'], unique=False)


def downgrade() -> None:
    with op.batch_alter_table('forge_installation', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_forge_installation_tenant_id'))
        batch_op.drop_index(batch_op.f('ix_forge_installation_cloud_id'))
    op.drop_table('forge_installation')

    # The version before knows no door but Connect's: a site without it has left.
    op.execute(
        "UPDATE tenant SET state = 'uninstalled', uninstalled_at = COALESCE(uninstalled_at, installed_at)"
        " WHERE id NOT IN (SELECT tenant_id FROM tenant_identity WHERE door = 'connect' AND ended_at IS NULL)"
    )
    op.execute("UPDATE run SET door = 'connect' WHERE door = 'forge'")
    op.execute("UPDATE run SET why = NULL WHERE why = 'awaits-token'")
    op.execute("DELETE FROM secret_version WHERE kind = 'forge-system-token'")
    op.execute("DELETE FROM tenant_identity WHERE door = 'forge'")

    with op.batch_alter_table('tenant_identity', schema=None) as batch_op:
        batch_op.drop_index('uq_tenant_identity_tenant_id_door', sqlite_where=sa.text('ended_at IS NULL'), postgresql_where=sa.text('ended_at IS NULL'))
        batch_op.drop_constraint(batch_op.f('uq_tenant_identity_tenant_id_id'), type_='unique')
        batch_op.drop_column('account_id')
        batch_op.drop_column('ended_at')

    with op.batch_alter_table('forge_call', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_forge_call_expires_at'))
    op.drop_table('forge_call')
