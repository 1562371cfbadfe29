"""fewer indexes

Every index is a page that is written with each call of Jira's. A new run has no key, no
rule and no end yet, so it is in none of the indexes by those; and since its id says when
it came, none by that is needed.

Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None

PARTIAL = {
    'ix_run_tenant_id_issue_key': ['tenant_id', 'issue_key'],
    'ix_run_tenant_id_finished_at': ['tenant_id', 'finished_at'],
    'ix_run_tenant_id_known_rule_id_id': ['tenant_id', 'known_rule_id', 'id'],
}


def upgrade() -> None:
    op.drop_index('ix_run_tenant_id_received_at', table_name='run')
    for name, columns in PARTIAL.items():
        given = sa.text(f'{columns[1]} IS NOT NULL')
        op.drop_index(name, table_name='run')
        op.create_index(name, 'run', columns, unique=False, sqlite_where=given, postgresql_where=given)


def downgrade() -> None:
    for name, columns in PARTIAL.items():
        op.drop_index(name, table_name='run')
        op.create_index(name, 'run', columns, unique=False)
    op.create_index('ix_run_tenant_id_received_at', 'run', ['tenant_id', 'received_at'], unique=False)
