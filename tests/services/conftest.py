"""A small server that starts in a moment, to try what holds for every server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from files_server import Files

from Medical_KG_rev.services import Server


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Servers in the test's folder, one and the same for the same arguments; what still runs at the end is killed."""

    def make(**changes: object) -> Server:
        return Server(Files(**changes), tmp_path / "services" / "files", tmp_path / "cache")  # type: ignore[arg-type]

    yield make
    make().kill()
