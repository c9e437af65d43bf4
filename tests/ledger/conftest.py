"""Ledgers on both databases, with time that is counted on SQLite, and short ways to fill them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ledger_toys import Toys

from Medical_KG_rev.orchestration.ledger import Ledger

DATABASES = ("sqlite", pytest.param("postgres", marks=pytest.mark.service))


@pytest.fixture(params=DATABASES)
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where an empty ledger goes: a file, or the address of a database."""
    if request.param == "sqlite":
        return tmp_path / "ledger.db"
    url: str = request.getfixturevalue("postgres_database")
    return url


@pytest.fixture
def open_ledger(location: Path | str) -> Iterator[Callable[..., Ledger]]:
    """Opens the ledger again, as another process would, with a clock of its own."""
    opened: list[Ledger] = []

    def make(clock: Callable[[], float] = lambda: 1_800_000_000.0) -> Ledger:
        opened.append(Ledger.open(location, clock))
        return opened[-1]

    yield make
    for ledger in opened:
        ledger.close()


@pytest.fixture
def toys(open_ledger: Callable[..., Ledger]) -> Toys:
    """A ledger with short ways to fill it."""
    return Toys(open_ledger)
