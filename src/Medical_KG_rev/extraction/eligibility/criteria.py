"""The criteria of a study as its record has them: where each stands, its role, and what it stands below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from Medical_KG_rev.extraction.analysis import AnalysedText, analyse
from Medical_KG_rev.models import Document


@dataclass(frozen=True, slots=True)
class Criterion:
    """``document.text[start:end]`` is the criterion; ``above`` is the range of the item that it is nested in.

    One that ``announces`` others says nothing of its own.
    """

    start: int
    end: int
    excludes: bool
    above: tuple[int, int] | None = None
    announces: bool = False


def read_criteria(document: Document) -> list[Criterion]:
    """The criteria in order; those before any heading include."""
    found: list[Criterion] = []
    open_items: list[tuple[int, Criterion]] = []
    for annotation in document.annotations:
        if annotation.kind != "criterion":
            continue
        level = int(annotation.attributes.get("level", 0))
        while open_items and open_items[-1][0] >= level:
            open_items.pop()
        above = (open_items[-1][1].start, open_items[-1][1].end) if open_items else None
        stated = annotation.attributes
        excludes, announces = stated.get("role") == "exclusion", bool(stated.get("announces"))
        criterion = Criterion(annotation.start, annotation.end, excludes, above, announces)
        open_items.append((level, criterion))
        found.append(criterion)
    return found


def reading(document: Document, criteria: Sequence[Criterion], text: AnalysedText | None) -> AnalysedText:
    """The tokens and sentences of the criteria alone; read here when the text was read without them."""
    ranges = [(criterion.start, criterion.end) for criterion in criteria]
    if text is None:
        return analyse(document.text, ranges)
    sentences = []
    pending = iter(ranges)
    start, end = next(pending, (0, 0))
    for first, last in text.sentences:
        begins = text.starts[first]
        while end and begins >= end:
            start, end = next(pending, (0, 0))
        if end and begins >= start:
            sentences.append((first, last))
    if not sentences:
        return analyse(document.text, ranges)
    return AnalysedText(text.text, text.words, text.starts, text.ends, sentences, text.abbreviations)
