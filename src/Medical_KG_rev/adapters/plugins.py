"""What an adapter plugin offers.

A distribution adds sources by an entry point of group ``medical_kg_rev.adapters`` that names a module or object with a
``medical_kg_adapters`` hook::

    from Medical_KG_rev.adapters import AdapterPlugin, hookimpl

    @hookimpl
    def medical_kg_adapters():
        return [AdapterPlugin(name="my-source", version="1.0", summary="…", inputs=("ids",), build=MySource)]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import pluggy

from Medical_KG_rev.models import Adapter, Caller
from Medical_KG_rev.settings import Settings

PROJECT = "medical_kg.adapters"
ENTRY_POINT_GROUP = "medical_kg_rev.adapters"

InputKind = Literal["ids", "query", "since", "paths"]

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@dataclass(frozen=True, slots=True)
class AdapterContext:
    """What an adapter is built from. ``caller_for`` gives the Caller of a resilience policy by the policy's name."""

    settings: Settings
    caller_for: Callable[[str], Caller]


@dataclass(frozen=True, slots=True)
class AdapterPlugin:
    """One source: its canonical name, what it takes, and how its adapter is built (on first use)."""

    name: str
    version: str
    summary: str
    inputs: tuple[InputKind, ...]
    build: Callable[[AdapterContext], Adapter]


@hookspec
def medical_kg_adapters() -> Sequence[AdapterPlugin]:
    """The sources of this plugin."""
    return ()
