"""Parquet: read by pyarrow, row by row what the dump said."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
from pyarrow import parquet as pq

from Medical_KG_rev.errors import PartUnavailableError
from Medical_KG_rev.graph.exports import parquet
from Medical_KG_rev.graph.results import ClaimRow, EntityRecord

from .conftest import HOSTILE, QUALIFIERS

pytestmark = pytest.mark.component


def tables(export: Callable[..., Any], *given: Any) -> dict[str, list[dict[str, Any]]]:
    folder, _ = export("parquet", *given)
    return {name: pq.read_table(folder / f"{name}.parquet").to_pylist() for name in parquet.TABLES}


def test_every_record_is_a_row(export: Callable[..., Any], records: list[Any]) -> None:
    found = tables(export)
    assert {name: len(rows) for name, rows in found.items()} == {
        "documents": 2,
        "entities": 6,
        "mentions": 1,
        "claims": 9,
        "evidence": 10,
        "assertions": 5,
    }
    assert [row["id"] for row in found["claims"]] == [record.id for record in records if isinstance(record, ClaimRow)]
    names = {record.id: record.name for record in records if isinstance(record, EntityRecord)}
    assert {row["id"]: row["name"] for row in found["entities"]} == names
    assert HOSTILE in names.values()


def test_values_keep_their_types(export: Callable[..., Any]) -> None:
    found = tables(export)
    claims = {row["id"]: row for row in found["claims"]}
    assert (claims["c5"]["value"], claims["c5"]["object_id"], claims["c5"]["assertion_id"]) == ("Phase 2", None, None)
    assert json.loads(claims["c4"]["qualifiers"]) == QUALIFIERS
    assert (claims["c2"]["negated"], claims["c2"]["certainty"], claims["c3"]["status"]) == (True, "uncertain", "retracted")
    drug = next(row for row in found["entities"] if row["id"] == "MESH:D008687")
    assert drug["aliases"] == ["Glucophage", HOSTILE]
    assert [row["page"] for row in found["evidence"] if row["claim_id"] == "c1"] == [None, 3]


def test_an_empty_graph_has_all_tables(export: Callable[..., Any]) -> None:
    assert tables(export, []) == {name: [] for name in parquet.TABLES}


def test_rows_beyond_a_row_group_are_all_there(export: Callable[..., Any], records: list[Any], monkeypatch: Any) -> None:
    monkeypatch.setattr(parquet, "ROWS_PER_GROUP", 4)
    folder, receipt = export("parquet")
    file = pq.ParquetFile(folder / "claims.parquet")
    assert (file.num_row_groups, file.metadata.num_rows) == (3, 9)
    assert receipt.written["claims"] == 9


def test_without_the_library_it_says_what_to_install(export: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(PartUnavailableError, match="not installed") as caught:
        export("parquet")
    assert "medical-kg-rev[parquet]" in (caught.value.remedy or "")
