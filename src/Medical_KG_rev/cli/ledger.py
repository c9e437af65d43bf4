"""``medkg ledger``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from Medical_KG_rev.cli.context import CommandGroup, Output, shared_options

if TYPE_CHECKING:
    from Medical_KG_rev.parts import PlatformParts
    from Medical_KG_rev.settings import Settings


@click.group(cls=CommandGroup)
def ledger() -> None:
    """The ledger's database, with the jobs of all tenants."""


@ledger.command()
@shared_options
def status(output: Output) -> None:
    """The revision of the schema, the rows of each table, and the size. A ledger of an earlier release is migrated first."""
    from Medical_KG_rev.orchestration.ledger.condition import describe

    with output.platform() as platform:
        found: dict[str, Any] = describe(platform.parts.ledger.database)
    if output.json:
        output.data(found)
        return
    click.echo(f"{found['database']} {found['location']}, schema {found['revision']}, {found['size_bytes']:,} bytes")
    for name, count in found["rows"].items():
        click.echo(f"{name:<16} {count:>12,}")


@ledger.command()
@shared_options
def migrate(output: Output) -> None:
    """Brings a ledger of an earlier release up to date: its schema, then its data. Twice is harmless.

    Jobs on their way in the pipeline `auto` whose record names a PDF get the pipeline `pdf-two-phase`.
    """
    from Medical_KG_rev.orchestration.ledger.database import HEAD

    with output.platform() as platform:
        if not output.quiet:
            _show_log(platform.parts.settings)
        report = {"revision": HEAD, **_migrate_data(platform.parts)}
    if output.json:
        output.data(report)
        return
    click.echo(f"Schema {report['revision']}; {report['changed']:,} of {report['examined']:,} jobs on their way were changed.")
    if report["held"]:
        output.say(f"{report['held']:,} are at a worker; migrate again when it has stopped.")


def _show_log(settings: Settings) -> None:
    """What the steps log goes to standard error."""
    from Medical_KG_rev.observability.logs import configure_logging

    configure_logging(sys.stderr, json=settings.log.json_lines, level=settings.log.level, secrets=settings.secrets())


def _migrate_data(parts: PlatformParts) -> dict[str, int]:
    """The data step; a pipeline that is not there stops it before anything is changed."""
    from Medical_KG_rev.orchestration.ledger.backfill import PDF_PIPELINE, jobs_with_pdf, use_pdf_pipeline
    from Medical_KG_rev.orchestration.ledger.workers import recover_lost_workers

    recover_lost_workers(parts.ledger)
    pin = parts.topologies.pin(PDF_PIPELINE) if jobs_with_pdf(parts.ledger) else ""
    return use_pdf_pipeline(parts.ledger, pin).to_dict()
