"""Adapters as the manager builds them, with a Caller that only calls and counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from Medical_KG_rev.adapters import AdapterManager
from Medical_KG_rev.settings import AdapterSettings, Settings


class CountingCaller:
    def __init__(self) -> None:
        self.calls = 0

    def call(self, request: Callable[[], Any]) -> Any:
        self.calls += 1
        return request()


@pytest.fixture
def caller() -> CountingCaller:
    return CountingCaller()


@pytest.fixture
def make_adapter(caller: CountingCaller) -> Iterator[Callable[..., Any]]:
    """An adapter by name; ``page_size`` and ``contact_email`` may be given."""
    managers: list[AdapterManager] = []

    def make(name: str, page_size: int | None = None, contact_email: str = "") -> Any:
        adapters = AdapterSettings()
        if page_size is not None:
            field = name.replace("-", "_")
            source = getattr(adapters, field).model_copy(update={"page_size": page_size})
            adapters = adapters.model_copy(update={field: source})
        managers.append(AdapterManager(Settings(adapters=adapters, contact_email=contact_email), lambda policy: caller))
        return managers[-1].get(name)

    yield make
    for manager in managers:
        manager.close()
