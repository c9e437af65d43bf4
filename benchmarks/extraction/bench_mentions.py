"""Mentions and what they mean, through the whole finder, against the open corpora; text with nothing to find; abstracts a second.

Strict mentions: same start, end and type. Id accuracy: of the mentions found strictly that carry an id, how many get exactly
it (all of them where there are several). Concepts: the set of ids of a document. An id that MeSH has merged or that a concept
carries as a cross-reference counts as that concept; one that the lexicon has no more counts as an error.

    python benchmarks/extraction/bench_mentions.py [--tagger none|fast|accurate] [--gold] [--errors bc5cdr:disease]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))

from measuring import heading, skip, table, targets

sys.path.insert(0, str(Path(__file__).parent))

from corpora import CORPORA, TYPES, GoldDocument, GoldMention, corpora_are_there, read_corpus
from tagger_scores import open_lexicon, shipped_tagger

from Medical_KG_rev.extraction.analysis import AnalysedText, analyse
from Medical_KG_rev.extraction.grounding import Grounder, MentionFinder
from Medical_KG_rev.extraction.grounding.document import Span, ground
from Medical_KG_rev.extraction.lexicon import Lexicon
from Medical_KG_rev.extraction.spans import FoundMention
from Medical_KG_rev.models import EntityType

NOTHING = Path(__file__).with_name("nothing.jsonl")
IDENTIFIED = (EntityType.CHEMICAL, EntityType.DISEASE, EntityType.GENE, EntityType.SPECIES, EntityType.CELL_LINE)

Find = Callable[[GoldDocument, AnalysedText], Sequence[FoundMention]]


class Scores:
    """Counts of one corpus, by type."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self.mentions: dict[EntityType, Counter[str]] = {}
        self.concepts: dict[EntityType, Counter[str]] = {}
        self.wrong: list[tuple[EntityType, str, str]] = []

    def add(self, document: GoldDocument, found: Sequence[FoundMention]) -> None:
        kinds = TYPES[document.corpus]
        expected = {(mention.start, mention.end, mention.type): mention for mention in document.mentions}
        given = {(mention.start, mention.end, mention.type): mention for mention in found if mention.type in kinds}
        for kind in kinds:
            counts = self.mentions.setdefault(kind, Counter())
            counts["expected"] += sum(key[2] is kind for key in expected)
            counts["found"] += sum(key[2] is kind for key in given)
            counts["right"] += sum(key[2] is kind for key in given if key in expected)
        for place in sorted(expected.keys() & given.keys()):
            self._identify(document, expected[place], given[place])
        for place in sorted(expected.keys() ^ given.keys()):
            said = "missed" if place in expected else "found"
            self.wrong.append((place[2], said, _shown(document, place)))
        for kind in kinds:
            if kind in IDENTIFIED:
                self._compare(kind, document, found)

    def _identify(self, document: GoldDocument, expected: GoldMention, given: FoundMention) -> None:
        counts = self.mentions[expected.type]
        if not expected.ids:
            counts["nil"] += 1
            counts["nil right"] += not given.ids
            return
        counts["identified"] += 1
        counts["known"] += any(self._lexicon.resolve(one) for one in expected.ids)
        if self._same(expected.ids, given.ids):
            counts["id right"] += 1
        else:
            name = given.candidates[0].name if given.candidates else "NIL"
            reason = given.candidates[0].reason if given.candidates else ""
            shown = _shown(document, (expected.start, expected.end, expected.type))
            said = f"{shown} {' '.join(expected.ids)} → {' '.join(given.ids)} {name} ({reason})"
            self.wrong.append((expected.type, "id", said))

    def _compare(self, kind: EntityType, document: GoldDocument, found: Sequence[FoundMention]) -> None:
        counts = self.concepts.setdefault(kind, Counter())
        given = {one for mention in found if mention.type is kind for one in mention.ids}
        names = {alias: one for one in given for alias in self._aliases(one)}
        expected = {
            names.get(one, self._canonical(one)) for mention in document.mentions if mention.type is kind for one in mention.ids
        }
        counts["expected"] += len(expected)
        counts["found"] += len(given)
        counts["right"] += len(expected & given)

    def _same(self, expected: Iterable[str], given: Sequence[str]) -> bool:
        names = {alias: one for one in given for alias in self._aliases(one)}
        return {names.get(one, self._canonical(one)) for one in expected} == set(given)

    def _canonical(self, curie: str) -> str:
        return self._lexicon.resolve(curie) or curie

    def _aliases(self, curie: str) -> Iterator[str]:
        concept = self._lexicon.concept(curie)
        yield curie
        yield from concept.xrefs if concept else ()


def _shown(document: GoldDocument, place: tuple[int, int, EntityType]) -> str:
    start, end, _ = place
    before, after = document.text[max(0, start - 30) : start], document.text[end : end + 20]
    return f"{document.id} …{before}[{document.text[start:end]}]{after}…".replace("\n", " ")


def f1(counts: Counter[str]) -> tuple[float, float, float]:
    """Precision, recall, F1."""
    precision = counts["right"] / counts["found"] if counts["found"] else 0.0
    recall = counts["right"] / counts["expected"] if counts["expected"] else 0.0
    return precision, recall, 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def score(corpus: str, part: str, lexicon: Lexicon, find: Find) -> Scores:
    scores = Scores(lexicon)
    for document in read_corpus(corpus, part):  # type: ignore[arg-type]
        scores.add(document, find(document, analyse(document.text)))
    return scores


