"""``medkg demo``."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from Medical_KG_rev.cli.context import Output, shared_options
from Medical_KG_rev.cli.ingest import report
from Medical_KG_rev.cli.models import describe
from Medical_KG_rev.cli.progress import follow

if TYPE_CHECKING:
    from Medical_KG_rev.platform import Platform

SEARCHES = ("metformin and the risk of lactic acidosis", "surgery for lumbar disc herniation", "pembrolizumab in lung cancer")
ENTITY = "MESH:D008687"
HITS = 2
LEXICON = "lexicon"


@click.command()
@shared_options
def demo(output: Output) -> int:
    """Ingests the sample corpus (invented records in the sources' true formats), searches it and shows a piece of its graph."""
    with output.platform() as platform:
        _fetch_models(output, platform)
        samples = Path(str(resources.files("Medical_KG_rev") / "samples" / "corpus"))
        output.say(f"\nIngesting the sample corpus ({samples}) …")
        result = follow(platform.ingest("local", paths=[samples]), output)
        if output.json:
            hits = {query: platform.search(query, k=HITS).to_dict() for query in SEARCHES}
            output.data({"ingest": result, "searches": hits, "graph": platform.graph.show(ENTITY, limit=5).to_dict()})
            return 1 if result["failed"] else 0
        code = report(output, result)
        _search(platform)
        _look_at_graph(platform)
    output.say('\nYour own: `medkg ingest clinicaltrials NCT04267848`, `medkg ingest local FOLDER`, then `medkg search "…"`.')
    return code


def _fetch_models(output: Output, platform: Platform) -> None:
    chosen = [platform.settings.embedding.model, platform.settings.sparse_model]
    local = [name for name in chosen if name not in ("http", "none")]
    if platform.settings.extraction.text:
        local.append(LEXICON)
    if local:
        platform.parts.models.fetch(local, progress=lambda *event: output.say(describe(*event)))


def _search(platform: Platform) -> None:
    for query in SEARCHES:
        click.echo(click.style(f"\n$ medkg search {query!r}", bold=True))
        for hit in platform.search(query, k=HITS).hits:
            text = " ".join(hit.text.split())
            click.echo(f"  {hit.rank}. {hit.title}\n     {hit.doc_id}:{hit.start}-{hit.end}  {text[:200]}…")


def _look_at_graph(platform: Platform) -> None:
    from Medical_KG_rev.cli.graph_text import print_entity

    click.echo(click.style(f"\n$ medkg graph show {ENTITY}", bold=True))
    found = platform.graph.show(ENTITY, limit=5)
    if found.entity is not None:
        print_entity(found.entity)
    stats = platform.graph.stats()
    click.echo(f"\nThe graph holds {stats.entities:,} entities and {stats.claims:,} claims from {stats.documents:,} documents.")
