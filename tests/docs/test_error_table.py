"""docs/reference/errors.md has every error, with its code and whether it is tried again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from Medical_KG_rev.errors import MedicalKGError, TransientError

pytestmark = pytest.mark.unit

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "errors.md"


def tree(kind: type[MedicalKGError]) -> Iterator[type[MedicalKGError]]:
    if kind.__module__ == "Medical_KG_rev.errors":
        yield kind
    for child in kind.__subclasses__():
        yield from tree(child)


def test_the_table_says_what_the_classes_say() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (yes|no) \| \S.* \| \S.* \|$", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    expected = [(kind.__name__, kind.code, "yes" if issubclass(kind, TransientError) else "no") for kind in tree(MedicalKGError)]
    assert sorted(rows) == sorted(expected)
