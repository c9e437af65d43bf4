"""Tables that go on over several pages, made one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec.structs import replace

from Medical_KG_rev.parsing.pdf.layout import LayoutBlock, LayoutCell, LayoutKind

_CONTINUED = re.compile(r"^\W*cont(?:inued|inuation|\.|d\b|['\u2019]d)\W*", re.IGNORECASE)


def with_whole_tables(blocks: Sequence[LayoutBlock]) -> list[LayoutBlock]:
    """The blocks, a table whose caption says that it goes on joined with the last one of its label; its head is not repeated."""
    kept: list[LayoutBlock] = []
    for block in blocks:
        home = _beginning(kept, block)
        if home is None:
            kept.append(block)
        else:
            kept[home] = _joined(kept[home], block)
    return kept


def _beginning(kept: Sequence[LayoutBlock], block: LayoutBlock) -> int | None:
    if block.kind is not LayoutKind.TABLE or not _CONTINUED.match(block.caption):
        return None
    places = range(len(kept) - 1, -1, -1)
    return next((place for place in places if kept[place].kind is LayoutKind.TABLE and kept[place].label == block.label), None)


def _joined(table: LayoutBlock, more: LayoutBlock) -> LayoutBlock:
    heads = {(cell.row, cell.column, cell.text) for cell in table.cells if cell.header}
    added = [cell for cell in more.cells if not (cell.header and (cell.row, cell.column, cell.text) in heads)]
    if not added:
        return table
    first = max((cell.row + cell.row_span for cell in table.cells), default=0) - min(cell.row for cell in added)
    moved: list[LayoutCell] = [replace(cell, row=cell.row + first) for cell in added]
    footnote = " ".join(filter(None, (table.footnote, more.footnote)))
    return replace(table, cells=(*table.cells, *moved), footnote=footnote)
