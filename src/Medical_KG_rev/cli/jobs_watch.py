"""What ``medkg jobs watch`` shows: jobs until all of them have ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from Medical_KG_rev.cli.context import Output
    from Medical_KG_rev.orchestration.ledger import Job

POLL_SECONDS = 0.5
ROWS_SHOWN = 40
FAILED = ("failed", "dead")


def watch(read: Callable[[], Sequence[Job]], output: Output, sleep: Callable[[float], None] = time.sleep) -> int:
    """Shows jobs as ``read`` gives them until all have ended: a live table, or a JSON line for each change. 1 if any failed."""
    jobs = _write_lines(read, output, sleep) if output.json else _show_table(read, output, sleep)
    return 1 if any(job.status in FAILED for job in jobs) else 0


def states(read: Callable[[], Sequence[Job]], sleep: Callable[[float], None]) -> Iterator[Sequence[Job]]:
    """The jobs again and again; the last time when all have ended."""
    while True:
        jobs = read()
        yield jobs
        if all(job.terminal for job in jobs):
            return
        sleep(POLL_SECONDS)


def line(job: Job) -> dict[str, Any]:
    """One line of ``jobs watch --json``."""
    return {
        "job_id": job.job_id,
        "doc_id": job.doc_id,
        "source_id": job.source_id,
        "status": str(job.status),
        "current_stage": job.current_stage,
        "cancel_requested": job.cancel_requested,
        "error": {"code": job.error_code, "message": job.error_message, "stage": job.error_stage} if job.error_code else None,
    }


def _write_lines(read: Callable[[], Sequence[Job]], output: Output, sleep: Callable[[float], None]) -> Sequence[Job]:
    written: dict[str, dict[str, Any]] = {}
    jobs: Sequence[Job] = ()
    for jobs in states(read, sleep):
        for job in jobs:
            told = line(job)
            if written.get(job.job_id) != told:
                output.data(told)
                written[job.job_id] = told
    return jobs


def _show_table(read: Callable[[], Sequence[Job]], output: Output, sleep: Callable[[float], None]) -> Sequence[Job]:
    from rich.live import Live

    jobs: Sequence[Job] = ()
    with Live(console=output.console(), auto_refresh=False) as live:
        for jobs in states(read, sleep):
            live.update(_table(jobs), refresh=True)
    return jobs


def _table(jobs: Sequence[Job]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    ended = sum(job.terminal for job in jobs)
    table = Table(box=None, title=f"{ended:,} of {len(jobs):,} ended", title_justify="left")
    for column in ("job", "document", "status", "stage", "error"):
        table.add_column(column)
    for job in sorted(jobs, key=lambda job: job.terminal and job.status not in FAILED)[:ROWS_SHOWN]:
        stage = job.error_stage or job.current_stage or ""
        table.add_row(*map(escape, (job.job_id, job.doc_id or job.source_id, str(job.status), stage, job.error_code or "")))
    return table
