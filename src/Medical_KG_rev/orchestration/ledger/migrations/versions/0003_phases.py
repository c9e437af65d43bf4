"""phases of jobs, in indexes in place of their status."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

PHASE = "CASE WHEN status IN ('queued', 'leased') THEN 'waiting' ELSE status END"
UNBATCHED = sa.text("phase = 'waiting' AND batch_id IS NULL")


def upgrade() -> None:
    postgres = op.get_bind().dialect.name == "postgresql"
    if postgres:
        # The next state of a row finds room beside it and leaves the indexes alone. Before the column, which writes every row.
        op.execute("ALTER TABLE jobs SET (fillfactor = 50)")
    # SQLite cannot add a stored column; PostgreSQL has no other.
    op.add_column("jobs", sa.Column("phase", sa.String(20), sa.Computed(PHASE, persisted=postgres)))
    op.drop_index("jobs_by_status", "jobs")
    op.drop_index("jobs_unbatched", "jobs")
    # What the first release put back into the queue was queued twice.
    op.execute(
        "UPDATE jobs SET round = 2 WHERE status = 'queued' AND round = 1 AND job_id IN (SELECT job_id FROM stage_attempts)"
    )
    op.create_index("jobs_by_phase", "jobs", ["tenant_id", "phase", "job_id"])
    op.create_index("jobs_unbatched", "jobs", ["submission_id"], sqlite_where=UNBATCHED, postgresql_where=UNBATCHED)
