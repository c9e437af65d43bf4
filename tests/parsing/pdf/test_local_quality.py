"""What the local engine reads, against the XML of the same articles (docs/reference/pdf-quality.md).

All files are read where `MK_PDF_QUALITY` is set, as `make test-all` does; otherwise three of different makes.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pdf.evaluation import Evaluation, evaluate
from pdf.readers import local
from pdf.truth import Pair, pairs

pytestmark = pytest.mark.component

IS_ASKED_FOR = bool(os.environ.get("MK_PDF_QUALITY"))
SHORT_FORM = ("10.3390_molecules21020189", "PMC4736773", "trials_16_1_45")
"""One column, made by TeX; two columns with tables and figures; fonts whose names do not say that they are bold."""


@pytest.fixture(scope="module")
def files(test_data: Path) -> list[Pair]:
    found = pairs(test_data)
    if not found:
        pytest.skip(f"{test_data} has no PDFs with the XML of the same articles")
    return found if IS_ASKED_FOR else [pair for pair in found if pair.name in SHORT_FORM]


@pytest.fixture(scope="module")
def evaluation(files: list[Pair]) -> Evaluation:
    return evaluate(local, files)


def test_words_are_found(evaluation: Evaluation) -> None:
    assert evaluation.median("words") >= 0.99
    assert evaluation.worst("words") >= 0.975
    assert evaluation.mean("foreign") <= 0.015


def test_reading_order_is_kept(evaluation: Evaluation) -> None:
    assert evaluation.median("tau") >= 0.995
    assert evaluation.worst("tau") >= 0.96
    assert evaluation.mean("whole_sentences") >= 0.97


def test_structure_is_found(evaluation: Evaluation) -> None:
    assert evaluation.mean("headings") >= 0.95
    assert evaluation.cells >= 0.92
    assert evaluation.mean("captions") >= 0.95
    assert evaluation.mean("references") >= 0.95
    assert evaluation.worst("title") == 1


def test_no_running_head_stands_in_a_paragraph(evaluation: Evaluation) -> None:
    assert evaluation.sampled >= 50
    assert evaluation.intruded == ()
