"""``medkg index``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from Medical_KG_rev.cli.context import CommandGroup, Output, shared_options

if TYPE_CHECKING:
    from Medical_KG_rev.index.inspection import Finding
    from Medical_KG_rev.index.reembedding import ReembedReport


@click.group(cls=CommandGroup)
def index() -> None:
    """The search index of one tenant: whether its stores agree, and what keeps it well."""


@index.command()
@shared_options
def verify(output: Output) -> int:
    """Reads the whole index, holds segments and lexicon against the catalogue row by row, and changes nothing.

    Exit code 1 where something is wrong; `medkg index repair` mends it.
    """
    import msgspec

    from Medical_KG_rev.operations.search_index import verify_index

    with output.platform() as platform:
        found = verify_index(platform.parts, platform.tenant)
    if output.json:
        output.data(msgspec.to_builtins(found))
    else:
        click.echo(f"{found.documents:,} documents, {found.chunks:,} chunks")
        _show(found.findings)
        click.echo("Run `medkg index repair`." if found.findings else "All stores agree.")
    return 1 if found.findings else 0


@index.command()
@shared_options
def repair(output: Output) -> int:
    """Makes lost segments and lexicons anew from the stored chunks, and removes what belongs to no batch.

    Searches go on meanwhile. Exit code 1 where something remains.
    """
    import msgspec

    from Medical_KG_rev.operations.search_index import repair_index

    with output.platform() as platform:
        report = repair_index(platform.parts, platform.tenant)
    if output.json:
        output.data(msgspec.to_builtins(report))
    else:
        _show(report.found)
        renewed = "; the lexicon was made anew" if report.renewed_lexicon else ""
        click.echo(f"{report.rebuilt_rows:,} rows made anew, {report.removed_files:,} files removed{renewed}.")
        _show(report.remaining)
    return 1 if report.remaining else 0


@index.command()
@shared_options
def compact(output: Output) -> None:
    """Rewrites lexicon and segments with live rows only: less room, and nothing of deleted documents in any file."""
    with output.platform() as platform:
        platform.parts.index_writer.compact(platform.tenant)
    if output.json:
        output.data({"tenant_id": platform.tenant, "compacted": True})
    else:
        output.say("Compacted.")


@index.command()
@click.option("--model", metavar="MODEL", help="The embedding model that the index is to have.")
@click.option("--sparse", metavar="MODEL", help="The model of learned sparse vectors that it is to have; `none` gives them up.")
@click.option("--switch-back", is_flag=True, help="Return to the models before; chunks written since get their vectors first.")
@click.option("--drop-old", is_flag=True, help="Remove the vectors that are kept for a return.")
@shared_options
def reembed(output: Output, model: str | None, sparse: str | None, switch_back: bool, drop_old: bool) -> None:
    """Changes the models of the index while it goes on answering: new vectors beside the old, then one switch.

    A run that is broken off goes on where it stopped when the same command is given again. Set MK_EMBEDDING__MODEL and
    MK_SPARSE__MODEL to the new models afterwards: searches and ingests with others are refused.
    """
    from Medical_KG_rev.operations import search_index

    if switch_back and (model or sparse):
        raise click.UsageError("--switch-back names its models by itself.")
    if not (model or sparse or switch_back or drop_old):
        raise click.UsageError("Give --model, --sparse, --switch-back or --drop-old.")
    tell, report = _progress(output), None
    with output.platform() as platform:
        if switch_back:
            report = search_index.switch_back(platform.parts, platform.tenant, progress=tell)
        elif model or sparse:
            report = search_index.reembed_index(platform.parts, platform.tenant, model=model, sparse=sparse, progress=tell)
        if drop_old:
            dropped = search_index.drop_retired(platform.parts, platform.tenant)
            report = dropped if report is None else _joined(report, dropped)
    if report is not None:
        _show_reembedded(output, report)


def _joined(first: ReembedReport, second: ReembedReport) -> ReembedReport:
    import msgspec

    return msgspec.structs.replace(second, made=first.made)


def _show_reembedded(output: Output, report: ReembedReport) -> None:
    import msgspec

    if output.json:
        output.data(msgspec.to_builtins(report))
        return
    click.echo(f"{report.made:,} of {report.chunks:,} chunks got new vectors.")
    for state, models in (("searched", report.active), ("kept for a return", report.retired)):
        for kind, model in models.items():
            click.echo(f"{kind:<8} {model} ({state})")


def _show(findings: Sequence[Finding]) -> None:
    for finding in findings:
        detail = f": {finding.detail}" if finding.detail else ""
        click.echo(f"{finding.store:<10} {finding.count:>8,} {finding.problem}{detail}")


def _progress(output: Output) -> Callable[[int, int], None]:
    return lambda done, total: output.say(f"{done:,} of {total:,} chunks")
