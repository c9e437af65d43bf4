"""What holds for every format: the same bytes each time, whole files or none, a receipt that is true."""

from __future__ import annotations

import hashlib
import itertools
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from Medical_KG_rev.cli.graph_export import EXPORT_FORMATS
from Medical_KG_rev.errors import UsageError
from Medical_KG_rev.graph.exports import FORMATS, export_records, parquet, support
from Medical_KG_rev.graph.exports.support import with_claims
from Medical_KG_rev.graph.results import AssertionRow, GraphRecord

pytestmark = pytest.mark.component


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_graph_gives_the_same_bytes(tmp_path: Path, records: list[GraphRecord], format: str) -> None:
    first, second = (export_records(iter(records), format, tmp_path / name) for name in ("a", "b"))
    assert [(file.size_bytes, file.sha256) for file in first.files] == [(file.size_bytes, file.sha256) for file in second.files]
    assert first.read == {"documents": 2, "entities": 6, "mentions": 1, "claims": 9, "assertions": 5}
    for file in first.files:
        content = Path(file.path).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size_bytes, file.sha256)


@pytest.mark.parametrize("format", FORMATS)
def test_a_failure_leaves_what_was_there(tmp_path: Path, records: list[GraphRecord], format: str) -> None:
    def broken() -> Iterator[GraphRecord]:
        yield from itertools.islice(records, 12)
        raise RuntimeError("the store went away")

    kept = export_records(records[:3], format, tmp_path / "out")
    before = {file.path: Path(file.path).read_bytes() for file in kept.files}
    with pytest.raises(RuntimeError, match="went away"):
        export_records(broken(), format, tmp_path / "out")
    there = {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert there == before


def test_files_of_others_in_the_folder_stay(tmp_path: Path, records: list[GraphRecord]) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    export_records(records, "kgx", tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "nodes.jsonl").exists()


@pytest.mark.parametrize(("format", "place"), [("rdf", "folder"), ("kgx", "file"), ("rdf", "file/below"), ("parquet", "file")])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, format: str, place: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match=place.partition("/")[0]):
        export_records([], format, tmp_path / place)
    assert (tmp_path / "file").read_text() == "mine"


def test_progress_counts_each_kind(tmp_path: Path, records: list[GraphRecord]) -> None:
    seen: dict[str, int] = {}
    export_records(records, "rdf", tmp_path / "out", progress=seen.__setitem__)
    assert seen == {"documents": 2, "entities": 6, "mentions": 1, "claims": 9, "assertions": 5}


def test_assertions_come_with_their_claims(records: list[GraphRecord]) -> None:
    found = {record.id: record for record in with_claims(records) if isinstance(record, AssertionRow)}
    assert [claim.id for claim in found["a1"].claims] == ["c1", "c2", "c3"]
    assert [claim.id for claim in found["a5"].claims] == ['c9 "odd"#/\u00e9']
    assert found["a1"].claims[0] in records


def test_the_command_line_offers_every_format() -> None:
    assert tuple(FORMATS) == EXPORT_FORMATS


@pytest.mark.parametrize("format", FORMATS)
def test_memory_does_not_grow_with_the_graph(
    tmp_path: Path, records: list[GraphRecord], format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three times the graph, the same peak but for ids that FHIR remembers."""
    monkeypatch.setattr(parquet, "ROWS_PER_GROUP", 50)
    monkeypatch.setattr(support, "_HELD", 50)

    def many(times: int) -> Iterator[GraphRecord]:
        for _kind, found in itertools.groupby(records, type):
            for record in list(found):
                for number in range(times):
                    change = {"id": f"{record.id}:{number}"} if hasattr(record, "id") else {}
                    if hasattr(record, "assertion_id") and record.assertion_id:
                        change["assertion_id"] = f"{record.assertion_id}:{number}"
                    yield msgspec.structs.replace(record, **change)

    def peak(times: int) -> int:
        tracemalloc.start()
        export_records(many(times), format, tmp_path / f"{format}-{times}")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(8)  # modules and caches
    assert peak(24) < peak(8) + 150_000
