"""docs/reference/errors.md has the table that `make generate` makes, and the words around it are left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from Medical_KG_rev.error_reference import ERROR_FACTS, page_with_table

pytestmark = pytest.mark.unit

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "errors.md"


def test_the_page_is_current() -> None:
    text = PAGE.read_text("utf-8")
    assert text == page_with_table(text), "run `make generate`"


def test_a_changed_row_is_noticed_and_the_words_around_the_table_stay() -> None:
    text = PAGE.read_text("utf-8")
    stale = text.replace("| `payload_empty` |", "| `empty` |").replace("# Errors\n", "# All errors\n")
    assert page_with_table(stale) == text.replace("# Errors\n", "# All errors\n")


@pytest.mark.parametrize("lost", ["<!-- The table is made", "<!-- end of the table -->"])
def test_a_page_without_a_place_for_the_table_is_refused(lost: str) -> None:
    with pytest.raises(ValueError, match="comments around its table"):
        page_with_table(PAGE.read_text("utf-8").replace(lost, "<!--"))


def test_every_row_is_whole() -> None:
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `") and "Error` |" in line]
    assert len(rows) == len(ERROR_FACTS)
    for row in rows:
        cells = row.replace("\\|", "").strip("| ").split(" | ")
        assert len(cells) == 9, row
        assert all(cell.strip() for position, cell in enumerate(cells) if position != 6), row
