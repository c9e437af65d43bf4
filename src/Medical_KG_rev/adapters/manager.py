"""Sources by name: the built-in ones and those that installed distributions add."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from importlib import metadata
from threading import Lock

import pluggy

from Medical_KG_rev.adapters import builtin, plugins
from Medical_KG_rev.adapters.plugins import AdapterContext, AdapterPlugin
from Medical_KG_rev.errors import ConfigurationError, UsageError
from Medical_KG_rev.models import Adapter, Caller
from Medical_KG_rev.settings import Settings

_NAME = re.compile(r"[a-z][a-z0-9-]*")


class AdapterManager:
    """Knows every source and builds its adapter on first use.

    ``caller_for`` gives the Caller of a resilience policy by name. ``extra`` plugins are registered beside the installed ones.

    Raises:
        ConfigurationError: a plugin cannot be loaded, or two claim the same name.
    """

    def __init__(self, settings: Settings, caller_for: Callable[[str], Caller], *, extra: Sequence[object] = ()) -> None:
        self._context = AdapterContext(settings, caller_for)
        self._plugins = _collect(extra)
        self._built: dict[str, Adapter] = {}
        self._lock = Lock()

    def names(self) -> list[str]:
        """The canonical names, sorted."""
        return sorted(self._plugins)

    def describe(self, name: str) -> AdapterPlugin:
        """Version, summary and kinds of input. Raises UsageError for an unknown name."""
        if name not in self._plugins:
            raise UsageError(
                f"There is no source {name!r}.", remedy=f"Valid sources: {', '.join(self.names())}.", valid=self.names()
            )
        return self._plugins[name]

    def get(self, name: str) -> Adapter:
        """The adapter of this name. Raises UsageError for an unknown one."""
        plugin = self.describe(name)
        with self._lock:
            if name not in self._built:
                self._built[name] = plugin.build(self._context)
            return self._built[name]

    def close(self) -> None:
        """Closes the clients of every adapter that was built; a later ``get`` builds anew."""
        with self._lock:
            built, self._built = self._built, {}
        for adapter in built.values():
            close = getattr(adapter, "close", None)
            if close is not None:
                close()


def _collect(extra: Sequence[object]) -> dict[str, AdapterPlugin]:
    manager = pluggy.PluginManager(plugins.PROJECT)
    manager.add_hookspecs(plugins)
    manager.register(builtin, "medical-kg-rev")
    for entry_point in metadata.entry_points(group=plugins.ENTRY_POINT_GROUP):
        try:
            manager.register(entry_point.load(), entry_point.name)
        except (ImportError, AttributeError, ValueError, pluggy.PluginValidationError) as error:
            raise ConfigurationError(
                f"The adapter plugin {entry_point.name!r} ({entry_point.value}) cannot be loaded: {error}.",
                remedy="Repair or uninstall the distribution that brings it.",
            ) from error
    for plugin in extra:
        manager.register(plugin)
    collected: dict[str, AdapterPlugin] = {}
    for offered in reversed(manager.hook.medical_kg_adapters()):  # pluggy calls the last registered first
        for adapter_plugin in offered:
            _add(collected, adapter_plugin)
    return collected


def _add(collected: dict[str, AdapterPlugin], plugin: AdapterPlugin) -> None:
    if not isinstance(plugin, AdapterPlugin) or not _NAME.fullmatch(plugin.name):
        raise ConfigurationError(f"An adapter plugin must be an AdapterPlugin with a name like `my-source`; got {plugin!r}.")
    if plugin.name in collected:
        raise ConfigurationError(f"Two adapter plugins claim the source {plugin.name!r}.", remedy="Uninstall one of them.")
    collected[plugin.name] = plugin
