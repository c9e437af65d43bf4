"""The local engine keeps the port's promises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from Medical_KG_rev.parsing.pdf.local import LocalPdfEngine
from Medical_KG_rev.testing.pdf import CHECKS, MakeEngine

pytestmark = pytest.mark.component


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conformance(check: Callable[[MakeEngine, Path], None], tmp_path: Path) -> None:
    check(LocalPdfEngine, tmp_path)
