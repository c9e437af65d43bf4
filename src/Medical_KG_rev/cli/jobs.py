"""``medkg jobs``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from Medical_KG_rev.cli.context import CommandGroup, Output, shared_options

if TYPE_CHECKING:
    from Medical_KG_rev.platform import Platform

MOST_JOBS = 10_000
SHOWN = (
    *("job_id", "doc_id", "source_id", "pipeline_name", "pipeline_version", "priority", "status", "current_stage"),
    *("submission_id", "batch_id", "worker", "created_at", "updated_at"),
)


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
@click.option("--from", "from_stage", metavar="STAGE", help="Run failed jobs again from this stage, whatever they have stored.")
@shared_options
def retry(output: Output, job_ids: tuple[str, ...], queued: bool, failed: bool, from_stage: str | None) -> int:
    """Runs failed jobs again, or queued ones, from where they stopped."""
    from Medical_KG_rev.cli.ingest import report
    from Medical_KG_rev.cli.progress import follow

    with output.platform() as platform:
        wanted = list(job_ids)
        for chosen, status in ((queued, "queued"), (failed, "failed")):
            if chosen:
                wanted += [job.job_id for job in platform.jobs(status=status, limit=MOST_JOBS)]
        if not wanted:
            if job_ids or queued or failed:
                output.say("Nothing to retry.")
                return 0
            raise click.UsageError("Name jobs, or give --queued or --failed.")
        return report(output, follow(platform.retry(wanted, from_stage=from_stage), output))


@jobs.command()
@click.argument("job_ids", nargs=-1, required=True, metavar="JOB...")
@click.option("--reason", default="", metavar="TEXT", help="Why; the audit trail keeps it.")
@shared_options
def cancel(output: Output, job_ids: tuple[str, ...], reason: str) -> None:
    """Ends jobs: at once when no worker is at them, else between two of their stages."""
    with output.platform() as platform:
        done = [platform.cancel(job_id, reason=reason) for job_id in dict.fromkeys(job_ids)]
    if output.json:
        output.data([{"job_id": job.job_id, "status": str(job.status), "cancel_requested": job.cancel_requested} for job in done])
        return
    for job in done:
        later = "" if job.terminal else ": ends before its next stage"
        click.echo(f"{job.job_id}  {job.status}{later}")


@jobs.command()
@click.argument("job_ids", nargs=-1, metavar="[JOB]...")
@click.option("--submission", metavar="BATCH", help="All jobs of an ingest: the batch_id of its result.")
@shared_options
def watch(output: Output, job_ids: tuple[str, ...], submission: str | None) -> int:
    """Shows jobs until all of them have ended: those named, or all that are on their way. Exit code 1 if any failed.

    With --json, one line for each change.
    """
    from Medical_KG_rev.cli.jobs_watch import watch as show_until_ended

    if job_ids and submission:
        raise click.UsageError("Name jobs or give --submission, not both.")
    with output.platform() as platform:
        wanted = list(job_ids) or ([] if submission else _on_their_way(platform))
        if not wanted and not submission:
            output.say("No job is on its way.")
            return 0
        return show_until_ended(lambda: platform.current_jobs(wanted, submission=submission), output)


def _on_their_way(platform: Platform) -> list[str]:
    from Medical_KG_rev.orchestration.ledger import JobStatus
    from Medical_KG_rev.orchestration.ledger.states import TERMINAL

    return [job.job_id for status in JobStatus if status not in TERMINAL for job in platform.jobs(status=status, limit=MOST_JOBS)]


def _print_job(output: Output, view: dict[str, Any]) -> None:
    from rich.table import Table

    for name in SHOWN:
        click.echo(f"{name:>18}  {'-' if view[name] is None else view[name]}")
    if view["error"]:
        click.echo(f"{'error':>18}  {view['error']['stage']}: {view['error']['message']}")
    if view["failure_mark"]:
        click.echo(f"{'failure mark':>18}  {view['failure_mark']}")
    if view["dead_letter"]:
        click.echo(f"{'dead letter':>18}  {view['dead_letter']['state']}: `medkg dlq show {view['job_id']}`")
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
