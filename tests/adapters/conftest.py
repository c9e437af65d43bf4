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
    """An adapter by name; ``page_size``, ``contact_email`` and more settings of the source may be given."""
    managers: list[AdapterManager] = []

    def make(name: str, page_size: int | None = None, contact_email: str = "", **more: Any) -> Any:
        adapters = AdapterSettings()
        if page_size is not None or more:
            field = name.replace("-", "_")
            given = more if page_size is None else {"page_size": page_size, **more}
            source = getattr(adapters, field).model_copy(update=given)
            adapters = adapters.model_copy(update={field: source})
        managers.append(AdapterManager(Settings(adapters=adapters, contact_email=contact_email), lambda policy: caller))
        return managers[-1].get(name)

    yield make
    for manager in managers:
        manager.close()
