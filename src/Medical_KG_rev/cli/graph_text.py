"""An entity of the graph as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from Medical_KG_rev.graph import ClaimRow, EntityView

QUOTE_CHARACTERS = 160


def print_entity(entity: EntityView) -> None:
    """Name, ids, claims with their evidence, and where it is mentioned."""
    click.echo(f"{entity.name}  [{entity.type}]  {entity.id}")
    if entity.aliases:
        click.echo(f"  also: {', '.join(entity.aliases)}")
    if entity.xrefs:
        click.echo(f"  see: {', '.join(entity.xrefs)}")
    for title, claims, total in (
        ("states", entity.claims_out, entity.claims_out_total),
        ("is stated of it", entity.claims_in, entity.claims_in_total),
    ):
        if claims:
            click.echo(f"\n{title} ({total:,}):")
            for claim in claims:
                print_claim(claim)
    if entity.mentions:
        click.echo(f"\nmentioned ({entity.mentions_total:,}):")
        for mention in entity.mentions:
            click.echo(f"  {mention.doc_id}:{mention.start}-{mention.end}  {_shortened(mention.text)}")


def print_claim(claim: ClaimRow) -> None:
    """One claim and the words that support it."""
    target = claim.object.name if claim.object else claim.value
    click.echo(f"  {claim.subject.name} — {claim.predicate} → {target}")
    for evidence in claim.evidence:
        click.echo(f"      “{_shortened(evidence.text)}”  {evidence.place}")


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= QUOTE_CHARACTERS else f"{line[:QUOTE_CHARACTERS]}…"
