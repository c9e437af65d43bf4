"""``medkg jobs``."""

from __future__ import annotations

from typing import Any

import click

from Medical_KG_rev.cli.context import CommandGroup, Output, shared_options


@click.group(cls=CommandGroup)
def jobs() -> None:
    """The ledger: what became of every document."""


@jobs.command("list")
@click.option("--status", help="Only jobs in this state.")
@click.option("--source", help="Only jobs of this source.")
@click.option("--pipeline", help="Only jobs of this pipeline.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--after", metavar="JOB", help="Go on after this job of the page before.")
@shared_options
def list_jobs(
    output: Output, status: str | None, source: str | None, pipeline: str | None, limit: int, after: str | None
) -> None:
    """Jobs, newest first."""
    from Medical_KG_rev.jobs_view import job_view

    with output.platform() as platform:
        found = platform.jobs(status=status, source=source, pipeline=pipeline, after=after, limit=limit)
    if output.json:
        output.data([{key: value for key, value in job_view(job, ()).items() if key != "stages"} for job in found])
        return
    from rich.table import Table

    table = Table(box=None)
    for column in ("job", "document", "status", "stage", "chunks", "claims", "error"):
        table.add_column(column, overflow="fold")
    for job in found:
        status_text = f"{job.status} (unchanged)" if job.unchanged else str(job.status)
        stage = job.error_stage or job.current_stage or ""
        table.add_row(
            job.job_id, job.doc_id or job.source_id, status_text, stage, str(job.chunks), str(job.claims), job.error_code or ""
        )
    output.console().print(table)
    if not found:
        output.say("No jobs. `medkg ingest` makes some.")


@jobs.command()
@click.argument("job")
@shared_options
def show(output: Output, job: str) -> None:
    """One job with every attempt of every stage."""
    with output.platform() as platform:
        view = platform.job(job)
    if output.json:
        output.data(view)
        return
    _print_job(output, view)


@jobs.command()
@click.argument("job_ids", nargs=-1, metavar="JOB...")
@click.option("--queued", is_flag=True, help="All queued jobs that nobody runs.")
@click.option("--failed", is_flag=True, help="All failed jobs.")
@shared_options
def retry(output: Output, job_ids: tuple[str, ...], queued: bool, failed: bool) -> int:
    """Runs failed jobs again, or queued ones, from where they stopped."""
    from Medical_KG_rev.cli.ingest import report
    from Medical_KG_rev.cli.progress import follow

    with output.platform() as platform:
        wanted = list(job_ids)
        for chosen, status in ((queued, "queued"), (failed, "failed")):
            if chosen:
                wanted += [job.job_id for job in platform.jobs(status=status, limit=10_000)]
        if not wanted:
            if job_ids or queued or failed:
                output.say("Nothing to retry.")
                return 0
            raise click.UsageError("Name jobs, or give --queued or --failed.")
        return report(output, follow(platform.retry(wanted), output))


def _print_job(output: Output, view: dict[str, Any]) -> None:
    from rich.table import Table

    for name in ("job_id", "doc_id", "source_id", "pipeline_name", "pipeline_version", "status", "created_at", "updated_at"):
        click.echo(f"{name:>18}  {view[name]}")
    if view["error"]:
        click.echo(f"{'error':>18}  {view['error']['stage']}: {view['error']['message']}")
    table = Table(box=None)
    for column in ("stage", "attempt", "status", "ms", "outputs", "run", "error"):
        table.add_column(column)
    for stage in view["stages"]:
        table.add_row(
            stage["stage"],
            str(stage["attempt"]),
            stage["status"],
            f"{stage['duration_ms']:.1f}",
            "" if stage["output_count"] is None else str(stage["output_count"]),
            (stage["run_id"] or "")[:8],
            stage["error"]["message"] if stage["error"] else "",
        )
    output.console().print(table)
