"""PDFs read on the CPU: quality against the XML of the same articles, beside three libraries; speed; memory of a long file.

`--details` prints each file. Other files than the shared ones: `--data DIR` with `pdf/` and `jats/` in it.
"""

from __future__ import annotations

import argparse
import logging
import math
import multiprocessing
import time
from pathlib import Path

import pypdfium2
from measuring import TEST_DATA, heading, skip, table, targets, workspace
from pdf.evaluation import Evaluation, evaluate
from pdf.readers import READERS
from pdf.truth import Pair, pairs

LONG_FILE = 500
OURS = "local engine"
MEASURES = ("words", "tau", "whole_sentences", "headings", "captions", "references")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=TEST_DATA)
    parser.add_argument("--details", action="store_true", help="each file of the local engine")
    options = parser.parse_args()
    files = pairs(options.data)
    if not files:
        skip(f"{options.data} has no PDFs with the XML of the same articles")
    pages = sum(_count(pair.pdf) for pair in files)
    heading(f"PDFs against the XML of the same articles: {len(files)} files, {pages} pages")
    logging.getLogger("pdfminer").setLevel(logging.ERROR)
    found: dict[str, Evaluation] = {}
    for name, reader in READERS.items():
        found[name] = evaluate(reader, files)
    _quality(found)
    if options.details:
        _details(found[OURS])
    rate = _rate(files, pages)
    peak = _long_file(files)
    _targets(found[OURS], rate, peak)


def _count(path: Path) -> int:
    with pypdfium2.PdfDocument(path) as document:
        return len(document)


def _quality(found: dict[str, Evaluation]) -> None:
    rows = []
    for name, one in found.items():
        rows.append(
            (
                name,
                f"{one.median('words'):.3f} ({one.worst('words'):.3f})",
                f"{one.median('tau'):.3f} ({one.worst('tau'):.3f})",
                f"{one.mean('whole_sentences'):.3f}",
                f"{1 - one.mean('foreign'):.3f}",
                *(f"{one.mean(measure):.3f}" if name == OURS else "" for measure in ("headings", "captions", "references")),
                f"{one.cells:.3f}" if name in (OURS, "pdfplumber") else "",
                f"{len(one.intruded)} of {one.sampled}" if one.sampled else "",
            )
        )
    columns = ("", "words", "order", "whole sentences", "own words", "headings F1", "captions", "references", "cells", "intruded")
    table(columns, rows)


def _details(one: Evaluation) -> None:
    rows = []
    for name, scores in one.scores.items():
        values = [getattr(scores, measure) for measure in MEASURES]
        cells = f"{scores.cells_found}/{scores.cells_asked}" if scores.cells_asked else ""
        rows.append((name, *("" if math.isnan(value) else f"{value:.3f}" for value in values), cells))
    table(("file", *MEASURES, "cells"), rows)
    for name, text in one.intruded:
        print(f"A running head in a paragraph of {name}: {text[:300]}")


def _rate(files: list[Pair], pages: int) -> float:
    """Pages a second of the processor's time; what is imported was imported before."""
    started = time.process_time()
    for pair in files:
        READERS[OURS](pair.pdf)
    return pages / (time.process_time() - started)


def _long_file(files: list[Pair]) -> float:
    """MiB that a process of its own takes at most while it reads a file of 500 pages of those articles."""
    with workspace() as folder:
        path = folder / "long.pdf"
        _write_long(files, path)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return pool.apply(_peak_of_reading, (path,))


def _write_long(files: list[Pair], path: Path) -> None:
    document = pypdfium2.PdfDocument.new()
    while len(document) < LONG_FILE:
        for pair in files:
            with pypdfium2.PdfDocument(pair.pdf) as source:
                wanted = min(len(source), LONG_FILE - len(document))
                if wanted:
                    document.import_pages(source, list(range(wanted)))
    document.save(path)
    document.close()


def _peak_of_reading(path: Path) -> float:
    """``VmHWM`` (Linux): unlike ``ru_maxrss``, it does not begin with what the parent had."""
    READERS[OURS](path)
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), math.nan)


def _targets(one: Evaluation, rate: float, peak: float) -> None:
    targets(
        [
            ("words of abstract and body found, median", one.median("words"), ">=", 0.98, ""),
            ("the same, worst file", one.worst("words"), ">=", 0.93, ""),
            ("Kendall's tau of sentences, median", one.median("tau"), ">=", 0.98, ""),
            ("section headings, mean F1", one.mean("headings"), ">=", 0.85, ""),
            ("table cells found", one.cells, ">=", 0.80, ""),
            (f"paragraphs of {one.sampled} with a running head", float(len(one.intruded)), "<=", 0, ""),
            ("pages a second on one core", rate, ">=", 15, "/s"),
            (f"memory at most, file of {LONG_FILE} pages", peak, "<=", 400, " MiB"),
        ]
    )


if __name__ == "__main__":
    main()
