"""Which stage types there are: what each promises and who builds it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from Medical_KG_rev.errors import DagsterPipelineConfigError
from Medical_KG_rev.orchestration.stages import contracts
from Medical_KG_rev.orchestration.stages.signatures import check_signature

ENTRY_POINT_GROUP = "medical_kg_rev.stages"

StageFactory = Callable[[Mapping[str, Any]], object]
"""Builds an implementation from the ``config`` of a stage in a pipeline."""


@dataclass(frozen=True, slots=True)
class StageType:
    """A name for pipelines' ``type``, the Protocol behind it, and the factory; None where nothing installed builds it."""

    name: str
    protocol: type
    factory: StageFactory | None = None


def without_config(make: Callable[[], object]) -> StageFactory:
    """A factory for a type that takes no ``config``: stating one is an error instead of being ignored."""

    def build(config: Mapping[str, Any]) -> object:
        if config:
            raise DagsterPipelineConfigError(
                f"A stage of this type takes no config; found: {', '.join(sorted(config))}.",
                remedy="Leave `config` out of the pipeline; what can be set is in the settings (MK_…).",
                field="config",
            )
        return make()

    return build


class StageRegistry:
    """The stage types of one process, filled by the composition root and by plugins. No global one exists."""

    def __init__(self, types: Iterable[StageType] = ()) -> None:
        self._types: dict[str, StageType] = {}
        for stage_type in types:
            self.register(stage_type)

    @classmethod
    def builtin(cls, factories: Mapping[str, StageFactory] | None = None) -> StageRegistry:
        """The built-in types, with the factories that the composition root has for them (by type name)."""
        registry = cls(StageType(name, protocol) for name, protocol in _BUILTIN.items())
        for name, factory in (factories or {}).items():
            registry.provide(name, factory)
        return registry

    def names(self) -> tuple[str, ...]:
        """All type names, sorted."""
        return tuple(sorted(self._types))

    def register(self, stage_type: StageType) -> None:
        """Adds a type.

        Raises:
            DagsterPipelineConfigError: the name is taken.
        """
        if stage_type.name in self._types:
            raise DagsterPipelineConfigError(
                f"Stage type '{stage_type.name}' is registered twice.",
                remedy="Give the plugin's stage type a name of its own.",
                field="type",
                valid=self.names(),
            )
        self._types[stage_type.name] = stage_type

    def provide(self, name: str, factory: StageFactory) -> None:
        """Says who builds a registered type, in place of any factory before.

        Raises:
            DagsterPipelineConfigError: there is no such type.
        """
        self._types[name] = replace(self.resolve(name), factory=factory)

    def discover(self, group: str = ENTRY_POINT_GROUP) -> None:
        """Adds the types that installed packages offer as entry points of the group; each one is a :class:`StageType`.

        Raises:
            DagsterPipelineConfigError: one cannot be imported, is no StageType, or takes a name twice.
        """
        for entry_point in entry_points(group=group):
            self.register(_loaded(entry_point))

    def resolve(self, name: str) -> StageType:
        """The type of that name.

        Raises:
            DagsterPipelineConfigError: unknown; lists the valid ones.
        """
        if name not in self._types:
            raise DagsterPipelineConfigError(
                f"Stage type '{name}' is unknown.",
                remedy=f"Valid types: {', '.join(self.names())}.",
                field="type",
                valid=self.names(),
            )
        return self._types[name]

    def role(self, name: str) -> str:
        """The built-in type whose promise a type keeps: what the runner hands to it, and what it does with the output.

        Raises:
            DagsterPipelineConfigError: unknown type.
        """
        protocol = self.resolve(name).protocol
        return next((builtin for builtin, promised in _BUILTIN.items() if promised is protocol), name)

    def build(self, name: str, config: Mapping[str, Any]) -> Any:
        """An implementation of the type, checked against its Protocol.

        Raises:
            DagsterPipelineConfigError: unknown type, or nothing here builds it.
            StageContractError: what was built has a wrong signature; names the method.
        """
        stage_type = self.resolve(name)
        if stage_type.factory is None:
            buildable = tuple(sorted(item.name for item in self._types.values() if item.factory))
            raise DagsterPipelineConfigError(
                f"Nothing installed implements the stage type '{name}'.",
                remedy=f"Install a package that does; implemented here: {', '.join(buildable) or 'none'}.",
                field="type",
                valid=buildable,
            )
        implementation = stage_type.factory(config)
        check_signature(stage_type.protocol, implementation)
        return implementation


def _loaded(entry_point: EntryPoint) -> StageType:
    try:
        loaded = entry_point.load()
    except (ImportError, AttributeError) as error:
        raise _unusable(entry_point, f"cannot be loaded: {error}") from error
    if not isinstance(loaded, StageType):
        raise _unusable(entry_point, f"is a {type(loaded).__name__}, not a StageType")
    return loaded


def _unusable(entry_point: EntryPoint, why: str) -> DagsterPipelineConfigError:
    return DagsterPipelineConfigError(
        f"The stage plugin '{entry_point.name}' ({entry_point.value}) {why}.",
        remedy="Correct or uninstall the package that offers it.",
        field=entry_point.name,
    )


_BUILTIN: Mapping[str, type] = {
    "ingest": contracts.IngestStage,
    "download": contracts.DownloadStage,
    "parse": contracts.ParseStage,
    "ir_validation": contracts.IrValidationStage,
    "chunk": contracts.ChunkStage,
    "embed": contracts.EmbedStage,
    "index": contracts.IndexStage,
    "extract": contracts.ExtractStage,
    "kg": contracts.KGStage,
}
