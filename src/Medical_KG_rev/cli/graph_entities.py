"""Which entity the words of a command line mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from Medical_KG_rev.cli.context import Output

if TYPE_CHECKING:
    from Medical_KG_rev.graph import EntityRef
    from Medical_KG_rev.tenant_graph import TenantGraph


def the_entity(output: Output, graph: TenantGraph, words: str) -> EntityRef:
    """By id or name, in any case. Ends the command where it is none (exit code 1) or several (2), which are listed."""
    match graph.find(words):
        case (only,):
            return only
        case found:
            if output.json:
                output.data({"query": words, "candidates": [candidate.to_dict() for candidate in found]})
            say_candidates(output, words, found)
            raise click.exceptions.Exit(2 if found else 1)


def say_candidates(output: Output, words: str, found: Sequence[EntityRef]) -> None:
    """Lists what a name may mean."""
    if not found:
        output.say(f"The graph knows nothing of {words!r}. `medkg graph stats` says what it holds.")
        return
    output.say(f"{words!r} is several things; name one by its id:")
    if not output.json:
        for candidate in found:
            click.echo(f"{candidate.id:<40} {candidate.type:<12} {candidate.name}")
