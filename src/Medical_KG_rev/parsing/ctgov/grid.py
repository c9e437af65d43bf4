"""Tables of results: reporting groups as columns, what was counted or measured as rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from Medical_KG_rev.errors import HostileContentError
from Medical_KG_rev.models import Span
from Medical_KG_rev.parsing.builder import CellText, DocumentBuilder
from Medical_KG_rev.parsing.ctgov.markup import unescape
from Medical_KG_rev.parsing.ctgov.results_schema import Group
from Medical_KG_rev.parsing.phrase import Phrase, listing

_ALWAYS_ALLOWED_CELLS = 20_000
_LEAST_FILLED = 20
"""Of larger tables at least one cell in so many holds a value."""

Statement = tuple[str, Mapping[str, Any]]
"""What a cell states: annotation kind and attributes."""


Row = dict[str, list[tuple[str, Statement | None]]]
"""Group id → what stands in its column."""


class Grid:
    """A table under construction. A group that rows mention but the record does not describe gets a column named by its id."""

    def __init__(self, groups: Sequence[Group], *leading: str) -> None:
        self._leading = leading
        self._titles = {group.id: unescape(group.title) or group.id for group in groups}
        self._rows: list[tuple[tuple[str, ...], Row]] = []

    def title(self, group_id: str) -> str:
        """The name of a group."""
        return self._titles.setdefault(group_id, group_id)

    def row(self, *leading: str) -> Row:
        """A new row to be filled by :meth:`cell`; ``leading`` are its header cells."""
        values: Row = {}
        self._rows.append((leading, values))
        return values

    def cell(self, row: Row, group_id: str, text: str, statement: Statement | None) -> None:
        """Puts a value into the group's column; a second value for the same place stands beside the first."""
        self.title(group_id)
        row.setdefault(group_id, []).append((text, statement))

    def add_to(self, builder: DocumentBuilder, caption: str) -> None:
        """The table with a header row; the caption alone, as a paragraph, when it has no rows."""
        if not self._rows:
            builder.block(caption)
            return
        self._refuse_padding()
        ids = list(self._titles)
        rows = [[CellText(text, header=True) for text in (*self._leading, *self._titles.values())]]
        for leading, values in self._rows:
            texts = ["; ".join(text for text, _ in values.get(group_id, ())) for group_id in ids]
            rows.append([CellText(text, header=True) for text in leading] + [CellText(text) for text in texts])
        if builder.table(rows, caption=caption) is not None:
            self._annotate(builder, ids)

    def _refuse_padding(self) -> None:
        """A small record could ask for a huge, nearly empty table: every group times every row."""
        cells = len(self._titles) * len(self._rows)
        filled = sum(len(values) for _, values in self._rows)
        if cells > _ALWAYS_ALLOWED_CELLS and filled * _LEAST_FILLED < cells:
            raise HostileContentError(
                f"A results table of {len(self._rows)} rows and {len(self._titles)} groups states only {filled} values.",
                remedy="Check the record: groups and rows of a table belong together.",
            )

    def _annotate(self, builder: DocumentBuilder, ids: Sequence[str]) -> None:
        table = builder.last_block.table
        if table is None:
            return
        places = {(cell.row, cell.column): cell for cell in table.cells}
        for index, (leading, values) in enumerate(self._rows, start=1):
            for column, group_id in enumerate(ids, start=len(leading)):
                cell = places[index, column]
                for _, statement in values.get(group_id, ()):
                    if statement is not None and cell.start < cell.end:
                        builder.annotate(statement[0], Span(cell.start, cell.end), **statement[1])


def describe_groups(builder: DocumentBuilder, groups: Iterable[Group]) -> None:
    """The groups with their descriptions, as a list; each title is stated as a group."""
    listing(builder, [_described(unescape(group.title), unescape(group.description)) for group in groups])


def _described(title: str, description: str) -> Phrase:
    return Phrase().add(title, "group", description=description).add(description, before="- ")
