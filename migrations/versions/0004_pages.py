"""pages

Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('counted',
    sa.Column('tenant_id', sa.Uuid(), nullable=False),
    sa.Column('until', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_counted_tenant_id_tenant')),
    sa.PrimaryKeyConstraint('tenant_id', name=op.f('pk_counted'))
    )
    op.create_table('erasure',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('tenant_id', sa.Uuid(), nullable=False),
    sa.Column('account_id', sa.Text(), nullable=True),
    sa.Column('wanted_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('wanted_by', sa.Text(), nullable=False),
    sa.Column('reached', sa.Uuid(), nullable=True),
    sa.Column('part', sa.Integer(), nullable=False),
    sa.Column('erased', sa.Integer(), nullable=False),
    sa.Column('done_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_erasure_tenant_id_tenant')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_erasure'))
    )
    with op.batch_alter_table('erasure', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_erasure_tenant_id_id'), ['tenant_id', 'id'], unique=False)

    op.create_table('hour',
    sa.Column('tenant_id', sa.Uuid(), nullable=False),
    sa.Column('begins_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('verified', sa.Integer(), nullable=False),
    sa.Column('duplicates', sa.Integer(), nullable=False),
    sa.Column('refused', sa.Integer(), nullable=False),
    sa.Column('rescued', sa.Integer(), nullable=False),
    sa.Column('ended', sa.JSON(), nullable=False),
    sa.Column('took', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_hour_tenant_id_tenant')),
    sa.PrimaryKeyConstraint('tenant_id', 'begins_at', name=op.f('pk_hour'))
    )
    op.create_table('preferences',
    sa.Column('tenant_id', sa.Uuid(), nullable=False),
    sa.Column('run_days', sa.Integer(), nullable=False),
    sa.Column('audit_days', sa.Integer(), nullable=False),
    sa.Column('exchange_days', sa.Integer(), nullable=False),
    sa.Column('notice_to', sa.JSON(), nullable=False),
    sa.Column('on_call_role', sa.Text(), nullable=True),
    sa.Column('changed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('changed_by', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_preferences_tenant_id_tenant')),
    sa.PrimaryKeyConstraint('tenant_id', name=op.f('pk_preferences'))
    )
    op.create_table('ticket',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('tenant_id', sa.Uuid(), nullable=False),
    sa.Column('account_id', sa.Text(), nullable=False),
    sa.Column('ticket_hash', sa.Text(), nullable=False),
    sa.Column('wanted', sa.JSON(), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_ticket_tenant_id_tenant')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_ticket')),
    sa.UniqueConstraint('ticket_hash', name=op.f('uq_ticket_ticket_hash'))
    )
    with op.batch_alter_table('ticket', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_ticket_expires_at'), ['expires_at'], unique=False)

    with op.batch_alter_table('attempt', schema=None) as batch_op:
        batch_op.create_index('ix_attempt_tenant_id_id_exchange', ['tenant_id', 'id'], unique=False, sqlite_where=sa.text('request_head IS NOT NULL'), postgresql_where=sa.text('request_head IS NOT NULL'))

    with op.batch_alter_table('audit_event', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_audit_event_claimed_issuer_id'))
        batch_op.create_index(batch_op.f('ix_audit_event_claimed_issuer_id'), ['claimed_issuer', 'id'], unique=False, sqlite_where=sa.text('claimed_issuer IS NOT NULL'), postgresql_where=sa.text('claimed_issuer IS NOT NULL'))
        batch_op.create_index(batch_op.f('ix_audit_event_tenant_id_id'), ['tenant_id', 'id'], unique=False)

    with op.batch_alter_table('run', schema=None) as batch_op:
        batch_op.add_column(sa.Column('known_rule_id', sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column('issue_key', sa.Text(), nullable=True))
        batch_op.add_column(sa.Column('changed_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.create_index(batch_op.f('ix_run_tenant_id_caused_by'), ['tenant_id', 'caused_by'], unique=False, sqlite_where=sa.text('caused_by IS NOT NULL'), postgresql_where=sa.text('caused_by IS NOT NULL'))
        batch_op.create_index(batch_op.f('ix_run_tenant_id_finished_at'), ['tenant_id', 'finished_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_run_tenant_id_issue_id_id'), ['tenant_id', 'issue_id', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_run_tenant_id_issue_key'), ['tenant_id', 'issue_key'], unique=False)
        batch_op.create_index(batch_op.f('ix_run_tenant_id_known_rule_id_id'), ['tenant_id', 'known_rule_id', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_run_tenant_id_replay_of'), ['tenant_id', 'replay_of'], unique=False, sqlite_where=sa.text('replay_of IS NOT NULL'), postgresql_where=sa.text('replay_of IS NOT NULL'))
        batch_op.create_index(batch_op.f('ix_run_tenant_id_state_id'), ['tenant_id', 'state', 'id'], unique=False)
        batch_op.create_foreign_key(batch_op.f('fk_run_tenant_id_known_rule_id_known_rule'), 'known_rule', ['tenant_id', 'known_rule_id'], ['tenant_id', 'id'])

    # Runs that were confirmed before can be found by their issue's key, too.
    postgresql = op.get_bind().dialect.name == 'postgresql'
    key = "facts ->> 'issue_key'" if postgresql else "json_extract(facts, '$.issue_key')"
    op.execute(f"UPDATE run SET issue_key = {key} WHERE facts IS NOT NULL")

    with op.batch_alter_table('run_step', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_run_step_tenant_id_destination_id'))
        batch_op.create_index(batch_op.f('ix_run_step_tenant_id_destination_id_run_id'), ['tenant_id', 'destination_id', 'run_id'], unique=False)



def downgrade() -> None:
    with op.batch_alter_table('run_step', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_run_step_tenant_id_destination_id_run_id'))
        batch_op.create_index(batch_op.f('ix_run_step_tenant_id_destination_id'), ['tenant_id', 'destination_id'], unique=False)

    with op.batch_alter_table('run', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('fk_run_tenant_id_known_rule_id_known_rule'), type_='foreignkey')
        batch_op.drop_index(batch_op.f('ix_run_tenant_id_state_id'))
        batch_op.drop_index(batch_op.f('ix_run_tenant_id_replay_of'), sqlite_where=sa.text('replay_of IS NOT NULL'), postgresql_where=sa.text('replay_of IS NOT NULL'))
        batch_op.drop_index(batch_op.f('ix_run_tenant_id_known_rule_id_id'))
        batch_op.drop_index(batch_op.f('ix_run_tenant_id_issue_key'))
        batch_op.drop_index(batch_op.f('ix_run_tenant_id_issue_id_id'))
        batch_op.drop_index(batch_op.f('ix_run_tenant_id_finished_at'))
        batch_op.drop_index(batch_op.f('ix_run_tenant_id_caused_by'), sqlite_where=sa.text('caused_by IS NOT NULL'), postgresql_where=sa.text('caused_by IS NOT NULL'))
        batch_op.drop_column('changed_at')
        batch_op.drop_column('issue_key')
        batch_op.drop_column('known_rule_id')

    with op.batch_alter_table('attempt', schema=None) as batch_op:
        batch_op.drop_index('ix_attempt_tenant_id_id_exchange', sqlite_where=sa.text('request_head IS NOT NULL'), postgresql_where=sa.text('request_head IS NOT NULL'))

    with op.batch_alter_table('audit_event', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_audit_event_tenant_id_id'))
        batch_op.drop_index(batch_op.f('ix_audit_event_claimed_issuer_id'), sqlite_where=sa.text('claimed_issuer IS NOT NULL'), postgresql_where=sa.text('claimed_issuer IS NOT NULL'))
        batch_op.create_index(batch_op.f('ix_audit_event_claimed_issuer_id'), ['claimed_issuer', 'id'], unique=False)

    with op.batch_alter_table('ticket', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_ticket_expires_at'))

    op.drop_table('ticket')
    op.drop_table('preferences')
    op.drop_table('hour')
    with op.batch_alter_table('erasure', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_erasure_tenant_id_id'))

    op.drop_table('erasure')
    op.drop_table('counted')
