"""Documents of any shape, built the way parsers build them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from Medical_KG_rev.models import BlockType, Document, SectionKind
from Medical_KG_rev.parsing.builder import CellText, DocumentBuilder

TEXT_BLOCKS = [kind for kind in BlockType if kind not in (BlockType.TABLE, BlockType.LIST, BlockType.HEADER)]

# Whitespace of every kind, NUL, astral characters and combining marks, beside plain words.
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=24) | st.sampled_from(
    ["", " \t\n", "a\0b", "naïve  café", "β-blocker\u00a0100 µg", "\U0001d6fc = 0.05", "e\u0301"]
)
cells = st.builds(CellText, words, row_span=st.integers(0, 4), column_span=st.integers(0, 4), header=st.booleans())
rows = st.lists(st.lists(cells, max_size=4), max_size=4)

paragraph = st.tuples(st.just("block"), words, st.sampled_from(TEXT_BLOCKS))
listing = st.tuples(st.just("items"), st.lists(words, max_size=4))
table = st.tuples(st.just("table"), rows, words)
leaf = paragraph | listing | table
section = st.tuples(st.just("section"), words, st.none() | st.sampled_from(list(SectionKind)))
steps = st.recursive(
    st.lists(leaf, max_size=4), lambda inner: st.lists(leaf | st.tuples(section, inner), max_size=4), max_leaves=12
)


def write(builder: DocumentBuilder, plan: list[Any]) -> None:
    for step in plan:
        match step:
            case ("block", text, kind):
                builder.annotate("keyword", builder.block(text, kind), note=text or None)
            case ("items", texts):
                for span in builder.items(texts):
                    builder.annotate("condition", span)
            case ("table", grid, caption):
                builder.table(grid, caption=caption)
            case (("section", title, kind), inner):
                with builder.section(title, kind):
                    write(builder, inner)


def build(title: str, plan: list[Any], parsed_at: datetime | None = None) -> Document:
    builder = DocumentBuilder(doc_id="local:sample", source="local", title=title)
    builder.title()
    write(builder, plan)
    return builder.build(metadata={"kind": "text", "year": 2024}, parsed_at=parsed_at)


moments = st.none() | st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))  # noqa: DTZ001
documents = st.builds(build, words, steps, moments)
