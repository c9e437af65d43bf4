"""gates that jobs wait at, and the queue of PDFs."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

AT_GATE = sa.text("phase = 'waiting_at_gate'")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("gate", sa.String(60)))
    op.add_column("jobs", sa.Column("gate_since", sa.Float()))
    op.add_column("jobs", sa.Column("gate_deadline", sa.Float()))
    op.add_column("jobs", sa.Column("gate_seconds", sa.Float(), nullable=False, server_default="0"))
    op.add_column("batches", sa.Column("part", sa.String(60)))
    columns = ["pipeline_name", "pipeline_version", "gate", "pdf_ir_ready"]
    op.create_index("jobs_at_gate", "jobs", columns, sqlite_where=AT_GATE, postgresql_where=AT_GATE)
    op.create_index("jobs_by_gate_deadline", "jobs", ["gate_deadline"], sqlite_where=AT_GATE, postgresql_where=AT_GATE)
    op.create_table(
        "pdf_turns",
        sa.Column("tenant_id", sa.String(120), primary_key=True),
        sa.Column("last_leased_at", sa.Float(), nullable=False),
    )
    op.create_table(
        "pdf_queue",
        sa.Column("job_id", sa.String(40), primary_key=True),
        sa.Column("tenant_id", sa.String(120), nullable=False),
        sa.Column("submission_id", sa.String(40), nullable=False),
        sa.Column("doc_id", sa.Text(), nullable=False),
        sa.Column("source", sa.String(60), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("stored", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("losses", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(40)),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("lease_expires_at", sa.Float()),
        sa.Column("leased_at", sa.Float()),
        sa.Column("not_before", sa.Float(), nullable=False),
        sa.Column("error_code", sa.String(60)),
        sa.Column("error_message", sa.Text()),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
    )
    op.create_index("pdf_queue_by_turn", "pdf_queue", ["state", "priority", "created_at"])
    op.create_index("pdf_queue_by_worker", "pdf_queue", ["state", "worker"])
