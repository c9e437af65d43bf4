"""Headings that stand at the beginning of a paragraph's first line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from Medical_KG_rev.parsing.pdf.local.body import Body
from Medical_KG_rev.parsing.pdf.local.paragraphs import Paragraph
from Medical_KG_rev.parsing.pdf.local.pieces import Line, Run, around

_KEPT = re.compile(
    r"(?:index\s+terms|key\s?-?words?|correspond|how to cite|cite this|citation|received|accepted|e-?mail|doi)\b", re.IGNORECASE
)
"""Words that say what follows on their line, and of which none makes a section."""
_NUMBERED = re.compile(r"^\d{1,2}(?:\.\d{1,2})+\.?\s+[^\W\d_]")
_MOST_LETTERS = 90
_LEAST_LETTERS = 4


def without_run_in(paragraph: Paragraph, body: Body) -> tuple[Paragraph | None, Paragraph]:
    """The bold words that a paragraph begins with, as a paragraph of their own, and the rest."""
    if paragraph.size > 1.08 * body.size:
        return None, paragraph
    runs = [(place, run) for place, line in enumerate(paragraph.lines[:2]) for run in line.runs]
    count = _bold_count([run for _, run in runs]) or _numbered_count([run for _, run in runs])
    if not 0 < count < len(runs):
        return None, paragraph
    last = runs[count][0]
    first = [
        Line(tuple(run for place, run in runs[:count] if place == own), line.order)
        for own, line in enumerate(paragraph.lines[:2])
    ]
    rest = Line(tuple(run for place, run in runs[count:] if place == last), paragraph.lines[last].order)
    head = tuple(line for line in first if line.runs)
    lines = (rest, *paragraph.lines[last + 1 :])
    return (
        replace(paragraph, lines=head, box=around(one.box for one in head)),
        replace(paragraph, lines=lines, box=around(one.box for one in lines), gap_above=0.0),
    )


def _bold_count(runs: Sequence[Run]) -> int:
    """How many runs are a heading in bold; 0 where they are none."""
    count = next((place for place, run in enumerate(runs) if not run.font.bold and run.text.strip(" .:\u2013\u2014-")), len(runs))
    head, rest = runs[:count], runs[count:]
    text = _text(head)
    if not rest or _KEPT.match(text) or not _LEAST_LETTERS <= len(text) <= _MOST_LETTERS:
        return 0
    if not text[:1].isupper() or not any(run.font.bold for run in head) or text.endswith(","):
        return 0
    if not (text.endswith((".", ":", "\u2014", "\u2013")) or rest[0].text[:1].isupper() or rest[0].text[:1] in ":.\u2013\u2014"):
        return 0
    return count if sum(char.isalpha() for char in text) >= 0.7 * len(text.replace(" ", "")) else 0


def _numbered_count(runs: Sequence[Run]) -> int:
    """How many runs are a heading like ``2.1. Patients.`` in another font than what follows."""
    count = next((place for place, run in enumerate(runs) if run.font != runs[0].font), len(runs))
    text = _text(runs[:count])
    return count if _NUMBERED.match(text) and text.endswith(".") and len(text) <= 2 * _MOST_LETTERS else 0


def _text(runs: Sequence[Run]) -> str:
    return " ".join(run.text for run in runs).strip()
