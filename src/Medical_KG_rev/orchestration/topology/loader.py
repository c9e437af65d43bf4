"""Reads pipelines and policies from their folder, checks them against what is there, and finds pinned versions again."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from Medical_KG_rev.errors import DagsterPipelineConfigError
from Medical_KG_rev.orchestration.topology.document import YamlDocument, read_yaml
from Medical_KG_rev.orchestration.topology.models import PipelineTopologyConfig, ResiliencePolicies, ResiliencePolicyConfig
from Medical_KG_rev.orchestration.topology.problems import Problem, config_error, file_error, problems_of

M = TypeVar("M", bound=BaseModel)
POLICY_FILE = "resilience.yaml"


class ResiliencePolicyLoader:
    """The policies of ``resilience.yaml`` in an orchestration folder (or of that file itself). Read once."""

    def __init__(self, location: Path) -> None:
        self._path = location / POLICY_FILE if location.is_dir() else location
        self._policies: dict[str, ResiliencePolicyConfig] | None = None

    def names(self) -> tuple[str, ...]:
        """The policies' names, sorted."""
        return tuple(sorted(self._all()))

    def load(self, name: str) -> ResiliencePolicyConfig:
        """The policy of that name.

        Raises:
            DagsterPipelineConfigError: the file is invalid, or has no such policy (lists those it has).
        """
        policies = self._all()
        if name not in policies:
            raise _unknown(self._path, "policy", name, self.names())
        return policies[name]

    def _all(self) -> dict[str, ResiliencePolicyConfig]:
        if self._policies is None:
            self._policies = _validated(ResiliencePolicies, read_yaml(self._path)).policies
        return self._policies


class PipelineLoader:
    """The pipelines of an orchestration folder: ``pipelines/NAME.yaml`` now, ``versions/YYYY-MM-DD/NAME.yaml`` as they were.

    A job pins its pipeline at submission (:meth:`pin`) and is run with exactly that content later, from the archived copy
    where the file has changed since. Nothing is ever written here.

    Args:
        directory: the orchestration folder.
        policies: names of the policies there are.
        stage_types: names of the registered stage types.
        sources: names of the registered sources.
    """

    def __init__(
        self, directory: Path, *, policies: Collection[str], stage_types: Collection[str], sources: Collection[str]
    ) -> None:
        self._directory = directory
        self._policies = policies
        self._stage_types = stage_types
        self._sources = sources
        self._cache: dict[Path, PipelineTopologyConfig] = {}

    def names(self) -> tuple[str, ...]:
        """The current pipelines' names, sorted."""
        return tuple(sorted(path.stem for path in (self._directory / "pipelines").glob("*.yaml")))

    def load(self, name: str, version: str | None = None) -> PipelineTopologyConfig:
        """A pipeline as it is now, or as ``version`` says: a pin (``1.0@3f2a…``), a version (``1.0``) or an archive's date.

        Raises:
            DagsterPipelineConfigError: it is invalid, unknown, or that version is no longer there.
        """
        if version is None:
            if name not in self.names():
                raise _unknown(self._directory / "pipelines", "pipeline", name, self.names())
            return self.load_file(self._directory / "pipelines" / f"{name}.yaml")
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
        if broken:
            raise broken[0]
        raise _unknown(self._directory, f"version of pipeline '{name}'", version, tuple(dict.fromkeys(known)))

    def pin(self, name: str) -> str:
        """What a job that is submitted now records: names the current content of the pipeline for ever."""
        return self.load(name).pin

    def load_file(self, path: Path) -> PipelineTopologyConfig:
        """The pipeline in any file, checked like the others (and cached).

        Raises:
            DagsterPipelineConfigError: with file, line, field and the valid values.
        """
        if path not in self._cache:
            document = read_yaml(path)
            topology = _validated(PipelineTopologyConfig, document)
            problems = list(self._reference_problems(topology, path.stem))
            if problems:
                raise config_error(document, problems)
            self._cache[path] = topology
        return self._cache[path]

    def _candidates(self, name: str) -> Iterator[Path]:
        if name in self.names():
            yield self._directory / "pipelines" / f"{name}.yaml"
        archived = (self._directory / "versions").glob("*/*.yaml")
        yield from sorted((path for path in archived if path.stem == name), reverse=True)

    def _reference_problems(self, topology: PipelineTopologyConfig, stem: str) -> Iterator[Problem]:
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
            if stage.policy not in self._policies:
                yield Problem(("stages", index, "policy"), f"policy '{stage.policy}' is unknown", _sorted(self._policies))


def _validated(model: type[M], document: YamlDocument) -> M:
    try:
        return model.model_validate(document.value)
    except ValidationError as error:
        raise config_error(document, problems_of(error, model)) from error


def _unknown(path: Path, what: str, name: str, valid: tuple[str, ...]) -> DagsterPipelineConfigError:
    return file_error(path, f"there is no {what} '{name}'", remedy=f"There are: {', '.join(valid) or 'none'}.", valid=valid)


def _sorted(names: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted(names))
