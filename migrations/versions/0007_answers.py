"""kinds of destinations, and answers

Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('destination', schema=None) as batch_op:
        batch_op.add_column(sa.Column('settings', sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column('listener_id', sa.Uuid(), nullable=True))
        batch_op.create_foreign_key(batch_op.f('fk_destination_tenant_id_listener_id_listener'), 'listener', ['tenant_id', 'listener_id'], ['tenant_id', 'id'])

    # Those that there are are webhooks, whose settings are columns of their own.
    op.execute("UPDATE destination SET settings = '{}'")
    with op.batch_alter_table('destination', schema=None) as batch_op:
        batch_op.alter_column('settings', existing_type=sa.JSON(), nullable=False)

    with op.batch_alter_table('run_step', schema=None) as batch_op:
        batch_op.add_column(sa.Column('key_place', sa.Text(), nullable=True))
        batch_op.add_column(sa.Column('answer_due_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('listener_id', sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column('reference', sa.Text(), nullable=True))
        batch_op.add_column(sa.Column('reference_url', sa.Text(), nullable=True))
        batch_op.create_foreign_key(batch_op.f('fk_run_step_tenant_id_listener_id_listener'), 'listener', ['tenant_id', 'listener_id'], ['tenant_id', 'id'])

    with op.batch_alter_table('attempt', schema=None) as batch_op:
        batch_op.add_column(sa.Column('answer_key_hash', sa.Text(), nullable=True))

    op.create_table('step_answer',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('tenant_id', sa.Uuid(), nullable=False),
    sa.Column('run_step_id', sa.Uuid(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('listener_id', sa.Uuid(), nullable=True),
    sa.Column('result', sa.Enum('succeeded', 'failed', name='result', native_enum=False, length=32), nullable=False),
    sa.Column('message', sa.Text(), nullable=False),
    sa.Column('url', sa.Text(), nullable=False),
    sa.Column('claims', sa.JSON(), nullable=False),
    sa.Column('token_hash', sa.Text(), nullable=False),
    sa.Column('counts', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['tenant_id', 'listener_id'], ['listener.tenant_id', 'listener.id'], name=op.f('fk_step_answer_tenant_id_listener_id_listener')),
    sa.ForeignKeyConstraint(['tenant_id', 'run_step_id'], ['run_step.tenant_id', 'run_step.id'], name=op.f('fk_step_answer_tenant_id_run_step_id_run_step'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_step_answer')),
    sa.UniqueConstraint('tenant_id', 'run_step_id', 'token_hash', name=op.f('uq_step_answer_tenant_id_run_step_id_token_hash'))
    )
    with op.batch_alter_table('step_answer', schema=None) as batch_op:
        batch_op.create_index('uq_step_answer_tenant_id_run_step_id', ['tenant_id', 'run_step_id'], unique=True, sqlite_where=sa.text('counts'), postgresql_where=sa.text('counts'))


def downgrade() -> None:
    with op.batch_alter_table('step_answer', schema=None) as batch_op:
        batch_op.drop_index('uq_step_answer_tenant_id_run_step_id', sqlite_where=sa.text('counts'), postgresql_where=sa.text('counts'))

    op.drop_table('step_answer')

    # What was waiting for an answer is in doubt to a version that awaits none.
    op.execute(
        "UPDATE run SET state = 'ambiguous', due_at = NULL WHERE state = 'running' AND EXISTS"
        " (SELECT 1 FROM run_step WHERE run_step.run_id = run.id AND run_step.state = 'waiting')"
    )
    op.execute("UPDATE run_step SET state = 'ambiguous' WHERE state = 'waiting'")
    op.execute("UPDATE run SET why = NULL WHERE why = 'awaits-answer'")

    with op.batch_alter_table('attempt', schema=None) as batch_op:
        batch_op.drop_column('answer_key_hash')

    with op.batch_alter_table('run_step', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('fk_run_step_tenant_id_listener_id_listener'), type_='foreignkey')
        batch_op.drop_column('reference_url')
        batch_op.drop_column('reference')
        batch_op.drop_column('listener_id')
        batch_op.drop_column('answer_due_at')
        batch_op.drop_column('key_place')

    # A version that knows webhooks alone can neither show nor serve any other kind.
    op.execute("UPDATE destination SET state = 'deleted', kind = 'webhook' WHERE kind != 'webhook'")
    op.execute("DELETE FROM secret_version WHERE kind LIKE 'destination-credentials:%'")
    with op.batch_alter_table('destination', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('fk_destination_tenant_id_listener_id_listener'), type_='foreignkey')
        batch_op.drop_column('listener_id')
        batch_op.drop_column('settings')
