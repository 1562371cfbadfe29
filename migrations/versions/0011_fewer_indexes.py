"""fewer indexes

Every index is a page that is written with each call of Jira's. A new run has no key, no
rule and no end yet, so it is in none of the indexes by those; and since its id says when
it came, none by that is needed.

Revises: 0010
"""

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
    # First what is built beside everything: cut off there, it begins anew.
    for name, columns in PARTIAL.items():
        op.build_index(name, 'run', columns, where=f'{columns[1]} IS NOT NULL')
    op.drop_index('ix_run_tenant_id_received_at', table_name='run')


def downgrade() -> None:
    for name, columns in PARTIAL.items():
        op.build_index(name, 'run', columns)
    op.build_index('ix_run_tenant_id_received_at', 'run', ['tenant_id', 'received_at'])
