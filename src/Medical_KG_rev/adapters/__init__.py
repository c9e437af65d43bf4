"""Where data comes from: one module per source, and the manager that knows them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from Medical_KG_rev.adapters.manager import AdapterManager
    from Medical_KG_rev.adapters.plugins import AdapterContext, AdapterPlugin, hookimpl
    from Medical_KG_rev.adapters.stage import PluginIngestStage

__all__ = ["AdapterContext", "AdapterManager", "AdapterPlugin", "PluginIngestStage", "hookimpl"]

_HOMES = {"AdapterManager": "manager", "PluginIngestStage": "stage"}


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'plugins')}"), name)
