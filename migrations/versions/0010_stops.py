"""stops: what the operator has brought to a halt, who, when and why

Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('stop',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('tenant_id', sa.Uuid(), nullable=True),
    sa.Column('cause', sa.Enum('operator', 'restored', name='cause', native_enum=False, length=32), nullable=False),
    sa.Column('who', sa.Text(), nullable=False),
    sa.Column('why', sa.Text(), nullable=False),
    sa.Column('stopped_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('resumed_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_stop_tenant_id_tenant')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_stop'))
    )


def downgrade() -> None:
    # A version before knows no stop: what was stopped goes on (docs/operate.md).
    op.drop_table('stop')
