"""when API keys were last used, and by what"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "key_uses",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("agent", sa.String(length=64), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "agent", name=op.f("pk_key_uses")),
    )
    with op.batch_alter_table("key_uses", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_key_uses_team_id"), ["team_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_key_uses_last_at"), ["last_at"], unique=False)


def downgrade() -> None:
    op.drop_table("key_uses")
