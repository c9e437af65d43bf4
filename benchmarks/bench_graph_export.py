"""Exports of the graph: claims a second and memory for each format, from records as a dump gives them.

The records are made here: 100,000 claims of 5,000 articles about 20,000 entities, 60,000 assertions, each claim with a sentence.
Each format runs in a process of its own, so that the peak of memory is its own.
"""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from measuring import heading, table, workspace

from Medical_KG_rev.graph.exports import FORMATS, export_records
from Medical_KG_rev.graph.results import AssertionRow, ClaimRow, DocumentRecord, EntityRecord, EntityRef, EvidenceRow, GraphRecord
from Medical_KG_rev.models import EntityType

CLAIMS, ASSERTIONS, ENTITIES, DOCUMENTS = 100_000, 60_000, 20_000, 5_000
SENTENCE = "In 120 patients with diabetes the drug lowered HbA1c by 0.9 points against placebo (95% CI 0.5 to 1.3; P < 0.001)."


def main() -> None:
    heading(f"Exports: {CLAIMS:,} claims, {ASSERTIONS:,} assertions")
    rows = []
    with workspace() as folder:
        for name in FORMATS:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                seconds, peak, size = pool.apply(measure, (name, folder / name))
            rows.append([name, f"{CLAIMS / seconds:,.0f}", f"{seconds:.1f}", f"{size / 1e6:,.0f}", f"{peak:,.0f}"])
    table(["format", "claims/s", "s", "MB", "MiB of memory"], rows)


def measure(format: str, out: Path) -> tuple[float, float, int]:
    """Seconds, peak of memory in MiB, and bytes written."""
    started = time.perf_counter()
    receipt = export_records(records(), format, out)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return seconds, peak, sum(file.size_bytes for file in receipt.files)


def records() -> Iterator[GraphRecord]:
    """The same in every run, and never all in memory."""
    random, kinds = Random(7), (EntityType.CHEMICAL, EntityType.DISEASE, EntityType.GENE)
    articles = [f"pmc-fulltext:PMC{number}" for number in range(DOCUMENTS)]
    entities = [EntityRef(id=f"MESH:D{n:06}", type=kinds[n % 3], name=f"Entity number {n}") for n in range(ENTITIES)]
    for article in articles:
        yield DocumentRecord(id=article, source="pmc-fulltext", version="1", status="live")
    for ref in entities:
        yield EntityRecord(
            id=ref.id, type=ref.type, name=ref.name, aliases=(f"alias {ref.id}",), xrefs=("UMLS:C1",), attributes={}
        )
    pairs = [(random.choice(entities), random.choice(entities)) for _ in range(ASSERTIONS)]
    for number in range(CLAIMS):
        subject, end = pairs[number % ASSERTIONS]
        article, start = articles[random.randrange(DOCUMENTS)], random.randrange(50_000)
        quote = EvidenceRow(doc_id=article, start=start, end=start + len(SENTENCE), text=SENTENCE, section="Results", page=3)
        yield ClaimRow(
            id=f"c{number:06}",
            doc_id=article,
            subject=subject,
            predicate="biolink:treats",
            object=end,
            value=None,
            qualifiers={"object_direction_qualifier": "decreased", "dose": "850 mg"},
            score=0.9,
            negated=number % 10 == 0,
            method="relations",
            evidence=(quote,),
            source="pmc-fulltext",
            assertion_id=f"a{number % ASSERTIONS:06}",
        )
    for number, (subject, end) in enumerate(pairs):
        yield AssertionRow(
            id=f"a{number:06}",
            subject=subject,
            predicate="biolink:treats",
            object=end,
            qualifiers={"object_direction_qualifier": "decreased"},
            belief=0.9,
            belief_against=0.0,
            claims_for=2,
            claims_against=0,
            claims_hypothetical=0,
            claims_retracted=0,
            documents=2,
        )


if __name__ == "__main__":
    main()
