"""datacenter: rules of listeners, and tokens that were used

Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('listener_rule',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('tenant_id', sa.Uuid(), nullable=False),
    sa.Column('listener_id', sa.Uuid(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('config', sa.Text(), nullable=False),
    sa.Column('rule_hash', sa.Text(), nullable=False),
    sa.Column('saved_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('saved_by', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['tenant_id', 'listener_id'], ['listener.tenant_id', 'listener.id'], name=op.f('fk_listener_rule_tenant_id_listener_id_listener')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_listener_rule')),
    sa.UniqueConstraint('tenant_id', 'listener_id', 'version', name=op.f('uq_listener_rule_tenant_id_listener_id_version'))
    )
    op.create_table('listener_call',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('token_hash', sa.Text(), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_listener_call')),
    sa.UniqueConstraint('token_hash', name=op.f('uq_listener_call_token_hash'))
    )
    with op.batch_alter_table('listener_call', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_listener_call_expires_at'), ['expires_at'], unique=False)


def downgrade() -> None:
    with op.batch_alter_table('listener_call', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_listener_call_expires_at'))

    op.drop_table('listener_call')
    op.drop_table('listener_rule')

    # A version before knows no self-managed Jira: its sites are closed for good, what
    # opened them is forgotten, and its listeners open nothing any more.
    op.execute("UPDATE tenant SET state = 'uninstalled' WHERE id IN (SELECT tenant_id FROM tenant_identity WHERE door = 'datacenter')")
    op.execute("DELETE FROM secret_version WHERE kind IN ('datacenter-token', 'session-secret')")
    op.execute("DELETE FROM tenant_identity WHERE door = 'datacenter'")
    op.execute("UPDATE run SET door = 'connect' WHERE door = 'datacenter'")
    op.execute("UPDATE listener SET proof = 'secret', settings = '{\"issuer\": \"gone\", \"max_minutes\": 1}', state = 'deleted' WHERE proof IN ('jira-webhook', 'jira-secret', 'jira-key')")
