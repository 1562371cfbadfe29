"""checkpoints

Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    # First what is built beside everything: cut off there, it begins anew.
    op.build_index('ix_audit_event_tenant_id_id_open', 'audit_event', ['tenant_id', 'id'], where='checkpoint_id IS NULL')
    op.build_index('ix_audit_event_tenant_id_checkpoint_id_id', 'audit_event', ['tenant_id', 'checkpoint_id', 'id'], where='checkpoint_id IS NOT NULL')

    op.create_table('checkpoint_key',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('tenant_id', sa.Uuid(), nullable=False),
    sa.Column('public_jwk', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_checkpoint_key_tenant_id_tenant')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_checkpoint_key')),
    sa.UniqueConstraint('tenant_id', name=op.f('uq_checkpoint_key_tenant_id'))
    )
    op.create_table('checkpoint',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('tenant_id', sa.Uuid(), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=False),
    sa.Column('jws', sa.Text(), nullable=False),
    sa.Column('leaves', sa.LargeBinary(), nullable=True),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenant.id'], name=op.f('fk_checkpoint_tenant_id_tenant')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_checkpoint')),
    sa.UniqueConstraint('tenant_id', 'seq', name=op.f('uq_checkpoint_tenant_id_seq'))
    )
    op.create_table('amendment',
    sa.Column('tenant_id', sa.Uuid(), nullable=False),
    sa.Column('event_id', sa.Uuid(), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=False),
    sa.Column('old', sa.LargeBinary(), nullable=False),
    sa.Column('new', sa.LargeBinary(), nullable=False),
    sa.ForeignKeyConstraint(['tenant_id', 'seq'], ['checkpoint.tenant_id', 'checkpoint.seq'], name=op.f('fk_amendment_tenant_id_seq_checkpoint')),
    sa.PrimaryKeyConstraint('tenant_id', 'event_id', 'seq', name=op.f('pk_amendment'))
    )
    with op.batch_alter_table('amendment', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_amendment_tenant_id_seq'), ['tenant_id', 'seq'], unique=False)

    # No row is rewritten: old events get their chance when they come under a checkpoint.
    with op.batch_alter_table('audit_event', schema=None) as batch_op:
        batch_op.add_column(sa.Column('nonce', sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('audit_event', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_audit_event_tenant_id_checkpoint_id_id'), sqlite_where=sa.text('checkpoint_id IS NOT NULL'), postgresql_where=sa.text('checkpoint_id IS NOT NULL'))
        batch_op.drop_index('ix_audit_event_tenant_id_id_open', sqlite_where=sa.text('checkpoint_id IS NULL'), postgresql_where=sa.text('checkpoint_id IS NULL'))
        batch_op.drop_column('nonce')

    # Without its checkpoint an event is under none; an upgrade brings it under another.
    op.execute("UPDATE audit_event SET checkpoint_id = NULL WHERE checkpoint_id IS NOT NULL")

    with op.batch_alter_table('amendment', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_amendment_tenant_id_seq'))

    op.drop_table('amendment')
    op.drop_table('checkpoint')
    op.drop_table('checkpoint_key')
    op.execute("DELETE FROM secret_version WHERE kind = 'checkpoint-key'")
