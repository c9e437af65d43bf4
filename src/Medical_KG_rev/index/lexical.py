"""The embedded lexical store: tantivy, fed with our own tokens."""

from __future__ import annotations

import errno
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.errors import IndexMismatchError, StoreUnavailableError
from Medical_KG_rev.index.disk import full, make_folder, sync_folder
from Medical_KG_rev.index.filters import EVERYTHING, NO_DAY, Filter
from Medical_KG_rev.index.ports import MAX_QUERY_TERMS, Row, Scored

if TYPE_CHECKING:
    import tantivy

_WRITER_HEAP_BYTES = 64 * 1024 * 1024
_FULL = re.compile(rf"(?:os error|code:) (?:{errno.ENOSPC}|{errno.EDQUOT}|{errno.EFBIG})\b|writer was killed")
"""How tantivy tells that the disk is full: in words only, and where it hits the writer's thread, not even that."""


def _schema() -> tantivy.Schema:
    """Signed integers throughout: an int given to an unsigned field kills tantivy's writer thread."""
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_text_field("tokens", tokenizer_name="whitespace", index_option="freq")
    builder.add_integer_field("vid", indexed=True, fast=True)
    builder.add_integer_field("generation", indexed=True)
    builder.add_text_field("facets", tokenizer_name="whitespace", index_option="basic")
    builder.add_integer_field("day", fast=True)
    return builder.build()


class TantivyStore:
    """Lexicons as folders under one root. No text is stored in them, only postings without positions."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def writer(self, name: str) -> TantivyWriter:
        return TantivyWriter(self._root / name)

    def reader(self, name: str) -> TantivyReader:
        return TantivyReader(self._root / name)

    def vids(self, name: str) -> NDArray[np.int64]:
        return self.reader(name).vids()

    def drop(self, name: str) -> None:
        """A power cut does not bring it back."""
        shutil.rmtree(self._root / name, ignore_errors=True)
        if self._root.is_dir():
            sync_folder(self._root)

    def names(self) -> list[str]:
        return sorted(path.name for path in self._root.iterdir()) if self._root.is_dir() else []


class TantivyWriter:
    """One thread, so that a commit makes one segment and the order of rows is that in which they came."""

    def __init__(self, folder: Path) -> None:
        import tantivy

        self._folder = folder
        self._new_document: Callable[[], tantivy.Document] = tantivy.Document
        with _translated(folder):
            make_folder(folder)
            self._writer = tantivy.Index(_schema(), path=str(folder)).writer(_WRITER_HEAP_BYTES, 1)

    def add(self, generation: int, rows: Iterable[Row]) -> None:
        with _translated(self._folder):
            for row in rows:
                document = self._new_document()
                document.add_text("tokens", row.tokens)
                document.add_integer("vid", row.vid)
                document.add_integer("generation", generation)
                document.add_text("facets", " ".join(row.facets))
                document.add_integer("day", row.day)
                self._writer.add_document(document)

    def remove(self, vids: Iterable[int]) -> None:
        with _translated(self._folder):
            for vid in vids:
                self._writer.delete_documents_by_term("vid", vid)

    def remove_generation(self, generation: int) -> None:
        with _translated(self._folder):
            self._writer.delete_documents_by_term("generation", generation)

    def commit(self) -> None:
        with _translated(self._folder):
            self._writer.commit()

    def close(self) -> None:
        with _translated(self._folder):
            self._writer.wait_merging_threads()


class TantivyReader:
    """One searcher: it goes on seeing what it saw, whatever is written later."""

    def __init__(self, folder: Path) -> None:
        import tantivy

        self._query = tantivy.Query
        self._occur = tantivy.Occur
        self._integer = tantivy.FieldType.Integer
        with _translated(folder):
            index = tantivy.Index.open(str(folder))
            self._schema = index.schema
            self._searcher = index.searcher()

    def search(self, tokens: Sequence[str], limit: int, wanted: Filter = EVERYTHING) -> Scored:
        if not tokens:
            return []
        query = self._filtered(self._disjunction(tokens), wanted)
        hits = self._searcher.search(query, limit, count=False).hits
        vids = self._searcher.fast_field_values("vid", [address for _, address in hits])
        scored = [(int(vid), float(score)) for vid, (score, _) in zip(vids, hits, strict=True) if vid is not None]
        return sorted(scored, key=lambda hit: (-hit[1], hit[0]))

    def vids(self) -> NDArray[np.int64]:
        """The vids of all rows, ascending."""
        hits = self._searcher.search(self._query.all_query(), max(self._searcher.num_docs, 1), count=False).hits
        vids = self._searcher.fast_field_values("vid", [address for _, address in hits])
        return np.sort(np.array(vids, dtype=np.int64))

    def _disjunction(self, tokens: Sequence[str]) -> tantivy.Query:
        """A token that the query repeats counts as often as it occurs."""
        clauses = []
        for token, count in list(Counter(tokens).items())[:MAX_QUERY_TERMS]:
            term = self._query.term_query(self._schema, "tokens", token, index_option="freq")
            clauses.append((self._occur.Should, term if count == 1 else self._query.boost_query(term, float(count))))
        return self._query.boolean_query(clauses)

    def _filtered(self, query: tantivy.Query, wanted: Filter) -> tantivy.Query:
        """The same scores for fewer rows: what only filters counts 0."""
        if wanted.is_empty:
            return query
        filters = [self._query.term_set_query(self._schema, "facets", list(group)) for group in wanted.facets]
        if wanted.first_day is not None or wanted.last_day is not None:
            filters.append(self._query.range_query(self._schema, "day", self._integer, *_days(wanted)))
        clauses = [self._query.const_score_query(narrowing, 0.0) for narrowing in filters]
        return self._query.boolean_query([(self._occur.Must, clause) for clause in (query, *clauses)])


def _days(wanted: Filter) -> tuple[int, int | None]:
    """The range of days, both ends included; a row without a day is in none."""
    return max(wanted.first_day or 0, NO_DAY + 1), wanted.last_day


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    """Tantivy reports every failure as ValueError."""
    try:
        yield
    except (ValueError, OSError) as error:
        text = str(error)
        if _FULL.search(text):
            raise full(f"The lexical index {folder} cannot be written: {text}.", folder) from error
        if "schema does not match" in text:
            raise IndexMismatchError(
                f"The lexical index {folder} was made by another version.",
                remedy=f"Remove the folder {folder.parents[1]} and ingest again.",
                found=str(folder),
            ) from error
        raise StoreUnavailableError(f"The lexical index {folder} failed: {text}.", path=str(folder)) from error
