"""Reads pipelines from their folder, checks them against what is there, and finds pinned versions again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from Medical_KG_rev.errors import DagsterPipelineConfigError
from Medical_KG_rev.orchestration.topology.archive import TopologyArchive
from Medical_KG_rev.orchestration.topology.document import YamlDocument, parse_yaml, read_yaml
from Medical_KG_rev.orchestration.topology.models import PipelineTopologyConfig
from Medical_KG_rev.orchestration.topology.problems import Problem, config_error, unknown_name, validated

Names = Collection[str] | Callable[[], Collection[str]]
"""Names, or what gives those there are at the moment."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    topology: PipelineTopologyConfig
    text: str


class PipelineLoader:
    """The pipelines of an orchestration folder: ``pipelines/NAME.yaml`` now, ``versions/YYYY-MM-DD/NAME.yaml`` as they were.

    A job pins its pipeline at submission (:meth:`pin`) and is run with exactly that content later: from what this process
    has in use or used before, from the folder's ``versions/``, or from the archive. No file is ever written here.

    A file is read at first use, and again when :meth:`reload` says so; until then, and while it is broken, the last good
    content stays in use.

    Args:
        directory: the orchestration folder.
        policies: names of the policies there are; a function where they may change.
        stage_types: names of the registered stage types.
        sources: names of the registered sources.
        archive: keeps what was pinned, for when its file has changed.
    """

    def __init__(
        self,
        directory: Path,
        *,
        policies: Names,
        stage_types: Collection[str],
        sources: Collection[str],
        archive: TopologyArchive | None = None,
    ) -> None:
        self.pipelines = directory / "pipelines"
        self._directory = directory
        self._policies = policies
        self._stage_types = stage_types
        self._sources = sources
        self._archive = archive
        self._files: dict[Path, _Loaded] = {}
        self._former: dict[tuple[str, str], PipelineTopologyConfig] = {}

    def names(self) -> tuple[str, ...]:
        """The current pipelines' names, sorted."""
        return tuple(sorted(path.stem for path in self.pipelines.glob("*.yaml")))

    def load(self, name: str, version: str | None = None) -> PipelineTopologyConfig:
        """A pipeline as it is in use, or as ``version`` says: a pin (``1.0@3f2a…``), a version (``1.0``) or an archive's date.

        Raises:
            DagsterPipelineConfigError: it is invalid, unknown, or that version is no longer there.
        """
        if version is None:
            return self._current(name).topology
        if (name, version) in self._former:
            return self._former[name, version]
        known: list[str] = []
        broken: list[DagsterPipelineConfigError] = []
        for path in self._candidates(name):
            try:
                topology = self.load_file(path)
            except DagsterPipelineConfigError as error:  # a file that is broken now must not stop jobs pinned to another
                broken.append(error)
                continue
            if version in (topology.pin, topology.version, path.parent.name):
                return topology
            known.append(topology.pin)
        archived = self._archived(name, version)
        if archived is not None:
            return archived
        if broken:
            raise broken[0]
        raise unknown_name(self._directory, f"version of pipeline '{name}'", version, tuple(dict.fromkeys(known)))

    def pin(self, name: str) -> str:
        """What a job that is submitted now records: names the pipeline's content in use for ever. Puts it in the archive."""
        loaded = self._current(name)
        pin = loaded.topology.pin
        if self._archive is not None:
            self._archive.put(name, pin, loaded.text)
        return pin

    def reload(self, name: str) -> tuple[str | None, str | None]:
        """Takes the pipeline's file as it is now; the pin that was in use before, and the one that is from now on.

        None stands for no pipeline: not loaded before, or its file is gone.

        Raises:
            DagsterPipelineConfigError: the file is invalid; the content in use stays.
        """
        path = self._path(name)
        loaded = self._read(path) if path.exists() else None
        before = self._files.get(path)
        if before is not None:
            self._former[name, before.topology.pin] = before.topology
        if loaded is not None:
            self._files[path] = loaded
        else:
            self._files.pop(path, None)
        return before.topology.pin if before else None, loaded.topology.pin if loaded else None

    def used_policies(self) -> dict[str, str]:
        """Policies that pipelines in use name, each with one place that does: ``pipeline auto, stage embed``."""
        users: dict[str, str] = {}
        for path, loaded in sorted(self._files.items()):
            if path.parent == self.pipelines:
                for stage in loaded.topology.stages:
                    users.setdefault(stage.policy, f"pipeline {loaded.topology.name}, stage {stage.name}")
        return users

    def load_file(self, path: Path) -> PipelineTopologyConfig:
        """The pipeline in any file, checked like the others (and kept).

        Raises:
            DagsterPipelineConfigError: with file, line, field and the valid values.
        """
        return self._load_file(path).topology

    def _load_file(self, path: Path) -> _Loaded:
        loaded = self._files.get(path)
        if loaded is None:
            loaded = self._files[path] = self._read(path)
        return loaded

    def _current(self, name: str) -> _Loaded:
        path = self._path(name)
        if path not in self._files and name not in self.names():
            raise unknown_name(self.pipelines, "pipeline", name, self.names())
        return self._load_file(path)

    def _path(self, name: str) -> Path:
        return self.pipelines / f"{name}.yaml"

    def _read(self, path: Path) -> _Loaded:
        document = read_yaml(path)
        return _Loaded(self._checked(document, _called(self._policies)), document.text)

    def _archived(self, name: str, version: str) -> PipelineTopologyConfig | None:
        """A pinned pipeline from the archive. Its policies are those that its job pinned, so today's do not matter."""
        text = self._archive.get(name, version) if self._archive is not None else None
        if text is None:
            return None
        topology = self._checked(parse_yaml(text, self._path(name)), None)
        self._former[name, version] = topology
        return topology

    def _checked(self, document: YamlDocument, policies: Collection[str] | None) -> PipelineTopologyConfig:
        topology = validated(PipelineTopologyConfig, document)
        problems = list(self._reference_problems(topology, document.path.stem, policies))
        if problems:
            raise config_error(document, problems)
        return topology

    def _candidates(self, name: str) -> Iterator[Path]:
        if self._path(name) in self._files or name in self.names():
            yield self._path(name)
        archived = (self._directory / "versions").glob("*/*.yaml")
        yield from sorted((path for path in archived if path.stem == name), reverse=True)

    def _reference_problems(
        self, topology: PipelineTopologyConfig, stem: str, policies: Collection[str] | None
    ) -> Iterator[Problem]:
        if topology.name != stem:
            yield Problem(("name",), f"'{topology.name}' differs from the file's name", (stem,))
        for index, source in enumerate(topology.applicable_sources):
            if source not in self._sources:
                yield Problem(("applicable_sources", index), f"source '{source}' is not registered", _sorted(self._sources))
        for index, stage in enumerate(topology.stages):
            if stage.stage_type not in self._stage_types:
                yield Problem(
                    ("stages", index, "type"), f"stage type '{stage.stage_type}' is unknown", _sorted(self._stage_types)
                )
            if policies is not None and stage.policy not in policies:
                yield Problem(("stages", index, "policy"), f"policy '{stage.policy}' is unknown", _sorted(policies))


def _called(names: Names) -> Collection[str]:
    return names() if callable(names) else names


def _sorted(names: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted(names))
