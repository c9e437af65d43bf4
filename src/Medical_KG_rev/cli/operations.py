"""``medkg gc``, ``medkg storage``, ``medkg backup`` and ``medkg restore``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from Medical_KG_rev.cli.context import Output, shared_options

if TYPE_CHECKING:
    from pydantic import SecretStr
    from sqlalchemy import Engine

    from Medical_KG_rev.operations import Manifest, StorageUsage
    from Medical_KG_rev.parts import PlatformParts
    from Medical_KG_rev.settings import Settings

RUNS_AT_A_TIME = 1000
"""Removing a run takes some milliseconds; what is left goes the next time."""
_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


@click.command()
@click.option("--dry-run", is_flag=True, help="Only count.")
@click.option(
    "--older-than",
    type=click.FloatRange(min=60),
    default=3600.0,
    show_default=True,
    metavar="SECONDS",
    help="Leave what is younger: a running batch writes its bytes before their rows.",
)
@shared_options
def gc(output: Output, dry_run: bool, older_than: float) -> None:
    """Removes what nothing refers to: objects without rows, remains of killed processes, logs of two weeks ago, old runs.

    It may run at any time, beside anything.
    """
    from Medical_KG_rev.operations import GarbageCollector

    with output.platform() as platform:
        parts = platform.parts
        collector = GarbageCollector(parts.data_dir, parts.ledger.engine, parts.store, time.time, safety_seconds=older_than)
        report = collector.run(dry_run=dry_run)
        runs = 0 if dry_run else _prune_history(parts)
    if output.json:
        output.data({**report.to_dict(), "runs": runs})
        return
    for item in report.cleared:
        click.echo(f"{item.kind:<24} {item.count:>9,} {shown(item.bytes):>10}")
    if runs:
        click.echo(f"{'runs of Dagster':<24} {runs:>9,}")
    if dry_run:
        output.say("Nothing was removed.")


def _prune_history(parts: PlatformParts) -> int:
    """Runs that ended long ago leave Dagster's history (``MK_DAGSTER__RETENTION_DAYS``); how many did."""
    if not parts.dagster_home.exists():
        return 0
    from Medical_KG_rev.orchestration.dagster.history import prune_runs

    older_than = parts.settings.dagster.retention_days * 86_400
    return prune_runs(parts.dagster, older_than, RUNS_AT_A_TIME, now=time.time())


@click.command()
@shared_options
def storage(output: Output) -> None:
    """How much room each part takes, what a thousand documents cost, and how fast it grows."""
    from Medical_KG_rev.operations import measure

    with output.platform() as platform:
        parts = platform.parts
        usage = measure(parts.data_dir, parts.ledger.engine, parts.store, time.time, parts.settings.model_root)
    if output.json:
        output.data(usage.to_dict())
    else:
        _show_usage(usage, output)


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@shared_options
def backup(output: Output, folder: Path) -> None:
    """Copies everything of one moment to DIR while the work goes on: ledger, Dagster, index, graph, objects, events.

    DIR must be empty or absent. Models are left out: `medkg models fetch` brings them.
    """
    from Medical_KG_rev.operations import BackupSource, back_up

    with output.platform() as platform, _progress(output) as tell:
        parts = platform.parts
        dagster = _dagster_database(parts.settings)
        source = BackupSource(parts.data_dir, parts.ledger.engine, parts.store, dagster, parts.graph_archive)
        manifest = back_up(source, folder, now=time.time, progress=tell)
    _report(manifest, folder, output, "Backed up")


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace what is there.")
@shared_options
def restore(output: Output, folder: Path, force: bool) -> None:
    """Puts the backup in DIR in place, once every file of it has been checked.

    What ran at the backup's moment goes on with the next ingest.
    """
    from Medical_KG_rev.operations import RestoreTarget
    from Medical_KG_rev.operations import restore as put_back

    with output.platform() as platform, _progress(output) as tell:
        parts = platform.parts
        ledger = _database(parts.settings.database.url)
        dagster = _dagster_database(parts.settings)
        target = RestoreTarget(parts.data_dir, parts.store, ledger, dagster, parts.graph_archive)
        manifest = put_back(folder, target, force=force, progress=tell)
    _report(manifest, folder, output, "Restored")


def _dagster_database(settings: Settings) -> Engine | None:
    """Dagster's database, where it is one of its own; otherwise its tables are in the ledger's, or its files in the folder."""
    return _database(settings.dagster.postgres_url) if settings.profile == "services" else None


def _database(url: SecretStr) -> Engine | None:
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    return create_engine(url.get_secret_value(), poolclass=NullPool) if url.get_secret_value() else None


def shown(size_bytes: int) -> str:
    """A size for people."""
    for unit, name in _UNITS:
        if size_bytes >= unit:
            return f"{size_bytes / unit:,.1f} {name}"
    return f"{size_bytes} B"


def _show_usage(usage: StorageUsage, output: Output) -> None:
    from rich.table import Table

    table = Table("part", "size", "per 1,000 documents", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for part in usage.parts:
        table.add_row(part.part, shown(part.bytes), "" if part.per_1000_documents is None else shown(part.per_1000_documents))
    share = usage.to_dict()["per_1000_documents"]
    table.add_row("all", shown(usage.bytes), "" if share is None else shown(share))
    output.console().print(table)
    for growth in usage.growth:
        click.echo(f"last {growth.period:<4} {growth.documents:>9,} documents, {shown(growth.bytes)} of stage outputs")


def _report(manifest: Manifest, folder: Path, output: Output, what: str) -> None:
    if output.json:
        output.data(
            {
                "folder": str(folder),
                "created_at": manifest.created_at,
                "release": manifest.release,
                "files": len(manifest.files),
                "bytes": manifest.bytes,
                "jobs": manifest.jobs,
            }
        )
        return
    counts = ", ".join(f"{count:,} {status}" for status, count in sorted(manifest.jobs.items())) or "none"
    click.echo(f"{what} {len(manifest.files):,} files, {shown(manifest.bytes)}, as of {manifest.created_at}. Jobs: {counts}.")


@contextmanager
def _progress(output: Output) -> Iterator[Callable[[str, int, int], None]]:
    """What is being copied, on standard error."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = output.console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=output.quiet or not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        yield lambda what, done, total: progress.update(task, description=what, completed=done, total=total or None)
