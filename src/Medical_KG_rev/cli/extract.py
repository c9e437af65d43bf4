"""``medkg extract``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from Medical_KG_rev.cli.context import Output, shared_options

if TYPE_CHECKING:
    from Medical_KG_rev.extraction.results import Extraction
    from Medical_KG_rev.settings_extraction import TaggerName

STEPS_OF_PROGRESS = 500
"""Texts between two lines about how far it is."""


@click.command()
@click.argument("text", required=False)
@click.option(
    "--batch",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="JSON Lines of {_id, text}; - for standard input.",
)
@click.option(
    "--tagger",
    type=click.Choice(["fast", "accurate", "none"]),
    help="Finds names that the lexicon lacks (default: as configured).",
)
@click.option(
    "--convention",
    type=click.Choice(["bc5cdr", "ncbi", "biored"]),
    help="Draw the line between names as the annotators of this corpus did.",
)
@shared_options
def extract(output: Output, text: str | None, batch: Path | None, tagger: TaggerName | None, convention: str | None) -> int:
    """Entities and claims of TEXT, or of the texts of a file, one line of JSON each. Nothing is stored."""
    if (text is None) == (batch is None):
        raise click.UsageError("Give a TEXT, or --batch FILE.")
    with output.platform() as platform:
        if batch is None:
            (found,) = platform.extract([("text", text or "")], tagger=tagger, convention=convention or "")
            if output.json:
                output.data(found.to_dict())
            else:
                _print(text or "", found)
            return 0
        faults: list[str] = []
        with click.open_file(str(batch), "rb") as file:
            done = 0
            for found in platform.extract(_texts(file, batch, faults), tagger=tagger, convention=convention or ""):
                output.data(found.to_dict())
                done += 1
                if not done % STEPS_OF_PROGRESS:
                    output.say(f"{done:,} texts")
        for fault in faults:
            click.echo(fault, err=True)
        output.say(f"{done:,} texts read{f', {len(faults):,} lines refused' if faults else ''}.")
        return 1 if faults else 0


def _texts(file: IO[Any], path: Path, faults: list[str]) -> Iterator[tuple[str, str]]:
    """The texts in order; a line that is none is told of and passed over."""
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            row: Any = json.loads(line)
            yield str(row["_id"]), _string(row["text"])
        except (ValueError, KeyError, TypeError, RecursionError):
            faults.append(f'{path}:{number} is not a JSON object with "_id" and "text".')


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _print(text: str, found: Extraction) -> None:
    """For people: the text with its names underlined, what each means, and what is claimed."""
    parts, done = [], 0
    for mention in found.mentions:
        parts += [text[done : mention.start], click.style(text[mention.start : mention.end], underline=True)]
        done = mention.end
    click.echo("".join(parts) + text[done:] + "\n")
    for mention in found.mentions:
        means = f"{mention.id}  {mention.name}" if mention.id else "not grounded"
        how = [mention.certainty.value] if mention.certainty != "stated" else []
        how += [name for name in ("negated", "family", "historical") if getattr(mention, name)]
        click.echo(f"  {mention.text}  ·  {mention.type.value}  ·  {means}{'  ·  ' + ', '.join(how) if how else ''}")
    for claim in found.claims:
        target = claim.object or claim.value
        denied = "not " if claim.negated else ""
        click.echo(f"\n  {claim.subject} — {denied}{claim.predicate} → {target}  ({claim.score:.2f}, {claim.certainty.value})")
        click.echo(f"      “{' '.join(text[claim.evidence.start : claim.evidence.end].split())}”")
    if not found.mentions:
        click.echo("Nothing is named that is known.", file=sys.stderr)
