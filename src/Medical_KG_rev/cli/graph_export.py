"""``medkg graph export``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from Medical_KG_rev.cli.context import Output, shared_options
from Medical_KG_rev.cli.graph_entities import the_entity

EXPORT_FORMATS = ("kgx", "rdf", "jsonld", "fhir", "graphml", "parquet")
_RECORDS_PER_LOOK = 500


@click.command()
@click.option("--format", type=click.Choice(EXPORT_FORMATS), required=True, help="What to write.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="File; for kgx and parquet a folder.")
@click.option("--entity", help="Only this entity, by id or name, and what is near it.")
@click.option("--hops", type=click.IntRange(1, 4), default=1, show_default=True, help="How near, with --entity.")
@shared_options
def export(output: Output, format: str, out: Path, entity: str | None, hops: int) -> None:
    """Writes the graph, or what is near an entity, in a format of others.

    kgx: Biolink nodes and edges (JSON Lines). rdf: N-Quads, each claim a nanopublication. jsonld: the same statements.
    fhir: R5 Citation, ResearchStudy, Evidence. graphml: for Gephi, Cytoscape, networkx. parquet: tables (needs the extra
    `parquet`). Files appear whole or not at all.
    """
    with output.platform() as platform, _progress(output) as progress:
        near = the_entity(output, platform.graph, entity) if entity is not None else None
        receipt = platform.graph.export(format, out, entity=near.id if near else None, hops=hops, progress=progress)
    if output.json:
        output.data(receipt.to_dict())
        return
    click.echo(", ".join(f"{count:,} {kind}" for kind, count in receipt.written.items()) or "The graph is empty.")
    for file in receipt.files:
        click.echo(f"{file.size_bytes:>14,}  {file.path}  sha256:{file.sha256}")
    if receipt.left_out:
        left = ", ".join(f"{count:,} {kind}" for kind, count in receipt.left_out.items())
        output.say(f"The format has no place for {left}.")


@contextmanager
def _progress(output: Output) -> Iterator[Callable[[str, int], None]]:
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = output.console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=output.quiet or not console.is_terminal) as progress:
        task = progress.add_task("reading the graph", total=None)

        def show(kind: str, count: int) -> None:
            if count % _RECORDS_PER_LOOK == 1:
                progress.update(task, description=f"{count:,} {kind}")

        yield show
