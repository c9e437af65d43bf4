"""The lexicon: what is in it, how fast it opens and matches, how much memory; what it knows of the corpora's names; its build.

Coverage: of the mentions of the training parts that carry one id, how many have a name in the lexicon at all, one of their type,
and one of exactly their concept. Strict mentions of the dictionary alone: longest matches with the type of their first name, and
short forms that the text defines as their long forms; what is left of it belongs to the tagger.

    python benchmarks/extraction/bench_lexicon.py [--build [--from DIR]] [--errors bc5cdr:disease]
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from measuring import MODELS_DIR, heading, need_model, table, targets

sys.path.insert(0, str(Path(__file__).parent))

from corpora import CORPORA, TYPES, GoldDocument, Part, corpora_are_there, read_corpus

from Medical_KG_rev.extraction.analysis import AnalysedText, analyse
from Medical_KG_rev.extraction.lexicon import Lexicon
from Medical_KG_rev.models import EntityType
from Medical_KG_rev.settings import Settings
from Medical_KG_rev.text import ModelStore

Span = tuple[int, int, EntityType]
Target = tuple[str, float, str, float, str]
MEGABYTE = 1_000_000


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--build", action="store_true", help="build it once more, in a folder of its own")
    arguments.add_argument("--from", dest="source_dir", type=Path, help="where the packages lie; they are downloaded otherwise")
    arguments.add_argument("--errors", metavar="CORPUS:TYPE", help="what the dictionary alone finds wrongly and misses, by count")
    chosen = arguments.parse_args()
    need_model("lexicon")
    path = ModelStore(MODELS_DIR).path("lexicon", "lexicon")
    rows = [*_contents(path), *_speed(path)]
    if corpora_are_there():
        _coverage(Lexicon.open(path))
        rows += _dictionary_alone(Lexicon.open(path), chosen.errors)
    if chosen.build:
        rows += _build(chosen.source_dir)
    heading("Targets")
    targets(rows)


def _contents(path: Path) -> Iterator[Target]:
    lexicon = Lexicon.open(path)
    heading("Contents")
    counts = lexicon.counts()
    table(("type", "concepts", "names"), [(kind, f"{c:,}", f"{n:,}") for kind, (c, n) in sorted(counts.items())])
    megabytes = path.stat().st_size / MEGABYTE
    print(f"{path.stat().st_size:,} bytes, {sum(c for c, _ in counts.values()):,} concepts.\n")
    yield "size", megabytes, "<=", 300, " MB"


def _speed(path: Path) -> Iterator[Target]:
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        opened, first, warm, matching, resident = pool.apply(_measured, (path,))
    heading("Speed and memory, one process")
    rows = [
        ("open", f"{opened * 1000:.2f} ms"),
        ("first text, its parts checked", f"{first * 1000:.0f} ms"),
        ("abstracts/s, with sentences and tokens", f"{warm:,.0f}"),
        ("abstracts/s, matching alone", f"{matching:,.0f}"),
        ("resident, file included", f"{resident:.0f} MB"),
    ]
    table(("", "measured"), rows)
    yield "open", opened, "<=", 0.3, " s"
    yield "abstracts a second, one core", warm, ">=", 300, ""
    yield "resident", resident, "<=", 300, " MB"


def _measured(path: Path) -> tuple[float, float, float, float, float]:
    """Seconds to open and for a first text, abstracts a second with and without tokens (CPU time), resident megabytes more."""
    texts = (
        [document.text for document in read_corpus("bc5cdr", "dev")]
        if corpora_are_there()
        else ["Lung cancer and aspirin. " * 60] * 500
    )
    analyse(texts[0])
    before = _resident()
    started = time.perf_counter()
    lexicon = Lexicon.open(path)
    opened = time.perf_counter()
    lexicon.match(analyse(texts[0]))
    first = time.perf_counter() - opened
    opened -= started
    begun = time.process_time()
    read = [analyse(text) for text in texts]
    tokens = time.process_time() - begun
    begun = time.process_time()
    for text in read:
        lexicon.match(text)
    matching = time.process_time() - begun
    lexicon.check()
    return opened, first, len(texts) / (tokens + matching), len(texts) / matching, _resident() - before


def _resident() -> float:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize() / MEGABYTE


def _coverage(lexicon: Lexicon) -> None:
    heading("Names of the training parts")
    rows = []
    for corpus in CORPORA:
        for kind in TYPES[corpus]:
            if kind is EntityType.VARIANT:
                continue
            found = Counter[str]()
            for document in read_corpus(corpus, "train"):
                for mention in document.mentions:
                    if mention.type is kind and len(mention.ids) == 1:
                        names = lexicon.lookup(document.text[mention.start : mention.end])
                        concept = lexicon.resolve(mention.ids[0])
                        found["all"] += 1
                        found["id"] += concept is not None
                        found["name"] += bool(names)
                        found["type"] += any(name.type is kind for name in names)
                        found["concept"] += concept is not None and any(name.concept == concept for name in names)
            shares = [f"{found[what] / found['all']:.3f}" for what in ("id", "name", "type", "concept")]
            rows.append((f"{corpus} {kind}", f"{found['all']:,}", *shares))
    table(("", "mentions", "id known", "any name", "of the type", "of the concept"), rows)


def _dictionary_alone(lexicon: Lexicon, errors: str | None) -> Iterator[Target]:
    heading("The dictionary alone, strict mentions")
    rows = []
    parts: tuple[tuple[str, Part], ...] = (("bc5cdr", "dev"), ("ncbi", "dev"), ("biored", "dev"))
    for corpus, part in parts:
        right, wrong, missed = Counter[EntityType](), Counter[EntityType](), Counter[EntityType]()
        texts: dict[tuple[str, EntityType], Counter[str]] = {}
        for document in read_corpus(corpus, part):
            gold = {(mention.start, mention.end, mention.type) for mention in document.mentions}
            found = set(_spans(lexicon, document))
            for counter, spans, word in (
                (right, found & gold, ""),
                (wrong, found - gold, "wrong"),
                (missed, gold - found, "missed"),
            ):
                counter.update(kind for _, _, kind in spans)
                for start, end, kind in spans if word else ():
                    texts.setdefault((word, kind), Counter())[document.text[start:end].lower()] += 1
        for kind in TYPES[corpus]:
            precision = right[kind] / max(1, right[kind] + wrong[kind])
            recall = right[kind] / max(1, right[kind] + missed[kind])
            f1 = 2 * precision * recall / max(1e-9, precision + recall)
            rows.append((f"{corpus} {part} {kind}", f"{precision:.3f}", f"{recall:.3f}", f"{f1:.3f}"))
            if corpus == "bc5cdr":
                yield f"{corpus} {kind}, F1", f1, ">=", {EntityType.CHEMICAL: 0.786, EntityType.DISEASE: 0.682}[kind], ""
            if errors == f"{corpus}:{kind}":
                for word in ("wrong", "missed"):
                    print(word, *(f"{text} ({count})" for text, count in texts[word, kind].most_common(60)), sep=", ")
    table(("", "precision", "recall", "F1"), rows)


def _spans(lexicon: Lexicon, document: GoldDocument) -> Iterator[Span]:
    read = analyse(document.text)
    long_forms = {one.short: document.text[one.long_start : one.long_end] for one in read.abbreviations}
    for match in lexicon.match(read):
        start, end = read.starts[match.first], read.ends[match.last - 1]
        if document.text[start:end] not in long_forms:
            kind = next((kind for kind in match.types if kind in TYPES[document.corpus]), None)
            if kind is not None:
                yield start, end, kind
    for short, long_form in long_forms.items():
        kinds = (name.type for name in lexicon.lookup(long_form))
        kind = next((kind for kind in kinds if kind in TYPES[document.corpus]), None)
        if kind is not None:
            yield from ((start, end, kind) for start, end in _places(read, short))


def _places(read: AnalysedText, short: str) -> Iterator[tuple[int, int]]:
    start = read.text.find(short)
    while start >= 0:
        end = start + len(short)
        if not (read.text[start - 1 : start].isalnum() or read.text[end : end + 1].isalnum()):
            yield start, end
        start = read.text.find(short, end)


def _build(source_dir: Path | None) -> Iterator[Target]:
    with tempfile.TemporaryDirectory() as folder:
        process = multiprocessing.get_context("spawn").Pool(1)
        with process:
            seconds, cpu, gigabytes = process.apply(_built, (Path(folder), source_dir))
    heading("Build, downloads included" if source_dir is None else "Build, of files that are there")
    table(
        ("", "measured"), [("seconds", f"{seconds:.0f}"), ("CPU seconds", f"{cpu:.0f}"), ("peak memory", f"{gigabytes:.2f} GB")]
    )
    yield "build", seconds, "<=", 180, " s"
    yield "peak memory of the build", gigabytes, "<=", 2, " GB"


def _built(folder: Path, source_dir: Path | None) -> tuple[float, float, float]:
    from Medical_KG_rev.parts.stores import StoreParts

    started = time.perf_counter()
    StoreParts(Settings(data_dir=folder, models_dir=folder)).models.fetch(["lexicon"], source_dir=source_dir)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return time.perf_counter() - started, time.process_time(), peak


if __name__ == "__main__":
    main()
