"""Every built-in source passes the kit that third parties' sources are held against."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from typing import Any

import pytest

from Medical_KG_rev.models import AdapterRequest
from Medical_KG_rev.testing import check_adapter

pytestmark = pytest.mark.component


@pytest.mark.parametrize(
    ("source", "api", "spelling"),
    [
        ("clinicaltrials", "clinicaltrials_api", "NCT9999{:04d}"),
        ("openalex", "openalex_api", "W88{:04d}"),
        ("pmc-fulltext", "europepmc_api", "PMC88{:04d}"),
    ],
)
def test_remote_sources(
    request: pytest.FixtureRequest, make_adapter: Callable[..., Any], source: str, api: str, spelling: str
) -> None:
    played = request.getfixturevalue(api)
    for number in range(12):
        played.add(spelling.format(number))
    adapter = make_adapter(source, page_size=5)
    by_query = AdapterRequest(source=source, query="invented")
    assert len(check_adapter(adapter, by_query, unknown_id=spelling.format(9999))) >= 12
    by_id = AdapterRequest(source=source, ids=tuple(spelling.format(number) for number in range(7)))
    assert len(check_adapter(adapter, by_id)) == 7


def test_local_files(make_adapter: Callable[..., Any]) -> None:
    corpus = str(resources.files("Medical_KG_rev") / "samples" / "corpus")
    assert len(check_adapter(make_adapter("local"), AdapterRequest(source="local", paths=(corpus,)), unknown_id="/nowhere")) == 23
