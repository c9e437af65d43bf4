"""``medkg worker``."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import click

from Medical_KG_rev.cli.context import Output, shared_options

if TYPE_CHECKING:
    from Medical_KG_rev.supervisor import Supervisor


@click.command()
@click.option("--processes", type=click.IntRange(1, 256), default=1, show_default=True, help="So many run beside each other.")
@click.option("--metrics-port", type=click.IntRange(0, 65535), help="Serve Prometheus metrics there, on loopback; 0 takes any.")
@click.option("--once", is_flag=True, help="End when nothing waits any more.")
@click.option("--pdf", is_flag=True, help="Read the PDFs that wait for an engine, instead of running batches.")
@shared_options
def worker(output: Output, processes: int, metrics_port: int | None, once: bool, pdf: bool) -> None:
    """Runs the batches that wait in the queue, of every tenant; with --pdf, reads the PDFs that wait at a gate for an engine.

    SIGTERM or Ctrl-C lets each process end its stage and give its batch back; a second one stops at once. A process that crashes
    or hangs is replaced, and its batch goes on from where it was. With --json, standard output is a line of JSON per event.
    """
    from Medical_KG_rev.supervisor import QueueGauges, Supervisor
    from Medical_KG_rev.worker_client import WorkerProcess

    tell = _events_as_json if output.json else _events_as_text(output)
    with output.platform() as platform, ExitStack() as stack:
        parts, command = platform.parts, {"command": "read" if pdf else "work", "once": once}
        if metrics_port is not None:
            exporter = stack.enter_context(parts.metrics.serve(metrics_port))
            tell({"event": "metrics", "address": f"http://127.0.0.1:{exporter.port}/metrics"})
        sensors: list[Callable[[], None]] = []
        if metrics_port is not None and platform.settings.dagster_url:
            sensors.append(lambda: parts.sensor_ticks.measure())  # noqa: PLW0108 - Dagster loads in the thread that measures
        stack.enter_context(QueueGauges(parts.ledger, parts.metrics, time.time, others=sensors))
        counted = "pdf" if pdf else "batch"
        start = lambda: WorkerProcess(platform.settings, command)  # noqa: E731
        supervisor = Supervisor(start, processes, tell, parts.metrics, once=once, counted=counted)
        with _signals(supervisor):
            done = supervisor.run()
            tell({"event": "result", "result": {"files": done.pop("batches"), **done} if pdf else done})


@contextmanager
def _signals(supervisor: Supervisor) -> Iterator[None]:
    """The first signal drains, a second one interrupts."""

    def end(_signal: int, _frame: Any) -> None:
        (supervisor.interrupt if supervisor.draining else supervisor.drain)()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _events_as_json(event: dict[str, Any]) -> None:
    click.echo(json.dumps(event, ensure_ascii=False))


def _events_as_text(output: Output) -> Callable[[dict[str, Any]], None]:
    def tell(event: dict[str, Any]) -> None:
        line = _line(event)
        if line:
            output.say(f"process {event['process']}: {line}" if "process" in event else line)

    return tell


def _line(event: dict[str, Any]) -> str:
    """What a person is told of an event; nothing of most."""
    match event["event"]:
        case "batch":
            return f"batch of {event['documents']:,} documents"
        case "pdf":
            return f"{event['doc_id']}: {_outcome(event)} ({event['seconds']:.1f} s)"
        case "fault" | "lease_lost":
            again = f" It starts again in {event['again_in_seconds']:g} s." if "again_in_seconds" in event else ""
            return f"{event['message']}{again}"
        case "draining":
            return "Stopping after the stage at hand; a second signal stops at once."
        case "metrics":
            return f"Metrics: {event['address']}"
        case "result":
            done = event["result"]
            return f"{done['files']:,} PDFs taken." if "files" in done else f"{done['batches']:,} batches run."
        case _:
            return ""


def _outcome(event: dict[str, Any]) -> str:
    """What became of a PDF."""
    match event["status"]:
        case "completed":
            return f"{event['pages']:,} pages read" if event["pages"] else "read before"
        case status:
            return f"{status}, {event['code']}"
