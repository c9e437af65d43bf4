"""Constraints of eligibility criteria against 60 hand-labelled criteria of real studies; and how fast they are found.

The labels (`eligibility_60.jsonl`, made before the code) name each criterion by its study and the sha256 of its words, say what
it constrains, and which numbers it sets. The criteria themselves are read from the shared data, in place. Nothing is named for
this benchmark: it measures what the words alone give; with mentions, conditions and treatments come from the names.

    python benchmarks/extraction/bench_eligibility.py [--errors]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from Medical_KG_rev.extraction.eligibility import eligibility_claims
from Medical_KG_rev.extraction.spans import FoundClaim
from Medical_KG_rev.models import Document, RawPayload
from Medical_KG_rev.parsing import ctgov

LABELS = Path(__file__).with_name("eligibility_60.jsonl")
STUDIES = Path(os.environ.get("MK_TEST_DATA", "../shared/data")) / "ctgov/studies"


def parsed(path: Path) -> Document:
    """A study of the shared data."""
    payload = RawPayload(source="clinicaltrials", source_id=path.stem, format="ctgov-json", content=path.read_bytes())
    return ctgov.parse(payload, parsed_at=datetime(2026, 1, 2, tzinfo=UTC))


def labelled(folder: Path) -> Iterator[tuple[dict[str, Any], str, list[FoundClaim]]]:
    """Each label with the words of its criterion and the claims found there."""
    rows = [json.loads(line) for line in LABELS.read_text().splitlines()]
    documents = {row["study"]: parsed(folder / f"{row['study']}.json") for row in rows}
    claims = {study: eligibility_claims(document, None) for study, document in documents.items()}
    for row in rows:
        text = documents[row["study"]].text
        places = {
            claim.evidence[0]: None
            for claim in claims[row["study"]]
            if hashlib.sha256(text[slice(*claim.evidence[0])].encode()).hexdigest()[:12] == row["item"]
        }
        first = next(iter(places))
        yield row, text[slice(*first)], [claim for claim in claims[row["study"]] if claim.evidence[0] == first]


def numbers(claims: list[FoundClaim]) -> set[str]:
    """The numbers of claims in the short form of the labels: `age>=18a`, `lab<30%`, `window<=4wk`."""
    found = set()
    for claim in claims:
        qualifiers = claim.qualifiers
        if qualifiers["constraint"] in ("age", "lab"):
            found.add(f"{qualifiers['constraint']}{_short(qualifiers)}")
        if "window" in qualifiers:
            found.add(f"window{_short(qualifiers['window'])}")
    return found


def _short(stated: Any) -> str:
    unit = stated.get("unit", "")
    comparator = stated.get("comparator", "=")
    if comparator == "range":
        return f"{stated['low']:g}-{stated['high']:g}{unit}"
    number = next(stated[key] for key in ("value", "low", "high") if stated.get(key) is not None)
    return f"{comparator}{number:g}{unit}"


def f1(right: int, found: int, expected: int) -> tuple[float, float, float]:
    """Precision, recall, F1."""
    precision, recall = right / found if found else 0.0, right / expected if expected else 0.0
    return precision, recall, 2 * right / (found + expected) if found + expected else 0.0


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--errors", action="store_true", help="print the criteria that are read otherwise than labelled")
    errors = parser.parse_args().errors
    if not STUDIES.is_dir():
        sys.exit(f"No studies at {STUDIES}; set MK_TEST_DATA to the folder of shared data.")
    kinds, limits, roles, rows = [0, 0, 0], [0, 0, 0], 0, list(labelled(STUDIES))
    for row, words, claims in rows:
        found, expected = {claim.qualifiers["constraint"] for claim in claims} - {"sex"}, set(row["kinds"])
        counted, told = numbers(claims), set(row["numbers"])
        predicates = {"MK:excludes"} if row["role"] == "exclusion" else {"MK:requires", "MK:permits"}
        roles += {claim.predicate for claim in claims} <= predicates
        for counts, (one, other) in ((kinds, (found, expected)), (limits, (counted, told))):
            counts[0] += len(one & other)
            counts[1] += len(one)
            counts[2] += len(other)
        if errors and (found != expected or counted != told):
            print(f"{sorted(expected)} {sorted(told)} read as {sorted(found)} {sorted(counted)}: {words[:300]}")
    print(f"{'':<18}{'P':>7}{'R':>7}{'F1':>7}{'n':>6}")
    for name, counts in (("kinds", kinds), ("numbers and units", limits)):
        print(f"{name:<18}" + "".join(f"{value:7.3f}" for value in f1(*counts)) + f"{counts[2]:6d}")
    print(f"role as labelled: {roles} of {len(rows)}")
    documents = [parsed(path) for path in sorted(STUDIES.glob("*.json"))[:100]]
    started = time.process_time()
    count = sum(len(eligibility_claims(document, None)) for document in documents)
    print(f"{count} claims of 100 studies, {100 / (time.process_time() - started):.0f} studies/s on one core")


if __name__ == "__main__":
    main()
