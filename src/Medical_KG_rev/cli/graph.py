"""``medkg graph``."""

from __future__ import annotations

import click

from Medical_KG_rev.cli.context import CommandGroup, Output, shared_options


@click.group(cls=CommandGroup)
def graph() -> None:
    """The knowledge graph, read only."""


@graph.command()
@click.argument("entity")
@click.option("--limit", type=click.IntRange(1, 1000), default=25, show_default=True, help="Mentions and claims shown.")
@shared_options
def show(output: Output, entity: str, limit: int) -> int:
    """What is known of ENTITY, by id (any case), name or alias."""
    with output.platform() as platform:
        found = platform.graph.show(entity, limit=limit)
    if output.json:
        output.data(found.to_dict())
        return 0 if found.entity or found.candidates else 1
    if found.candidates:
        output.say(f"{entity!r} is several things; show one by its id:")
        for candidate in found.candidates:
            click.echo(f"{candidate.id:<40} {candidate.type:<12} {candidate.name}")
        return 0
    if found.entity is None:
        output.say(f"The graph knows nothing of {entity!r}. `medkg graph stats` says what it holds.")
        return 1
    from Medical_KG_rev.cli.graph_text import print_entity

    print_entity(found.entity)
    return 0


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
