"""listeners: callers other than Jira

Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('listener',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('tenant_id', sa.Uuid(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('state', sa.Enum('active', 'paused', 'deleted', name='listenerstate', native_enum=False, length=32), nullable=False),
    sa.Column('proof', sa.Enum('secret', 'public-key', 'jwks', 'oidc', 'github-actions', 'gitlab-ci', name='proof', native_enum=False, length=32), nullable=False),
    sa.Column('settings', sa.JSON(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('changed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('heard_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_listener_tenant_id_tenant')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_listener')),
    sa.UniqueConstraint('tenant_id', 'id', name=op.f('uq_listener_tenant_id_id'))
    )
    with op.batch_alter_table('listener', schema=None) as batch_op:
        batch_op.create_index('uq_listener_tenant_id_name', ['tenant_id', 'name'], unique=True, sqlite_where=sa.text("state != 'deleted'"), postgresql_where=sa.text("state != 'deleted'"))


def downgrade() -> None:
    with op.batch_alter_table('listener', schema=None) as batch_op:
        batch_op.drop_index('uq_listener_tenant_id_name', sqlite_where=sa.text("state != 'deleted'"), postgresql_where=sa.text("state != 'deleted'"))

    op.drop_table('listener')

    # What opened only a listener opens nothing any more.
    op.execute("DELETE FROM secret_version WHERE kind LIKE 'listener-secret:%'")
