"""LadybugDB passes the conformance kit of graph stores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from Medical_KG_rev.graph import GraphStore, LadybugGraphStore
from Medical_KG_rev.testing.graph import CHECKS

pytestmark = pytest.mark.component


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conformance(check: Callable[[GraphStore], None], tmp_path: Path) -> None:
    check(LadybugGraphStore(tmp_path))


def test_it_has_the_shape_of_the_port(tmp_path: Path) -> None:
    assert isinstance(LadybugGraphStore(tmp_path), GraphStore)
