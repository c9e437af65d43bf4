"""Negation, certainty, family and past of mentions, against the labelled set; and how fast they are found.

The set (`context_300.jsonl`, written for this project and labelled before the code) has 300 mentions in sentences in the manner
of abstracts, trial records, eligibility criteria and clinical notes. Sentences with an even number were looked at while the
triggers were written, those with an odd number were not.

    python benchmarks/extraction/bench_context.py [--errors tuned|held]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from Medical_KG_rev.extraction.analysis import analyse
from Medical_KG_rev.extraction.context import ContextFinder
from Medical_KG_rev.extraction.spans import Context, FoundMention
from Medical_KG_rev.models import Certainty, EntityType

SET = Path(__file__).with_name("context_300.jsonl")

Row = dict[str, Any]
ATTRIBUTES: dict[str, tuple[Callable[[Row], bool], Callable[[Context], bool]]] = {
    "negated": (lambda row: row["negated"], lambda context: context.negated),
    "uncertain": (lambda row: row["certainty"] == "uncertain", lambda context: context.certainty is Certainty.UNCERTAIN),
    "hypothetical": (lambda row: row["certainty"] == "hypothetical", lambda context: context.certainty is Certainty.HYPOTHETICAL),
    "family": (lambda row: row["family"], lambda context: context.family),
    "historical": (lambda row: row["historical"], lambda context: context.historical),
}


def labelled() -> list[tuple[Row, Context]]:
    """Each row of the set with the context that is found; mentions of one sentence are read together."""
    sentences: dict[int, list[Row]] = {}
    for line in SET.read_text().splitlines():
        row = json.loads(line)
        sentences.setdefault(row["sentence"], []).append(row)
    finder, pairs = ContextFinder(), []
    for rows in sentences.values():
        mentions = [FoundMention(row["start"], row["end"], EntityType.DISEASE, 1.0, "label") for row in rows]
        annotated = finder.annotate(analyse(rows[0]["text"]), mentions)
        pairs += [(row, mention.context) for row, mention in zip(rows, annotated, strict=True)]
    return pairs


def scores(pairs: Iterable[tuple[Row, Context]], attribute: str) -> tuple[float, float, float, int]:
    """Precision, recall, F1 and the number of labelled mentions."""
    expected, found = ATTRIBUTES[attribute]
    right = wrong = missed = 0
    for row, context in pairs:
        is_so, says_so = expected(row), found(context)
        right += is_so and says_so
        wrong += says_so and not is_so
        missed += is_so and not says_so
    precision = right / (right + wrong) if right + wrong else 0.0
    recall = right / (right + missed) if right + missed else 0.0
    return precision, recall, 2 * right / (2 * right + wrong + missed) if right else 0.0, right + missed


def speed() -> float:
    """Mentions per second of one core."""
    rows = [json.loads(line) for line in SET.read_text().splitlines()]
    text = " ".join(row["text"] for row in rows)
    analysed, offset, mentions = analyse(text), 0, []
    for row in rows:
        mentions.append(FoundMention(offset + row["start"], offset + row["end"], EntityType.DISEASE, 1.0, "label"))
        offset += len(row["text"]) + 1
    finder, rounds = ContextFinder(), 20
    finder.annotate(analysed, mentions)
    started = time.process_time()
    for _ in range(rounds):
        finder.annotate(analysed, mentions)
    return rounds * len(mentions) / (time.process_time() - started)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--errors", choices=["tuned", "held"], help="print the mentions of a half that are read wrongly")
    errors = parser.parse_args().errors
    pairs = labelled()
    halves = {"tuned": [p for p in pairs if p[0]["sentence"] % 2 == 0], "held": [p for p in pairs if p[0]["sentence"] % 2]}
    print(f"{'attribute':<14}{'half':<8}{'P':>7}{'R':>7}{'F1':>7}{'n':>6}")
    for attribute in ATTRIBUTES:
        for name, half in (*halves.items(), ("all", pairs)):
            precision, recall, f1, count = scores(half, attribute)
            print(f"{attribute:<14}{name:<8}{precision:7.3f}{recall:7.3f}{f1:7.3f}{count:6d}")
    print(f"{speed():,.0f} mentions/s on one core")
    for row, context in halves[errors] if errors else []:
        wrong = [a for a, (expected, found) in ATTRIBUTES.items() if expected(row) != found(context)]
        if wrong:
            text = row["text"]
            print(f"{', '.join(wrong)}: {text[: row['start']]}[{text[row['start'] : row['end']]}]{text[row['end'] :]}")


if __name__ == "__main__":
    main()
