"""A database with the shared state's tables, and processes that use it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine

from Medical_KG_rev.orchestration.ledger.schema import breaker_states, limiter_slots, metadata


class OtherProcess:
    """A process that runs commands of ``shared_state_process.py``, one a line, on the same database."""

    def __init__(self, url: str) -> None:
        script = Path(__file__).parent / "shared_state_process.py"
        self._process = subprocess.Popen(
            [sys.executable, str(script), url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        assert self.answer() == "ready"

    def tell(self, command: str, **arguments: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([command, arguments]) + "\n")

    def answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def ask(self, command: str, **arguments: Any) -> Any:
        self.tell(command, **arguments)
        return self.answer()

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def shared_engine(postgres_database: str) -> Iterator[Engine]:
    engine = create_engine(postgres_database)
    metadata.create_all(engine, tables=[breaker_states, limiter_slots])
    yield engine
    engine.dispose()


@pytest.fixture
def start_process(shared_engine: Engine) -> Iterator[Callable[[], OtherProcess]]:
    started: list[OtherProcess] = []

    def start() -> OtherProcess:
        started.append(OtherProcess(shared_engine.url.render_as_string(hide_password=False)))
        return started[-1]

    yield start
    for process in started:
        process.kill()
