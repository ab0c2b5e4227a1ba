"""daily counts, and what the filters of the audit log are found by"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "daily_counts",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("fact", sa.String(length=24), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("team_id", "day", "fact", name=op.f("pk_daily_counts")),
    )
    with op.batch_alter_table("daily_counts", schema=None) as batch_op:
        batch_op.create_index("ix_daily_counts_day", ["day"], unique=False)

    with op.batch_alter_table("audit_events", schema=None) as batch_op:
        batch_op.create_index("ix_audit_events_user_id_id", ["user_id", "id"], unique=False)
        batch_op.create_index("ix_audit_events_event_id", ["event", "id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("audit_events", schema=None) as batch_op:
        batch_op.drop_index("ix_audit_events_event_id")
        batch_op.drop_index("ix_audit_events_user_id_id")

    op.drop_table("daily_counts")
