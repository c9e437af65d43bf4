"""``medkg gates``."""

from __future__ import annotations

from typing import Any

import click

from Medical_KG_rev.cli.context import CommandGroup, Output, shared_options

MOST_JOBS = 10_000


@click.group(cls=CommandGroup)
def gates() -> None:
    """Jobs that wait at a gate until something outside has happened, such as a PDF being read."""


@gates.command("list")
@click.option("--gate", metavar="GATE", help="Only those at this gate.")
@click.option("--limit", type=click.IntRange(1, MOST_JOBS), default=100, show_default=True, help="At most so many.")
@shared_options
def list_waiting(output: Output, gate: str | None, limit: int) -> None:
    """Jobs that wait at a gate, the longest first."""
    with output.platform() as platform:
        waiting = platform.gates.waiting(gate=gate, limit=limit)
    if output.json:
        output.data(waiting)
        return
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None)
    for column in ("job", "document", "gate", "since", "deadline", "flags", "PDF"):
        table.add_column(column, overflow="fold")
    for job in waiting:
        flags = ", ".join(name for name, value in job["flags"].items() if value)
        document = job["doc_id"] or job["source_id"]
        row = (job["job_id"], document, job["gate"], job["waiting_since"], job["deadline"], flags, job["pdf"] or "")
        table.add_row(*map(escape, row))
    output.console().print(table)
    if not waiting:
        output.say("No job waits at a gate.")


@gates.command()
@click.argument("job")
@shared_options
def explain(output: Output, job: str) -> None:
    """What a job waits for: the flags that must be set, its time, and who is at its PDF."""
    with output.platform() as platform:
        found = platform.gates.explain(job)
    if output.json:
        output.data(found)
        return
    for name in ("job_id", "doc_id", "pipeline_name", "status", "gate", "waiting_since", "deadline"):
        click.echo(f"{name:>14}  {found[name]}")
    for flag in found["condition"]:
        click.echo(f"{'condition':>14}  {flag['field']} must be {_word(flag['must_be'])}, and is {_word(flag['is'])}")
    if found["pdf"] is not None:
        click.echo(f"{'PDF':>14}  {_told(found['pdf'])}")
    click.echo(f"{'next':>14}  {_next(found)}")


@gates.command("open")
@click.argument("job")
@click.option("--reason", required=True, metavar="TEXT", help="Why; the audit trail keeps it.")
@shared_options
def open_gate(output: Output, job: str, reason: str) -> None:
    """Lets a job through its gate, whatever its flags say; a worker runs what is behind it.

    Without the document that the gate waits for, the first stage behind it fails.
    """
    with output.platform() as platform:
        opened = platform.gates.open(job, reason=reason)
    if output.json:
        output.data({"job_id": opened.job_id, "status": str(opened.status), "gate": opened.gate, "batch_id": opened.batch_id})
        return
    click.echo(f"{opened.job_id} has passed {opened.gate} and is {opened.status}.")
    output.say(f"A worker runs it, or `medkg jobs retry {opened.job_id}`.")


def _word(value: bool) -> str:
    return "true" if value else "false"


def _told(pdf: dict[str, Any]) -> str:
    worker = f" by {pdf['worker']} since {pdf['leased_at']}" if pdf["state"] == "leased" else ""
    error = f"; last error {pdf['error_code']}: {pdf['error_message']}" if pdf["error_code"] else ""
    return f"{pdf['state']}{worker}, {pdf['attempts']} attempts{error}"


def _next(found: dict[str, Any]) -> str:
    if found["passed"]:
        return "the job has passed this gate"
    if found["status"] != "waiting_at_gate":
        return f"the job is {found['status']}; `medkg jobs show {found['job_id']}`"
    if found["condition"] and all(flag["met"] for flag in found["condition"]):
        return "the job goes on with the next look at the gates"
    if found["pdf"] is not None and found["pdf"]["state"] == "queued":
        return "a PDF worker takes the file: `medkg worker --pdf` starts one"
    if found["pdf"] is not None and found["pdf"]["state"] == "leased":
        return "the PDF is being read"
    return f"`medkg gates open {found['job_id']} --reason TEXT` lets it through"
