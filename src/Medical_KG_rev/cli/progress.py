"""Progress of an ingest on standard error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from Medical_KG_rev.cli.context import Output


def follow(events: Iterator[dict[str, Any]], output: Output) -> dict[str, Any]:
    """Shows what happens until the result comes, and gives it."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    console = output.console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=output.quiet or not console.is_terminal) as progress:
        task = progress.add_task("listing", total=None, rate="")
        for event in events:
            if event["event"] == "result":
                result: dict[str, Any] = event["result"]
                return result
            if event["event"] == "listed":
                progress.update(task, description=f"listed {event['documents']:,}", completed=event["documents"])
            elif event["event"] == "batch":
                progress.update(task, description=f"run {event['number']}", completed=0, total=event["documents"])
            elif event["event"] == "retry":
                again = f"attempt {event['attempt']} failed, the next one in {event['wait_seconds']:g} s"
                progress.console.print(f"{event['message']} ({again})", markup=False)
            elif event["event"] in ("fault", "lease_lost"):
                progress.console.print(event["message"], markup=False)
            elif event["event"] == "waiting":
                progress.update(task, description=_waiting(event))
            elif event["event"] == "pdf":
                if event["status"] != "completed":
                    progress.console.print(f"{event['doc_id']}: {event['code']} ({event['status']})", markup=False)
            else:
                _show_stage(progress, task, event)
    raise RuntimeError("The worker ended without a result.")


def _waiting(event: dict[str, Any]) -> str:
    at_gate = event.get("waiting_at_gate", 0)
    if at_gate:
        return f"waiting at the gate for {at_gate:,} PDFs to be read"
    return f"waiting for {event['documents']:,} documents of another process"


def _show_stage(progress: Any, task: Any, event: dict[str, Any]) -> None:
    current = progress.tasks[0]
    description = event["stage"] + (f" ({event['failed']} failed)" if event["failed"] else "")
    if current.description.split(" ")[0] != event["stage"]:
        progress.reset(task, description=description, total=event["total"], completed=event["done"], rate="")
    rate = f"{current.speed:,.0f}/s" if current.speed else ""
    progress.update(task, description=description, completed=event["done"], total=event["total"], rate=rate)
