"""An entity of the graph as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from Medical_KG_rev.graph import AssertionRow, ClaimRow, EntityView

QUOTE_CHARACTERS = 160
QUOTES_PER_ASSERTION = 2


def print_entity(entity: EntityView) -> None:
    """Name, ids, assertions with their beliefs, claims with their evidence, and where it is mentioned."""
    click.echo(f"{entity.name}  [{entity.type}]  {entity.id}")
    if others := _other_names(entity):
        click.echo(f"  also: {', '.join(others)}")
    if entity.xrefs:
        click.echo(f"  see: {', '.join(entity.xrefs)}")
    if entity.assertions:
        click.echo(f"\nasserted ({_of(len(entity.assertions), entity.assertions_total)}), the most believed first:")
        for assertion in entity.assertions:
            print_assertion(assertion)
    for title, claims, total in (
        ("states", entity.claims_out, entity.claims_out_total),
        ("is stated of it", entity.claims_in, entity.claims_in_total),
    ):
        if claims:
            click.echo(f"\n{title} ({_of(len(claims), total)}):")
            for claim in claims:
                print_claim(claim)
    if entity.mentions:
        click.echo(f"\nmentioned ({_of(len(entity.mentions), entity.mentions_total)}):")
        for mention in entity.mentions:
            click.echo(f"  {mention.doc_id}:{mention.start}-{mention.end}  {_shortened(mention.text)}")


def _other_names(entity: EntityView) -> list[str]:
    """Its aliases, each spelling of a name once whatever its case."""
    names = {entity.name.casefold(): entity.name}
    for alias in entity.aliases:
        names.setdefault(alias.casefold(), alias)
    return list(names.values())[1:]


def print_assertion(assertion: AssertionRow) -> None:
    """What claims say together: the belief, and how many claims of how many documents stand behind it."""
    against = f" / {assertion.belief_against:.2f} against" if assertion.claims_against else ""
    line = f"{assertion.subject.name} — {relation(assertion.predicate)} → {assertion.object.name}"
    click.echo(f"  {assertion.belief:.2f}{against}  {line}  ({_support(assertion)})")
    for name, value in sorted(assertion.qualifiers.items()):
        click.echo(f"        {name}: {value}")
    print_evidence(assertion.claims, indent=8, limit=QUOTES_PER_ASSERTION)


def print_claim(claim: ClaimRow) -> None:
    """One claim and the words that support it."""
    target = claim.object.name if claim.object else claim.value
    click.echo(f"  {claim.subject.name} — {claim.predicate} → {target}{_marks(claim)}")
    for evidence in claim.evidence:
        click.echo(f"      “{_shortened(evidence.text)}”  {evidence.place}")


def print_evidence(claims: Sequence[ClaimRow], *, indent: int, limit: int) -> None:
    """The quotes behind an assertion: those that count first, the rest as a number."""
    ordered = sorted(claims, key=lambda claim: (claim.status != "live", -claim.score))
    quotes = [(claim, evidence) for claim in ordered for evidence in claim.evidence]
    for claim, evidence in quotes[:limit]:
        click.echo(f"{' ' * indent}“{_shortened(evidence.text)}”  {evidence.place}{_marks(claim)}")
    if len(quotes) > limit:
        click.echo(f"{' ' * indent}and {len(quotes) - limit:,} more (--json has all)")


def relation(predicate: str) -> str:
    """A predicate in words.

    >>> relation("biolink:in_clinical_trials_for")
    'in clinical trials for'
    """
    return predicate.partition(":")[2].replace("_", " ")


def _support(assertion: AssertionRow) -> str:
    counts = (
        (assertion.claims_for, "for"),
        (assertion.claims_against, "against"),
        (assertion.claims_hypothetical, "supposed"),
        (assertion.claims_retracted, "retracted"),
    )
    claims = ", ".join(f"{count:,} {kind}" for count, kind in counts if count)
    documents = "1 document" if assertion.documents == 1 else f"{assertion.documents:,} documents"
    return f"claims: {claims}; {documents}"


def _marks(claim: ClaimRow) -> str:
    stated = claim.certainty.value
    marks = [
        "denied" if claim.negated else "",
        stated if stated != "stated" else "",
        claim.status if claim.status != "live" else "",
    ]
    told = ", ".join(filter(None, marks))
    return f"  [{told}]" if told else ""


def _of(shown: int, total: int) -> str:
    return f"{total:,}" if shown == total else f"{shown:,} of {total:,}"


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= QUOTE_CHARACTERS else f"{line[:QUOTE_CHARACTERS]}…"
