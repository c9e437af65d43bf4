"""Hostile and broken YAML ends in an error that names file and line, quickly and without building anything."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.errors import DagsterPipelineConfigError
from Medical_KG_rev.orchestration.topology import read_yaml
from Medical_KG_rev.orchestration.topology.document import MAX_BYTES, MAX_DEPTH

pytestmark = pytest.mark.component

BOMB = "a: &a [x, x, x, x]\n" + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(20))
BROKEN = {
    "python tag": (b"a: 1\nb: !!python/object/apply:os.system ['true']\n", 2, "the tag"),
    "local tag": (b"a: !secret x\n", 1, "the tag"),
    "harmless tag": (b"a: !!str 1\n", 1, "the tag"),
    "alias bomb": (BOMB.encode(), 1, "anchors and aliases"),
    "lone alias": (b"a: 1\nb: *a\n", 2, "anchors and aliases"),
    "recursive alias": (b"&a [*a]\n", 1, "anchors and aliases"),
    "merge key": (b"<<: {a: 1}\n", 1, "a key must be text"),
    "duplicate key": (b"a: 1\nb: 2\na: 3\n", 3, "'a' stands twice, first on line 1"),
    "nested duplicate key": (b"a:\n  b: 1\n  b: 1\n", 3, "stands twice"),
    "number as key": (b"a: 1\n2: x\n", 2, "a key must be text"),
    "list as key": (b"? [a]\n: 1\n", 1, "a key must be text"),
    "flow depth": (b"[" * 100, 1, f"deeper than {MAX_DEPTH}"),
    "block depth": ("".join(f"{' ' * i}a:\n" for i in range(40)).encode(), 16, f"deeper than {MAX_DEPTH}"),
    "two documents": (b"a: 1\n---\nb: 2\n", 2, "another document"),
    "not UTF-8": (b"a: 1\nb: \xff\xfe\n", 2, "not UTF-8"),
    "UTF-16": ("a: 1".encode("utf-16"), 1, "not UTF-8"),
    "NUL": (b"a: 1\nb: x\0y\n", 2, "U+0000"),
    "impossible date": (b"a: 2026-13-99\n", 1, "is not a value"),
    "unclosed": (b"a: [1, 2\n", 2, "expected"),
    "tab": (b"a:\n\t- 1\n", 2, "cannot start any token"),
    "empty": (b"", None, "the file is empty"),
    "only comments": (b"# nothing\n", None, "the file is empty"),
}


@pytest.mark.parametrize(("content", "line", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_refused_with_file_and_line(tmp_path: Path, content: bytes, line: int | None, message: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    started = time.monotonic()

    with pytest.raises(DagsterPipelineConfigError) as caught:
        read_yaml(path)

    assert message in str(caught.value)
    assert (caught.value.file, caught.value.line) == (str(path), line)
    assert str(caught.value).startswith(f"{path}:{line}: " if line else f"{path}: ")
    assert time.monotonic() - started < 2


def test_too_large(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(DagsterPipelineConfigError, match="larger than 256 KiB"):
        read_yaml(path)


def test_absent_and_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(DagsterPipelineConfigError, match="cannot be read"):
            read_yaml(path)


def test_lines_of_keys_and_items(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("﻿a: 1\nb:\n  - c: 2\n    d: 3\n  - text\n", encoding="utf-8")
    document = read_yaml(path)
    assert document.value == {"a": 1, "b": [{"c": 2, "d": 3}, "text"]}
    assert [document.line_of(at) for at in [("a",), ("b",), ("b", 0), ("b", 0, "d"), ("b", 1), ("b", 0, "missing"), ("z",)]] == [
        1,
        2,
        3,
        4,
        5,
        3,
        1,
    ]


@given(content=st.one_of(st.binary(max_size=200), st.text("ab:-[]{}&*!|>\n \t'\"#%@,?0.", max_size=60).map(str.encode)))
def test_any_bytes_are_read_or_refused_by_name(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_bytes(content)
    refusal = ""
    lines = 0
    try:
        lines = read_yaml(path).line_of(())
    except DagsterPipelineConfigError as error:
        refusal = str(error)
    assert str(path) in refusal or lines >= 1
