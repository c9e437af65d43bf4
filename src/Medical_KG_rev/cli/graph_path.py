"""``medkg graph path``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from Medical_KG_rev.cli.context import Output, shared_options
from Medical_KG_rev.cli.graph_entities import the_entity
from Medical_KG_rev.cli.graph_text import print_evidence, relation

if TYPE_CHECKING:
    from Medical_KG_rev.graph import AssertionRow, EntityRef, GraphPath

QUOTES_PER_STEP = 3


@click.command()
@click.argument("a")
@click.argument("b")
@click.option("--max-hops", type=click.IntRange(1, 6), default=4, show_default=True, help="Steps at most.")
@click.option("--limit", type=click.IntRange(1, 100), default=5, show_default=True, help="Paths at most.")
@shared_options
def path(output: Output, a: str, b: str, max_hops: int, limit: int) -> int:
    """The shortest ways from entity A to entity B, by id or name, with the sentences behind every step.

    A name that means several things lists them (exit code 2); 1 when there is no way, or the graph knows nothing of A or B.
    """
    with output.platform() as platform:
        start, end = the_entity(output, platform.graph, a), the_entity(output, platform.graph, b)
        found = platform.graph.path(start.id, end.id, max_hops=max_hops, limit=limit)
    if output.json:
        output.data({"from": start.to_dict(), "to": end.to_dict(), "paths": [way.to_dict() for way in found]})
    elif found:
        for number, way in enumerate(found, 1):
            _print(number, way)
    if not found:
        output.say(f"No way of {max_hops} steps or fewer from {start.name} ({start.id}) to {end.name} ({end.id}).")
    return 0 if found else 1


def _print(number: int, way: GraphPath) -> None:
    steps = len(way.steps)
    click.echo(f"{number}. {steps} {'step' if steps == 1 else 'steps'}, belief {way.belief:.2f}")
    click.echo(f"   {_named(way.entities[0])}")
    for step, entity in zip(way.steps, way.entities[1:], strict=True):
        click.echo(f"   {_arrow(step, entity)} {_named(entity)}")
        print_evidence(step.claims, indent=6, limit=QUOTES_PER_STEP)


def _arrow(step: AssertionRow, entity: EntityRef) -> str:
    forward = step.object.id == entity.id
    words = f"{relation(step.predicate)} ({step.belief:.2f})"
    return f"— {words} →" if forward else f"← {words} —"


def _named(entity: EntityRef) -> str:
    return f"{entity.name}  [{entity.type}]  {entity.id}"
