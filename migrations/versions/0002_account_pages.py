"""account pages"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("teams") as batch_op:
        batch_op.add_column(sa.Column("new_device_notices", sa.Boolean(), nullable=False, server_default=sa.true()))
        batch_op.add_column(sa.Column("colour", sa.String(length=7), nullable=True))
    with op.batch_alter_table("users") as batch_op:
        batch_op.add_column(sa.Column("language", sa.String(length=35), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("users") as batch_op:
        batch_op.drop_column("language")
    with op.batch_alter_table("teams") as batch_op:
        batch_op.drop_column("colour")
        batch_op.drop_column("new_device_notices")