def report(corpus: str, scores: Scores) -> Iterator[tuple[str, ...]]:
    """Rows of the table of one corpus."""
    whole: Counter[str] = Counter()
    for kind, counts in scores.mentions.items():
        whole += counts
        yield corpus, kind, *_cells(counts, scores.concepts.get(kind))
    if len(scores.mentions) > 1:
        yield corpus, "all", *_cells(whole, None)


def _cells(counts: Counter[str], concepts: Counter[str] | None) -> tuple[str, ...]:
    accuracy = f"{counts['id right'] / counts['identified']:.3f}" if counts["identified"] else "-"
    known = f"{counts['id right'] / counts['known']:.3f}" if counts["known"] else "-"
    return (
        str(counts["expected"]),
        *(f"{value:.3f}" for value in f1(counts)),
        accuracy,
        known,
        f"{f1(concepts)[2]:.3f}" if concepts and concepts["expected"] else "-",
    )


def nothing(finder: MentionFinder) -> tuple[float, list[str]]:
    """Mentions in 100 words of text that names nothing, and what they are."""
    words, found = 0, []
    for line in NOTHING.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        words += len(row["text"].split())
        found += [f"{row['id']}: {row['text'][m.start : m.end]!r} {m.type}" for m in finder.find(analyse(row["text"]))]
    return 100 * len(found) / words, found


def speed(finder: MentionFinder, documents: Sequence[GoldDocument]) -> float:
    """Abstracts a second of CPU time: analysis, finding and grounding. Warmed up on other abstracts."""
    for document in documents[: len(documents) // 4]:
        finder.find(analyse(document.text))
    timed = documents[len(documents) // 4 :]
    started = time.process_time()
    for document in timed:
        finder.find(analyse(document.text))
    return len(timed) / (time.process_time() - started)


def gold_finder(lexicon: Lexicon) -> Find:
    """Grounds the corpus' own spans: what grounding does alone."""
    grounder = Grounder(lexicon, "MESH")

    def find(document: GoldDocument, text: AnalysedText) -> Sequence[FoundMention]:
        spans: list[Span] = []
        for mention in document.mentions:
            if not spans or mention.start >= spans[-1].end:
                spans.append(Span(mention.start, mention.end, mention.type, 1.0, "gold"))
        return ground(text, spans, grounder)

    return find


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lexicon", type=Path, help="the lexicon's file (default: the installed one)")
    parser.add_argument("--tagger", default="fast", choices=("none", "fast", "accurate"))
    parser.add_argument("--part", default="dev", choices=("train", "dev"))
    parser.add_argument("--gold", action="store_true", help="ground the corpora's own spans")
    parser.add_argument("--errors", help="list errors of CORPUS:TYPE, 50 of each sort, drawn at random")
    options = parser.parse_args()
    if not corpora_are_there():
        skip("the corpora are not there; point MK_TEST_DATA at the folder of real data")
    lexicon = open_lexicon(options.lexicon)
    finder = MentionFinder(lexicon, None if options.tagger == "none" else shipped_tagger(options.tagger, lexicon))
    find = gold_finder(lexicon) if options.gold else lambda document, text: finder.find(text, document.corpus)
    heading(f"Mentions, {'given' if options.gold else f'tagger {options.tagger}'}, {options.part} parts")
    results = {corpus: score(corpus, options.part, lexicon, find) for corpus in CORPORA}
    columns = ("corpus", "type", "mentions", "precision", "recall", "F1", "id accuracy", "of ids still known", "concept F1")
    table(columns, [row for corpus, scores in results.items() for row in report(corpus, scores)])
    if options.errors:
        show_errors(results, *options.errors.split(":"))
    if options.gold:
        return
    rate, found = nothing(finder)
    print("Where nothing is to find:", "; ".join(found) or "nothing", "\n")
    fast = speed(finder, read_corpus("bc5cdr", "dev"))
    bc5 = results["bc5cdr"]
    ids = sum((bc5.mentions[kind] for kind in bc5.mentions), Counter())
    targets(
        [
            ("BC5CDR chemical mentions, strict F1", f1(bc5.mentions[EntityType.CHEMICAL])[2], ">=", 0.89, ""),
            ("BC5CDR disease mentions, strict F1", f1(bc5.mentions[EntityType.DISEASE])[2], ">=", 0.83, ""),
            ("NCBI disease mentions, strict F1", f1(results["ncbi"].mentions[EntityType.DISEASE])[2], ">=", 0.86, ""),
            ("BioRED mentions, six types, F1", f1(sum(results["biored"].mentions.values(), Counter()))[2], ">=", 0.85, ""),
            ("BC5CDR id accuracy", ids["id right"] / ids["identified"], ">=", 0.9, ""),
            ("BC5CDR concepts, chemical, F1", f1(bc5.concepts[EntityType.CHEMICAL])[2], ">=", 0.8, ""),
            ("BC5CDR concepts, disease, F1", f1(bc5.concepts[EntityType.DISEASE])[2], ">=", 0.76, ""),
            ("mentions in 100 words with nothing to find", rate, "<=", 1, ""),
            (
                f"abstracts a second, tagger {options.tagger}",
                fast,
                ">=",
                {"none": 300, "fast": 60, "accurate": 4}[options.tagger],
                "",
            ),
        ]
    )


def show_errors(results: dict[str, Scores], corpus: str, kind: str) -> None:
    for sort in ("missed", "found", "id"):
        wrong = [shown for of, said, shown in results[corpus].wrong if of == kind and said == sort]
        Random(0).shuffle(wrong)
        print(f"{sort}: {len(wrong)}", *wrong[:50], "", sep="\n")


if __name__ == "__main__":
    main()
