"""destinations and signing keys

Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('destination',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('tenant_id', sa.Uuid(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('kind', sa.Enum('webhook', name='kind', native_enum=False, length=32), nullable=False),
    sa.Column('state', sa.Enum('active', 'paused', 'disabled', 'deleted', name='destinationstate', native_enum=False, length=32), nullable=False),
    sa.Column('disabled_because', sa.Text(), nullable=True),
    sa.Column('url', sa.Text(), nullable=False),
    sa.Column('signing', sa.Enum('key-set', 'secret', 'standard-webhooks', name='signing', native_enum=False, length=32), nullable=False),
    sa.Column('audience', sa.Text(), nullable=False),
    sa.Column('header_names', sa.JSON(), nullable=False),
    sa.Column('project_ids', sa.JSON(), nullable=False),
    sa.Column('environment', sa.Text(), nullable=False),
    sa.Column('pace', sa.Enum('notify', 'deploy', name='pace', native_enum=False, length=32), nullable=False),
    sa.Column('honours_delivery_id', sa.Boolean(), nullable=False),
    sa.Column('per_minute', sa.Integer(), nullable=False),
    sa.Column('is_protected', sa.Boolean(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('changed_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_destination_tenant_id_tenant')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_destination')),
    sa.UniqueConstraint('tenant_id', 'id', name=op.f('uq_destination_tenant_id_id'))
    )
    with op.batch_alter_table('destination', schema=None) as batch_op:
        batch_op.create_index('uq_destination_tenant_id_name', ['tenant_id', 'name'], unique=True, sqlite_where=sa.text("state != 'deleted'"), postgresql_where=sa.text("state != 'deleted'"))

    op.create_table('signing_key',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('tenant_id', sa.Uuid(), nullable=False),
    sa.Column('state', sa.Enum('next', 'active', 'retiring', 'revoked', name='keystate', native_enum=False, length=32), nullable=False),
    sa.Column('public_jwk', sa.Text(), nullable=False),
    sa.Column('published_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('active_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_signing_key_tenant_id_tenant')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_signing_key'))
    )
    with op.batch_alter_table('signing_key', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_signing_key_tenant_id_id'), ['tenant_id', 'id'], unique=False)
        batch_op.create_index('uq_signing_key_tenant_id_active', ['tenant_id'], unique=True, sqlite_where=sa.text("state = 'active'"), postgresql_where=sa.text("state = 'active'"))
        batch_op.create_index('uq_signing_key_tenant_id_next', ['tenant_id'], unique=True, sqlite_where=sa.text("state = 'next'"), postgresql_where=sa.text("state = 'next'"))

    op.create_table('destination_approval',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('tenant_id', sa.Uuid(), nullable=False),
    sa.Column('destination_id', sa.Uuid(), nullable=False),
    sa.Column('rule_hash', sa.Text(), nullable=False),
    sa.Column('approved_by', sa.Text(), nullable=False),
    sa.Column('approved_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['tenant_id', 'destination_id'], ['destination.tenant_id', 'destination.id'], name=op.f('fk_destination_approval_tenant_id_destination_id_destination'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_destination_approval')),
    sa.UniqueConstraint('tenant_id', 'destination_id', 'rule_hash', name=op.f('uq_destination_approval_tenant_id_destination_id_rule_hash'))
    )
    op.create_table('destination_health',
    sa.Column('destination_id', sa.Uuid(), nullable=False),
    sa.Column('tenant_id', sa.Uuid(), nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('denials', sa.Integer(), nullable=False),
    sa.Column('open_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('open_for', sa.Integer(), nullable=False),
    sa.Column('failing_since', sa.DateTime(timezone=True), nullable=True),
    sa.Column('succeeded_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('tokens', sa.Double(), nullable=False),
    sa.Column('filled_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['tenant_id', 'destination_id'], ['destination.tenant_id', 'destination.id'], name=op.f('fk_destination_health_tenant_id_destination_id_destination'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('destination_id', name=op.f('pk_destination_health'))
    )
    with op.batch_alter_table('attempt', schema=None) as batch_op:
        batch_op.add_column(sa.Column('duration_ms', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('request_head', sa.Text(), nullable=True))
        batch_op.add_column(sa.Column('response_head', sa.Text(), nullable=True))
        batch_op.add_column(sa.Column('response_body', sa.Text(), nullable=True))

    with op.batch_alter_table('run', schema=None) as batch_op:
        batch_op.add_column(sa.Column('replayed_position', sa.Integer(), nullable=True))

    with op.batch_alter_table('run_step', schema=None) as batch_op:
        batch_op.add_column(sa.Column('destination_id', sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column('waiting_since', sa.DateTime(timezone=True), nullable=True))
        batch_op.create_index(batch_op.f('ix_run_step_tenant_id_destination_id'), ['tenant_id', 'destination_id'], unique=False)
        batch_op.create_foreign_key(batch_op.f('fk_run_step_tenant_id_destination_id_destination'), 'destination', ['tenant_id', 'destination_id'], ['tenant_id', 'id'])



def downgrade() -> None:
    with op.batch_alter_table('run_step', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('fk_run_step_tenant_id_destination_id_destination'), type_='foreignkey')
        batch_op.drop_index(batch_op.f('ix_run_step_tenant_id_destination_id'))
        batch_op.drop_column('waiting_since')
        batch_op.drop_column('destination_id')

    with op.batch_alter_table('run', schema=None) as batch_op:
        batch_op.drop_column('replayed_position')

    with op.batch_alter_table('attempt', schema=None) as batch_op:
        batch_op.drop_column('response_body')
        batch_op.drop_column('response_head')
        batch_op.drop_column('request_head')
        batch_op.drop_column('duration_ms')

    op.drop_table('destination_health')
    op.drop_table('destination_approval')
    with op.batch_alter_table('signing_key', schema=None) as batch_op:
        batch_op.drop_index('uq_signing_key_tenant_id_next', sqlite_where=sa.text("state = 'next'"), postgresql_where=sa.text("state = 'next'"))
        batch_op.drop_index('uq_signing_key_tenant_id_active', sqlite_where=sa.text("state = 'active'"), postgresql_where=sa.text("state = 'active'"))
        batch_op.drop_index(batch_op.f('ix_signing_key_tenant_id_id'))

    op.drop_table('signing_key')
    with op.batch_alter_table('destination', schema=None) as batch_op:
        batch_op.drop_index('uq_destination_tenant_id_name', sqlite_where=sa.text("state != 'deleted'"), postgresql_where=sa.text("state != 'deleted'"))

    op.drop_table('destination')
