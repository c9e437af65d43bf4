"""Trains a tagger on the training parts of BC5CDR, NCBI Disease and BioRED, and writes the weights that ship.

    pip install scipy
    python benchmarks/extraction/train_tagger.py [--tagger fast|accurate] [--out FOLDER]

The lexicon must be there (`medkg models fetch lexicon`), for `accurate` bge-small as well. The development parts choose one
number for each type and convention: what a beginning mention is favoured by. Takes four minutes on two cores, `accurate` six;
the same input gives the same weights.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from corpora import CORPORA, TYPES, GoldDocument, corpora_are_there, read_corpus
from crf_training import Batch, Parameters, Recipe, fit
from measuring import skip
from msgspec import structs
from numpy.typing import NDArray
from state_groups import RememberedStates, state_groups
from tagger_scores import Scores, open_lexicon, open_states, scored
from word_clusters import word_clusters

from Medical_KG_rev.extraction.analysis import AnalysedText, analyse
from Medical_KG_rev.extraction.lexicon import Lexicon
from Medical_KG_rev.extraction.tagging import SequenceTagger, TokenStates
from Medical_KG_rev.extraction.tagging.attributes import BORDER, Clusters, attribute_functions
from Medical_KG_rev.extraction.tagging.decoding import FORBIDDEN, Layout, Scheme, best_labels, spelled
from Medical_KG_rev.extraction.tagging.symbols import Range, Streams, first_streams, second_streams, short_forms
from Medical_KG_rev.extraction.tagging.weights import Facts, TaggerWeights
from Medical_KG_rev.models import EntityType

KINDS = tuple(kind.value for kind in TYPES["biored"])
SCHEME = Scheme(KINDS)
CONVENTIONS: dict[str, dict[str, float]] = {
    "bc5cdr": {"bc5cdr": 1.0},
    "ncbi": {"ncbi": 1.0},
    "biored": {"biored": 1.0},
    "": {"bc5cdr": 0.5, "biored": 0.5},
}
FOLDS, WORKERS, BATCH = 4, 2, 16
RARE, RARE_SECOND = 2, 3
FIRST_BONUS = 0.5
BONUSES = (0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1.2)
SMALL = 0.012


Key = tuple[str, int]
"""Corpus and fold."""
Ranges = dict[Key, list[list[Range]]]


@dataclass
class Example:
    """An annotated text as the tagger reads it."""

    document: GoldDocument
    text: AnalysedText
    streams: Streams
    labels: list[int]


_INHERITED: list[tuple[dict[Key, list[Example]], dict[Key, list[Batch]], int]] = []
"""Examples, batches and number of rows, for the processes that are forked."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="folder for the weights (default: the package's own)")
    parser.add_argument("--tagger", choices=("fast", "accurate"), default="fast")
    parser.add_argument("--lexicon", type=Path, help="the lexicon's file (default: the one that was fetched)")
    options = parser.parse_args()
    if not corpora_are_there():
        skip("the corpora are not there; point MK_TEST_DATA at the folder of real data")
    lexicon = open_lexicon(options.lexicon)
    states = RememberedStates(open_states()) if options.tagger == "accurate" else None
    train = {corpus: [example(each, lexicon) for each in read_corpus(corpus, "train")] for corpus in CORPORA}
    groups = None
    if states is not None:
        groups = state_groups(states, [one.text for several in train.values() for one in several])
        for one in (one for several in train.values() for one in several):
            one.streams["state"] = groups.stream(one.text, states)
    clusters = word_clusters(one.document.text for several in train.values() for one in several)
    weights, widths = trained(train, clusters, lexicon.fingerprint)
    weights = with_bonuses(replace(weights, groups=groups), lexicon, states)
    path = weights.save(options.tagger, widths, *([options.out] if options.out else []))
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB; bonuses {weights.facts.bonuses}")


def example(document: GoldDocument, lexicon: Lexicon) -> Example:
    text = analyse(document.text)
    matches = lexicon.match(text)
    return Example(document, text, first_streams(text, matches, short_forms(text, matches)), labelled(document, text))


def labelled(document: GoldDocument, text: AnalysedText) -> list[int]:
    """The label of each token. A mention that does not begin and end with tokens of one sentence is left out."""
    starting = {start: at for at, start in enumerate(text.starts)}
    ending = {end: at for at, end in enumerate(text.ends)}
    numbers = {label: number for number, label in enumerate(SCHEME.labels)}
    labels = [0] * len(text.words)
    for mention in document.mentions:
        first, last = starting.get(mention.start), ending.get(mention.end)
        if first is None or last is None or any(labels[first : last + 1]):
            continue
        if any(first < begin <= last for begin, _ in text.sentences):
            continue
        places = "S" if first == last else "B" + "I" * (last - first - 1) + "E"
        labels[first : last + 1] = [numbers[f"{place}-{mention.type.value}"] for place in places]
    return labels


class Rows:
    """Attributes and their rows of weights."""

    def __init__(self, clusters: Clusters) -> None:
        self._functions = attribute_functions(clusters)
        self.first: dict[str, int] = {}
        self.widths: list[int] = []
        self.count = 0
        self._by_symbol: dict[tuple[str, str], list[tuple[int, NDArray[np.int64]]]] = {}

    def add(self, streams: Iterable[Streams], rare: int) -> None:
        """Takes on the attributes of these streams that are counted so often."""
        symbols: Counter[tuple[str, str]] = Counter()
        for each in streams:
            for stream, found in each.items():
                symbols.update((stream, symbol) for symbol in found)
            if "word" in each:
                symbols["word", BORDER] += 2
        counts: Counter[tuple[int, str]] = Counter()
        for (stream, symbol), count in symbols.items():
            for attribute in self._functions[stream](symbol):
                counts[attribute] += count
        for (width, name), count in counts.items():
            if count >= rare:
                self.first[name] = self.count
                self.widths.append(width)
                self.count += 2 * width + 1

    def of(self, streams: Streams, sentences: Sequence[tuple[int, int]]) -> list[list[NDArray[np.int64]]]:
        """For each token, rows that speak in its favour or against."""
        found: list[list[NDArray[np.int64]]] = [[] for _ in next(iter(streams.values()))]
        for stream, symbols in streams.items():
            for first, last in sentences:
                for at in range(first, last):
                    self._spread(found, stream, symbols[at], at, first, last)
                if stream == "word":
                    self._spread(found, stream, BORDER, first - 1, first, last)
                    self._spread(found, stream, BORDER, last, first, last)
        return found

    def _spread(self, found: list[list[NDArray[np.int64]]], stream: str, symbol: str, at: int, first: int, last: int) -> None:
        for offset, rows in self._rows(stream, symbol):
            if first <= at - offset < last:
                found[at - offset].append(rows)

    def _rows(self, stream: str, symbol: str) -> list[tuple[int, NDArray[np.int64]]]:
        known = self._by_symbol.get((stream, symbol))
        if known is None:
            by_offset: dict[int, list[int]] = {}
            for width, name in self._functions[stream](symbol):
                first = self.first.get(name)
                if first is not None:
                    for offset in range(-width, width + 1):
                        by_offset.setdefault(offset, []).append(first + width + offset)
            known = [(offset, np.array(rows, np.int64)) for offset, rows in by_offset.items()]
            self._by_symbol[stream, symbol] = known
        return known


def batches(corpus: str, examples: Sequence[Example], streams: Sequence[Streams], rows: Rows) -> list[Batch]:
    """Groups of examples with these streams, in their order."""
    kinds = {"O", *(kind.value for kind in TYPES[corpus])}
    allowed = np.array([label.rpartition("-")[2] in kinds for label in SCHEME.labels])
    found: list[Batch] = []
    for begin in range(0, len(examples), BATCH):
        tokens: list[NDArray[np.int64]] = []
        labels: list[int] = []
        sentences: list[tuple[int, int]] = []
        for one, seen in zip(examples[begin : begin + BATCH], streams[begin : begin + BATCH], strict=True):
            sentences += [(first + len(tokens), last + len(tokens)) for first, last in one.text.sentences]
            tokens += [np.concatenate(parts) for parts in rows.of(seen, one.text.sentences)]
            labels += one.labels
        found.append(Batch.of(corpus, tokens, labels, allowed, sentences))
    return found


def trained(train: dict[str, list[Example]], clusters: Clusters, lexicon: str) -> tuple[TaggerWeights, NDArray[np.uint8]]:
    """Both passes. The second learns from what first passes find in texts that they were not trained on."""
    rows = Rows(clusters)
    rows.add((one.streams for several in train.values() for one in several), RARE)
    first_rows = rows.count
    folded = {
        (corpus, fold): [one for one in several if int(one.document.id) % FOLDS == fold]
        for corpus, several in train.items()
        for fold in range(FOLDS)
    }
    first = {
        (corpus, fold): batches(corpus, several, [one.streams for one in several], rows)
        for (corpus, fold), several in folded.items()
    }
    allowed = SCHEME.allowed()
    _INHERITED.append((folded, first, first_rows))
    with get_context("fork").Pool(WORKERS) as pool:
        held_out = pool.map_async(_found_held_out, range(FOLDS), chunksize=1)
        first_parameters = fit([batch for several in first.values() for batch in several], first_rows, allowed, Recipe())
        print("first pass", flush=True)
        found = {key: ranges for one in held_out.get() for key, ranges in one.items()}
    # --- second pass
    seen = {
        key: [second_streams(one.text, ranges) for one, ranges in zip(folded[key], found[key], strict=True)] for key in folded
    }
    rows.add((streams for several in seen.values() for streams in several), RARE_SECOND)
    second = [
        batch
        for (corpus, fold), several in folded.items()
        for batch in batches(
            corpus, several, [{**one.streams, **more} for one, more in zip(several, seen[corpus, fold], strict=True)], rows
        )
    ]
    second_parameters = fit(second, rows.count, allowed, Recipe())
    print("second pass", flush=True)
    return packed([first_parameters, second_parameters], rows, clusters, lexicon)


def _found_held_out(fold: int) -> Ranges:
    """In a process of its own: what a first pass that did not learn from a fold finds in it."""
    ((folded, first, count),) = _INHERITED
    others = [batch for (_, other), several in first.items() if other != fold for batch in several]
    parameters = fit(others, count, SCHEME.allowed(), Recipe(epochs=8))
    print(f"first pass without fold {fold}", flush=True)
    return {key: tagged(parameters, first[key], several, key[0]) for key, several in folded.items() if key[1] == fold}


def tagged(parameters: Parameters, several: Sequence[Batch], examples: Sequence[Example], corpus: str) -> list[list[Range]]:
    """What a first pass finds in each example."""
    labels = SCHEME.labels
    base = np.array([FIRST_BONUS if label[0] in "BS" else 0.0 for label in labels], np.float32)
    jumps = np.where(SCHEME.allowed(), parameters.transitions, FORBIDDEN)
    found: list[str] = []
    for batch in several:
        emissions = np.where(batch.allowed, parameters.emissions(batch, {corpus: 1.0}) + base, FORBIDDEN)
        in_order = Layout(np.arange(len(emissions)), batch.layout.steps)
        best = np.empty(len(emissions), np.int64)
        best[batch.layout.order] = best_labels(emissions.astype(np.float32), jumps.astype(np.float32), in_order)
        found += [labels[label] for label in best]
    ranges: list[list[Range]] = []
    for one in examples:
        ranges.append(spelled(found[: len(one.text.words)]))
        del found[: len(one.text.words)]
    return ranges


def packed(passes: Sequence[Parameters], rows: Rows, clusters: Clusters, lexicon: str) -> tuple[TaggerWeights, NDArray[np.uint8]]:
    """Weights as bytes, with a scale for each row; attributes that weigh nothing are left out."""
    kinds = {corpus: {"O", *(kind.value for kind in TYPES[corpus])} for corpus in CORPORA}
    own = [(corpus, label) for corpus in CORPORA for label in SCHEME.labels if label.rpartition("-")[2] in kinds[corpus]]
    columns = [*(("", label) for label in SCHEME.labels), *own]
    values = np.zeros((rows.count, len(passes), len(columns)), np.float32)
    for number, parameters in enumerate(passes):
        for column, (corpus, label) in enumerate(columns):
            of_corpus = parameters.added[corpus] if corpus else parameters.shared
            values[: len(of_corpus), number, column] = of_corpus[:, SCHEME.labels.index(label)]
    values[np.abs(values) < SMALL] = 0
    largest = np.abs(values).max(axis=(1, 2))
    kept_rows: list[NDArray[np.int64]] = []
    attributes: dict[str, int] = {}
    widths: list[int] = []
    count = 0
    for (name, first), width in zip(rows.first.items(), rows.widths, strict=True):
        places = np.arange(first, first + 2 * width + 1)
        if largest[places].any():
            attributes[name] = count
            widths.append(width)
            kept_rows.append(places)
            count += len(places)
    at = np.concatenate(kept_rows)
    scales = np.maximum(largest[at] / 127, 1e-6).astype(np.float16).astype(np.float32)
    scales[scales == 0] = np.float32(1e-6)
    compact = np.clip(np.rint(values[at] / scales[:, None, None]), -127, 127).astype(np.int8)
    transitions = np.stack([parameters.transitions for parameters in passes])
    none = {convention: dict.fromkeys(_kinds_of(shares), 0.0) for convention, shares in CONVENTIONS.items()}
    facts = Facts(list(KINDS), len(passes), columns, CONVENTIONS, none, lexicon)
    return TaggerWeights(facts, attributes, compact, scales, transitions, clusters, ""), np.array(widths, np.uint8)


def with_bonuses(weights: TaggerWeights, lexicon: Lexicon, states: TokenStates | None) -> TaggerWeights:
    """What a beginning mention is favoured by, for each convention and type the best on the development parts."""
    chosen: dict[str, dict[str, float]] = {}
    for convention, shares in CONVENTIONS.items():
        scores: dict[float, dict[str, Scores]] = {}
        for bonus in BONUSES:
            same = dict.fromkeys(_kinds_of(shares), bonus)
            tagger = SequenceTagger(replace(weights, facts=structs.replace(weights.facts, bonuses={convention: same})), states)
            scores[bonus] = {corpus: scored(read_corpus(corpus, "dev"), lexicon, tagger, convention) for corpus in shares}
        chosen[convention] = {}
        for kind in _kinds_of(shares):
            of_kind = {
                bonus: sum(each.of(EntityType(kind))[2] for each in by_corpus.values()) for bonus, by_corpus in scores.items()
            }
            chosen[convention][kind] = max(BONUSES, key=lambda bonus, by_bonus=of_kind: (by_bonus[bonus], -bonus))
    return replace(weights, facts=structs.replace(weights.facts, bonuses=chosen))


def _kinds_of(shares: dict[str, float]) -> list[str]:
    return [kind for kind in KINDS if any(EntityType(kind) in TYPES[corpus] for corpus in shares)]


if __name__ == "__main__":
    main()
