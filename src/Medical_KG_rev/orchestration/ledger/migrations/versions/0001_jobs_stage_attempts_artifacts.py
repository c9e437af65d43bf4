"""jobs, stage attempts, artifacts."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "artifacts",
        sa.Column("tenant_id", sa.String(length=120), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("doc_id", sa.Text(), nullable=True),
        sa.Column("stage", sa.String(length=60), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("offset", sa.Integer(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "key"),
    )
    with op.batch_alter_table("artifacts", schema=None) as batch_op:
        batch_op.create_index("artifacts_by_document", ["tenant_id", "doc_id"], unique=False)
        batch_op.create_index("artifacts_by_object", ["object_key"], unique=False)

    op.create_table(
        "batches",
        sa.Column("batch_id", sa.String(length=48), nullable=False),
        sa.Column("submission_id", sa.String(length=40), nullable=False),
        sa.Column("tenant_id", sa.String(length=120), nullable=False),
        sa.Column("pipeline_name", sa.String(length=60), nullable=False),
        sa.Column("pipeline_version", sa.String(length=80), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("worker", sa.String(length=40), nullable=True),
        sa.Column("run_id", sa.String(length=40), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("batch_id"),
    )
    with op.batch_alter_table("batches", schema=None) as batch_op:
        batch_op.create_index("batches_by_status", ["status", "worker"], unique=False)

    op.create_table(
        "jobs",
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("tenant_id", sa.String(length=120), nullable=False),
        sa.Column("submission_id", sa.String(length=40), nullable=False),
        sa.Column("batch_id", sa.String(length=48), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("doc_id", sa.Text(), nullable=True),
        sa.Column("pipeline_name", sa.String(length=60), nullable=False),
        sa.Column("pipeline_version", sa.String(length=80), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("current_stage", sa.String(length=60), nullable=True),
        sa.Column("pdf_downloaded", sa.Boolean(), nullable=False),
        sa.Column("pdf_ir_ready", sa.Boolean(), nullable=False),
        sa.Column("retry_count_per_stage", sa.JSON(), nullable=False),
        sa.Column("idempotency_key", sa.String(length=64), nullable=False),
        sa.Column("key_is_callers", sa.Boolean(), nullable=False),
        sa.Column("content_digest", sa.String(length=64), nullable=True),
        sa.Column("unchanged", sa.Boolean(), nullable=False),
        sa.Column("superseded_by", sa.String(length=40), nullable=True),
        sa.Column("error_stage", sa.String(length=60), nullable=True),
        sa.Column("error_code", sa.String(length=60), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("entities", sa.Integer(), nullable=False),
        sa.Column("claims", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("job_id"),
    )
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.create_index("jobs_by_batch", ["batch_id"], unique=False)
        batch_op.create_index("jobs_by_document", ["tenant_id", "doc_id"], unique=False)
        batch_op.create_index("jobs_by_key", ["tenant_id", "idempotency_key"], unique=False)
        batch_op.create_index("jobs_by_status", ["tenant_id", "status", "job_id"], unique=False)
        batch_op.create_index("jobs_by_submission", ["submission_id", "position"], unique=False)

    op.create_table(
        "stage_attempts",
        sa.Column("attempt_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("stage", sa.String(length=60), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("finished_at", sa.Float(), nullable=False),
        sa.Column("input_digest", sa.String(length=64), nullable=True),
        sa.Column("output_count", sa.Integer(), nullable=True),
        sa.Column("worker", sa.String(length=40), nullable=True),
        sa.Column("run_id", sa.String(length=40), nullable=True),
        sa.Column("error_code", sa.String(length=60), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("attempt_id"),
    )
    with op.batch_alter_table("stage_attempts", schema=None) as batch_op:
        batch_op.create_index("stage_attempts_by_job", ["job_id", "attempt_id"], unique=False)

    op.create_table(
        "submissions",
        sa.Column("submission_id", sa.String(length=40), nullable=False),
        sa.Column("tenant_id", sa.String(length=120), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("request_digest", sa.String(length=64), nullable=False),
        sa.Column("pipeline_name", sa.String(length=60), nullable=False),
        sa.Column("pipeline_version", sa.String(length=80), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("listed", sa.Integer(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("worker", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("submission_id"),
    )
    with op.batch_alter_table("submissions", schema=None) as batch_op:
        batch_op.create_index("submissions_by_request", ["tenant_id", "request_digest", "created_at"], unique=False)

    op.create_table(
        "workers",
        sa.Column("worker", sa.String(length=40), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("lock_path", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("worker"),
    )


def downgrade() -> None:
    op.drop_table("workers")
    with op.batch_alter_table("submissions", schema=None) as batch_op:
        batch_op.drop_index("submissions_by_request")

    op.drop_table("submissions")
    with op.batch_alter_table("stage_attempts", schema=None) as batch_op:
        batch_op.drop_index("stage_attempts_by_job")

    op.drop_table("stage_attempts")
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_index("jobs_by_submission")
        batch_op.drop_index("jobs_by_status")
        batch_op.drop_index("jobs_by_key")
        batch_op.drop_index("jobs_by_document")
        batch_op.drop_index("jobs_by_batch")

    op.drop_table("jobs")
    with op.batch_alter_table("batches", schema=None) as batch_op:
        batch_op.drop_index("batches_by_status")

    op.drop_table("batches")
    with op.batch_alter_table("artifacts", schema=None) as batch_op:
        batch_op.drop_index("artifacts_by_object")
        batch_op.drop_index("artifacts_by_document")

    op.drop_table("artifacts")
