"""quotas: sites that rest, points that our calls cost; due runs by site

Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None


def upgrade() -> None:
    # First: what comes before it would be done twice where its building is cut off.
    op.build_index('ix_run_tenant_id_due_at_id', 'run', ['tenant_id', 'due_at', 'id'], where='due_at IS NOT NULL')
    op.create_table('rest',
    sa.Column('tenant_id', sa.Uuid(), nullable=False),
    sa.Column('cause', sa.Enum('refused', 'near', 'share', 'silent', name='restcause', native_enum=False, length=32), nullable=False),
    sa.Column('since', sa.DateTime(timezone=True), nullable=False),
    sa.Column('until', sa.DateTime(timezone=True), nullable=False),
    sa.Column('times', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_rest_tenant_id_tenant')),
    sa.PrimaryKeyConstraint('tenant_id', name=op.f('pk_rest'))
    )
    op.create_table('spent_points',
    sa.Column('tenant_id', sa.Uuid(), nullable=False),
    sa.Column('hour', sa.DateTime(timezone=True), nullable=False),
    sa.Column('points', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_spent_points_tenant_id_tenant')),
    sa.PrimaryKeyConstraint('tenant_id', 'hour', name=op.f('pk_spent_points'))
    )


def downgrade() -> None:
    op.drop_table('spent_points')
    op.drop_table('rest')
    op.drop_index('ix_run_tenant_id_due_at_id', table_name='run')
