"""Tables and figures stand alone: each becomes chunks of its own; a further piece of a table is told what it is a piece of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from Medical_KG_rev.models import Block, BlockType
from Medical_KG_rev.text.passages import Passage, Unit

__all__ = ["Run", "context_of", "runs"]


_ALONE = (BlockType.TABLE, BlockType.FIGURE)


class Run(NamedTuple):
    """Units ``first`` to ``last`` (exclusive) that may share chunks; ``alone`` is the table or figure that they are."""

    first: int
    last: int
    alone: Block | None


def runs(passages: Sequence[Passage], units: Sequence[Unit], first: int, last: int, min_tokens: int) -> Iterator[Run]:
    """Cuts units at the borders of tables and figures of at least ``min_tokens``. Headers go with what follows them."""
    sizes = Counter[tuple[int, int]]()
    for unit in units[first:last]:
        sizes[unit.passage, unit.block] += unit.tokens
    start, current = first, None
    border = first
    for index in range(first, last):
        unit = units[index]
        if index == first or not units[index - 1].header:
            border = index
        if unit.header:
            continue
        block = passages[unit.passage].blocks[unit.block]
        stands_alone = block.type in _ALONE and sizes[unit.passage, unit.block] >= min_tokens
        alone = block if stands_alone else None
        if alone is not current and border > start:
            yield Run(start, border, current)
            start = border
        current = alone
    yield Run(start, last, current)


def context_of(block: Block, passage: Passage) -> str:
    """Caption and head of a table, as a piece that lacks them repeats it: its first rows of header cells, else its first row."""
    if block.table is None:
        return ""
    caption = block.table.caption
    lines = [_quote(passage, caption.start, caption.end)] if caption is not None else []
    for number, row in groupby(block.table.cells, key=lambda cell: cell.row):
        cells = list(row)
        if number > 0 and not all(cell.header for cell in cells):
            break
        lines.append("\t".join(_quote(passage, cell.start, cell.end) for cell in cells))
    return "\n".join(lines)


def _quote(passage: Passage, start: int, end: int) -> str:
    return passage.text[start - passage.start : end - passage.start]
