"""Every lexical store keeps the promises of its port."""

from __future__ import annotations

import itertools

import pytest

from Medical_KG_rev.index.lexical import TantivyStore
from Medical_KG_rev.testing.lexical import check_lexical_store

pytestmark = pytest.mark.component


def test_tantivy(tmp_path):
    numbers = itertools.count()
    check_lexical_store(lambda: TantivyStore(tmp_path / str(next(numbers))))
