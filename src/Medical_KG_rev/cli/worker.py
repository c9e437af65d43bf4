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
@shared_options
def worker(output: Output, processes: int, metrics_port: int | None, once: bool) -> None:
    """Runs the batches that wait in the queue, of every tenant.

    SIGTERM or Ctrl-C lets each process end its stage and give its batch back; a second one stops at once. A process that crashes
    or hangs is replaced, and its batch goes on from where it was. With --json, standard output is a line of JSON per event.
    """
    from Medical_KG_rev.supervisor import QueueGauges, Supervisor
    from Medical_KG_rev.worker_client import WorkerProcess

    tell = _events_as_json if output.json else _events_as_text(output)
    with output.platform() as platform, ExitStack() as stack:
        parts, command = platform.parts, {"command": "work", "once": once}
        if metrics_port is not None:
            exporter = stack.enter_context(parts.metrics.serve(metrics_port))
            tell({"event": "metrics", "address": f"http://127.0.0.1:{exporter.port}/metrics"})
        sensors: list[Callable[[], None]] = []
        if metrics_port is not None and platform.settings.dagster_url:
            sensors.append(lambda: parts.sensor_ticks.measure())  # noqa: PLW0108 - Dagster loads in the thread that measures
        stack.enter_context(QueueGauges(parts.ledger, parts.metrics, time.time, others=sensors))
        supervisor = Supervisor(lambda: WorkerProcess(platform.settings, command), processes, tell, parts.metrics, once=once)
        with _signals(supervisor):
            tell({"event": "result", "result": supervisor.run()})


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
        case "fault" | "lease_lost":
            again = f" It starts again in {event['again_in_seconds']:g} s." if "again_in_seconds" in event else ""
            return f"{event['message']}{again}"
        case "draining":
            return "Stopping after the stage at hand; a second signal stops at once."
        case "metrics":
            return f"Metrics: {event['address']}"
        case "result":
            return f"{event['result']['batches']:,} batches run."
        case _:
            return ""
