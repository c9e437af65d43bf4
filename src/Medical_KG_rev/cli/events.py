"""``medkg events``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import click

from Medical_KG_rev.cli.context import CommandGroup, Output, shared_options

if TYPE_CHECKING:
    from Medical_KG_rev.orchestration.events.places import EventPlace
    from Medical_KG_rev.parts import PlatformParts


@click.group(cls=CommandGroup)
def events() -> None:
    """What happened: CloudEvents of jobs, stages, batches and configuration."""


@events.command()
@click.option("--follow", "-f", is_flag=True, help="Wait for more; end with Ctrl-C.")
@click.option("--job", metavar="JOB", help="Only events of this job.")
@click.option("--type", "kind", metavar="TYPE", help="Only events of this type: stage.failed, or stage for all of stages.")
@shared_options
def tail(output: Output, follow: bool, job: str | None, kind: str | None) -> None:
    """Events, oldest first: all there are unless filtered. With --json, one in CloudEvents JSON format a line."""
    from Medical_KG_rev.orchestration.events.reader import open_event_reader

    found = 0
    with _place(output) as (place, before):
        reader = open_event_reader(place, tenant_id=output.tenant, job_id=job, type=kind, follow=follow, before=before)
        with closing(reader):
            for event in reader:
                found += 1
                if output.json:
                    output.data(event)
                else:
                    click.echo(_line(event))
    if not found:
        output.say("No events.")


@contextmanager
def _place(output: Output) -> Iterator[tuple[EventPlace, Callable[[], object]]]:
    """Where the events are, and what to do first so that none of them is still on its way there."""
    with output.platform() as platform:
        yield platform.parts.event_place, lambda: _drain(platform.parts)


def _drain(parts: PlatformParts) -> None:
    """Publishes what waits in the outbox. Where no ledger was ever written there is none, and none is made."""
    if parts.settings.database.url.get_secret_value() or (parts.data_dir / "ledger.db").exists():
        parts.relay.drain()


def _line(event: Any) -> str:
    from Medical_KG_rev.orchestration.events.types import short_type

    data = " ".join(f"{name}={value}" for name, value in event.get("data", {}).items() if name not in {"doc_id", "time"})
    return f"{event['time']}  {short_type(event['type']):<15}  {event.get('subject', '-')}  {data}"
