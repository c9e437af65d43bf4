"""leases, outbox, dead letters, audit, shared breakers and limiters."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
UNBATCHED = sa.text("status = 'queued' AND batch_id IS NULL")


def upgrade() -> None:
    add_to("jobs", number("priority", 1), sa.Column("current_attempt", sa.Integer()), sa.Column("lost_stage", sa.String(60)))
    add_to("jobs", number("losses", 0), number("round", 1), flag("cancel_requested"), flag("post_pdf_started"))
    add_to("jobs", sa.Column("metadata", sa.JSON(), nullable=False, server_default="{}"))
    add_to("jobs", sa.Column("failure_mark", sa.String(60)), sa.Column("from_stage", sa.String(60)))
    add_to("submissions", number("priority", 1))
    add_to("batches", number("priority", 1), number("documents", 0), number("attempt", 0), number("lease_epoch", 0))
    add_to(
        "batches",
        sa.Column("lease_expires_at", sa.Float()),
        sa.Column("not_before", sa.Float(), nullable=False, server_default="0"),
    )
    # What was queued or running belonged to a process that held a file lock: it is put into new batches.
    op.execute("UPDATE jobs SET batch_id = NULL WHERE status = 'queued'")
    op.execute("UPDATE batches SET lease_expires_at = 0 WHERE status = 'running'")
    op.create_index("jobs_unbatched", "jobs", ["submission_id"], sqlite_where=UNBATCHED, postgresql_where=UNBATCHED)
    op.create_index("jobs_by_tenant", "jobs", ["tenant_id", "job_id"])
    op.create_index("jobs_by_source", "jobs", ["tenant_id", "source", "job_id"])
    op.create_index("jobs_by_pipeline", "jobs", ["tenant_id", "pipeline_name", "job_id"])
    op.create_index("batches_by_turn", "batches", ["status", "priority", "created_at"])
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("stage_attempts", "attempt_id", type_=sa.BigInteger())
    create_queue_tables()
    create_record_tables()
    create_shared_state_tables()


def add_to(table: str, *columns: sa.Column[Any]) -> None:
    for column in columns:
        op.add_column(table, column)


def number(name: str, value: int) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer(), nullable=False, server_default=str(value))


def flag(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.text("false"))


def create_queue_tables() -> None:
    op.create_table(
        "turns",
        sa.Column("tenant_id", sa.String(120), primary_key=True),
        sa.Column("last_leased_at", sa.Float(), nullable=False),
    )
    op.create_table(
        "queue_gates",
        sa.Column("name", sa.String(20), primary_key=True),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.Float(), nullable=False),
    )
    op.create_table(
        "dead_letters",
        sa.Column("job_id", sa.String(40), primary_key=True),
        sa.Column("tenant_id", sa.String(120), nullable=False),
        sa.Column("doc_id", sa.Text()),
        sa.Column("source", sa.String(60), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("pipeline_name", sa.String(60), nullable=False),
        sa.Column("stage", sa.String(60), nullable=False),
        sa.Column("error_code", sa.String(60), nullable=False),
        sa.Column("error_message", sa.Text(), nullable=False),
        sa.Column("causes", sa.JSON(), nullable=False),
        sa.Column("artifact", sa.JSON()),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("replays", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("first_at", sa.Float(), nullable=False),
        sa.Column("last_at", sa.Float(), nullable=False),
    )
    op.create_index("dead_letters_by_state", "dead_letters", ["tenant_id", "state", "last_at"])


def create_record_tables() -> None:
    op.create_table(
        "outbox",
        sa.Column("sequence", SERIAL, primary_key=True, autoincrement=True),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("audit_id", SERIAL, primary_key=True, autoincrement=True),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("tenant_id", sa.String(120), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.String(60), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
    )
    op.create_index("audit_by_subject", "audit", ["subject", "audit_id"])
    op.create_table(
        "topologies",
        sa.Column("name", sa.String(60), primary_key=True),
        sa.Column("pin", sa.String(80), primary_key=True),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
    )


def create_shared_state_tables() -> None:
    op.create_table(
        "breaker_states",
        sa.Column("name", sa.String(120), primary_key=True),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.Float()),
        sa.Column("probe_holder", sa.String(40)),
        sa.Column("probe_until", sa.Float()),
    )
    op.create_table(
        "limiter_slots",
        sa.Column("name", sa.String(120), primary_key=True),
        sa.Column("next_slot", sa.Float(), nullable=False),
    )
    op.create_table(
        "commit_marks", sa.Column("token", sa.String(32), primary_key=True), sa.Column("at", sa.Float(), nullable=False)
    )
