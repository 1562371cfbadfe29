"""gates and alerts

Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('heartbeat',
    sa.Column('id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('beat_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('resumed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('holder', sa.Uuid(), nullable=True),
    sa.Column('lease_until', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_heartbeat'))
    )
    op.create_table('alert',
    sa.Column('tenant_id', sa.Uuid(), nullable=False),
    sa.Column('cause', sa.Text(), nullable=False),
    sa.Column('sent_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_alert_tenant_id_tenant')),
    sa.PrimaryKeyConstraint('tenant_id', 'cause', name=op.f('pk_alert'))
    )
    op.create_table('known_rule',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('tenant_id', sa.Uuid(), nullable=False),
    sa.Column('rule_id', sa.Text(), nullable=False),
    sa.Column('workflow', sa.Text(), nullable=False),
    sa.Column('transition_id', sa.Text(), nullable=False),
    sa.Column('transition_name', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('rule_hash', sa.Text(), nullable=False),
    sa.Column('config', sa.Text(), nullable=False),
    sa.Column('first_seen_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('last_seen_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('gone_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('hold_status', sa.Text(), nullable=True),
    sa.Column('hold_since', sa.DateTime(timezone=True), nullable=True),
    sa.Column('paused_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('paused_by', sa.Text(), nullable=True),
    sa.Column('watch_stopped_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('watch_stopped_because', sa.Text(), nullable=True),
    sa.Column('overdue', sa.Integer(), nullable=True),
    sa.Column('sound_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('unsound_because', sa.Text(), nullable=True),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_known_rule_tenant_id_tenant')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_known_rule')),
    sa.UniqueConstraint('tenant_id', 'id', name=op.f('uq_known_rule_tenant_id_id')),
    sa.UniqueConstraint('tenant_id', 'rule_id', 'workflow', 'transition_id', name=op.f('uq_known_rule_tenant_id_rule_id_workflow_transition_id'))
    )
    with op.batch_alter_table('tenant', schema=None) as batch_op:
        batch_op.add_column(sa.Column('jira_refuses_since', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('jira_refuses_because', sa.Text(), nullable=True))
        batch_op.add_column(sa.Column('silent_passes', sa.Integer(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('tenant', schema=None) as batch_op:
        batch_op.drop_column('silent_passes')
        batch_op.drop_column('jira_refuses_because')
        batch_op.drop_column('jira_refuses_since')

    op.drop_table('known_rule')
    op.drop_table('alert')
    op.drop_table('heartbeat')
