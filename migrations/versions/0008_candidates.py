"""candidates: secrets that are still to be proven, and calls stored for them

Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    # First what is built beside everything: cut off there, it begins anew.
    postgresql = op.get_bind().dialect.name == 'postgresql'
    op.add_column('run', sa.Column('candidate_id', sa.Uuid(), nullable=True), if_not_exists=postgresql or None)
    op.build_index('ix_run_tenant_id_candidate_id', 'run', ['tenant_id', 'candidate_id'], where='candidate_id IS NOT NULL')

    op.create_table('secret_candidate',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('tenant_id', sa.Uuid(), nullable=False),
    sa.Column('fate', sa.String(length=32), nullable=False),
    sa.Column('client_key', sa.Text(), nullable=False),
    sa.Column('base_url', sa.Text(), nullable=False),
    sa.Column('display_url', sa.Text(), nullable=True),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('drop_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('next_try_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('doubt', sa.Text(), nullable=True),
    sa.Column('refused_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_secret_candidate_tenant_id_tenant')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_secret_candidate')),
    sa.UniqueConstraint('tenant_id', name=op.f('uq_secret_candidate_tenant_id'))
    )
    with op.batch_alter_table('secret_candidate', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_secret_candidate_next_try_at'), ['next_try_at'], unique=False)


def downgrade() -> None:
    # Calls that are stored would be due for nobody: they end as what nobody proved.
    op.execute("UPDATE run SET state = 'unconfirmed', why = NULL, finished_at = received_at WHERE state = 'received' AND due_at IS NULL")
    with op.batch_alter_table('run', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_run_tenant_id_candidate_id'))
        batch_op.drop_column('candidate_id')

    op.execute("DELETE FROM secret_version WHERE kind = 'connect-offered-secret'")
    op.drop_table('secret_candidate')
