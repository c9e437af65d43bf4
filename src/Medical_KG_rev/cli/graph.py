"""``medkg graph``."""

from __future__ import annotations

from pathlib import Path

import click

from Medical_KG_rev.cli.context import CommandGroup, Output, shared_options
from Medical_KG_rev.cli.graph_entities import say_candidates, the_entity
from Medical_KG_rev.cli.graph_export import export
from Medical_KG_rev.cli.graph_path import path


@click.group(cls=CommandGroup)
def graph() -> None:
    """The knowledge graph, read only."""


graph.add_command(export)
graph.add_command(path)


@graph.command()
@click.argument("entity")
@click.option("--limit", type=click.IntRange(1, 1000), default=25, show_default=True, help="Mentions, claims, assertions shown.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Draw it and what is near it on a page of its own.")
@click.option("--hops", type=click.IntRange(1, 4), default=1, show_default=True, help="How near, with --html.")
@click.option("--entities", type=click.IntRange(1, 2000), default=200, show_default=True, help="Drawn at most, with --html.")
@shared_options
def show(output: Output, entity: str, limit: int, html: Path | None, hops: int, entities: int) -> int:
    """What is known of ENTITY, by id (any case), name or alias."""
    if html is not None:
        _draw(output, entity, html, hops, entities)
        return 0
    with output.platform() as platform:
        found = platform.graph.show(entity, limit=limit)
    if output.json:
        output.data(found.to_dict())
        return 0 if found.entity or found.candidates else 1
    if found.entity is None:
        say_candidates(output, entity, found.candidates)
        return 0 if found.candidates else 1
    from Medical_KG_rev.cli.graph_text import print_entity

    print_entity(found.entity)
    return 0


def _draw(output: Output, entity: str, place: Path, hops: int, entities: int) -> None:
    with output.platform() as platform:
        centre = the_entity(output, platform.graph, entity)
        written = platform.graph.draw(centre.id, place, hops=hops, entities=entities)
    if output.json:
        output.data({"entity": centre.to_dict(), "file": written.to_dict()})
    else:
        click.echo(f"{written.size_bytes:>14,}  {written.path}")


@graph.command()
@click.argument("cypher")
@click.option("--limit", type=click.IntRange(1, 100_000), default=1000, show_default=True, help="Rows at most.")
@click.option("--timeout", type=click.FloatRange(0.1, 600), default=30.0, show_default=True, help="Seconds at most.")
@shared_options
def query(output: Output, cypher: str, limit: int, timeout: float) -> None:
    """Rows of a reading CYPHER query."""
    with output.platform() as platform:
        rows = platform.graph.query(cypher, limit=limit, timeout_seconds=timeout)
    if output.json:
        output.data(rows.to_dict())
        return
    from rich.table import Table

    table = Table(box=None)
    for column in rows.columns:
        table.add_column(column, overflow="fold")
    for row in rows.rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    output.console().print(table)
    if rows.truncated:
        output.say(f"Only the first {limit:,} rows; --limit gives more.")


@graph.command()
@shared_options
def stats(output: Output) -> None:
    """How much the graph holds."""
    with output.platform() as platform:
        found = platform.graph.stats().to_dict()
    if output.json:
        output.data(found)
        return
    for name, value in found.items():
        if isinstance(value, dict):
            click.echo(f"{name.replace('_', ' ')}:")
            for key, count in sorted(value.items(), key=lambda item: -item[1]):
                click.echo(f"{count:>12,}  {key}")
        else:
            click.echo(f"{value:>12,}  {name.replace('_', ' ')}")
