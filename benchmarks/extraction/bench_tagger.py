"""The trained tagger on the development parts of the corpora: strict scores by type and convention, abstracts a second, sizes.

python benchmarks/extraction/bench_tagger.py [--tagger fast|accurate] [--errors CORPUS]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from corpora import CORPORA, TYPES, GoldDocument, corpora_are_there, read_corpus
from measuring import heading, skip, table, targets
from tagger_scores import Scores, open_lexicon, places, scored, shipped_tagger

from Medical_KG_rev.extraction.analysis import analyse
from Medical_KG_rev.extraction.lexicon import Lexicon
from Medical_KG_rev.extraction.tagging import Tagger
from Medical_KG_rev.models import EntityType

WEIGHTS = Path(__file__).resolve().parents[2] / "src" / "Medical_KG_rev" / "extraction" / "tagging" / "weights"
BARS = {
    ("bc5cdr", EntityType.CHEMICAL): {"fast": 0.89, "accurate": 0.91},
    ("bc5cdr", EntityType.DISEASE): {"fast": 0.83, "accurate": 0.85},
    ("ncbi", EntityType.DISEASE): {"fast": 0.86, "accurate": 0.86},
    ("biored", None): {"fast": 0.85, "accurate": 0.85},
}
RATES = {"fast": 60.0, "accurate": 8.0}
CORES = {"fast": "one core", "accurate": "all cores"}
CLOCKS: dict[str, Callable[[], float]] = {"fast": time.process_time, "accurate": time.perf_counter}
"""One core's own time, whatever else the machine does; `accurate`, whose encoder uses all cores, needs an idle machine."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tagger", choices=("fast", "accurate"), default="fast")
    parser.add_argument("--lexicon", type=Path, help="the lexicon's file (default: the installed one)")
    parser.add_argument("--errors", choices=CORPORA, help="shows 50 mentions of a corpus that were missed or too many")
    options = parser.parse_args()
    if not corpora_are_there():
        skip("the corpora are not there; point MK_TEST_DATA at the folder of real data")
    lexicon = open_lexicon(options.lexicon)
    name = options.tagger
    tagger = shipped_tagger(name, lexicon)
    results = {
        (corpus, convention): scored(read_corpus(corpus, "dev"), lexicon, tagger, convention)
        for corpus in CORPORA
        for convention in (corpus, "")
    }
    show(results)
    targets(
        [
            *(
                (
                    f"{corpus}, {kind.value if kind else 'all types'}, F1",
                    results[corpus, corpus].of(kind)[2],
                    ">=",
                    bars[name],
                    "",
                )
                for (corpus, kind), bars in BARS.items()
            ),
            (f"abstracts a second on {CORES[name]}", abstracts_per_second(lexicon, tagger, CLOCKS[name]), ">=", RATES[name], ""),
        ]
    )
    print("Weights: " + ", ".join(f"{path.name} {path.stat().st_size / 1e6:.1f} MB" for path in sorted(WEIGHTS.glob("*.npz"))))
    if options.errors:
        errors(read_corpus(options.errors, "dev"), lexicon, tagger)


def show(results: dict[tuple[str, str], Scores]) -> None:
    heading("Strict mentions, development parts")
    rows = []
    for (corpus, convention), scores in results.items():
        for kind in (*TYPES[corpus], None) if len(TYPES[corpus]) > 1 else TYPES[corpus]:
            precision, recall, f1 = scores.of(kind)
            count = scores.expected[kind] if kind else scores.expected.total()
            rows.append(
                (
                    corpus,
                    convention or "none",
                    kind.value if kind else "all",
                    str(count),
                    f"{precision:.3f}",
                    f"{recall:.3f}",
                    f"{f1:.4f}",
                )
            )
    table(("corpus", "convention", "type", "mentions", "precision", "recall", "F1"), rows)


def abstracts_per_second(lexicon: Lexicon, tagger: Tagger, clock: Callable[[], float]) -> float:
    """Analysis, lexicon and tagger: abstracts of BC5CDR that come after others were read."""
    documents = read_corpus("bc5cdr", "dev")
    for document in documents[:100]:
        _tag(document, lexicon, tagger)
    begun = clock()
    for document in documents[100:300]:
        _tag(document, lexicon, tagger)
    return 200 / (clock() - begun)


def _tag(document: GoldDocument, lexicon: Lexicon, tagger: Tagger) -> None:
    text = analyse(document.text)
    tagger.tag(text, lexicon.match(text), "bc5cdr")


def errors(documents: tuple[GoldDocument, ...], lexicon: Lexicon, tagger: Tagger) -> None:
    heading("Missed and too many")
    shown = 0
    for document in documents[::7]:
        text = analyse(document.text)
        found = set(places(tagger.tag(text, lexicon.match(text), document.corpus)))
        wanted = {(mention.start, mention.end, mention.type) for mention in document.mentions}
        for start, end, kind in sorted(found ^ wanted):
            said = "missed" if (start, end, kind) in wanted else "too many"
            around = document.text[max(start - 40, 0) : start], document.text[start:end], document.text[end : end + 30]
            print(f"- {said}, {kind.value}: {around[0]}[{around[1]}]{around[2]}".replace("\n", " "))
            shown += 1
            if shown == 50:
                return


if __name__ == "__main__":
    main()
