"""What ops are given. The composition root's parts come in as a :class:`Parts`, opened when the first run needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from dagster import InitResourceContext, ResourceDefinition

from Medical_KG_rev.orchestration.ledger import Ledger
from Medical_KG_rev.orchestration.stages.runner import StageRunner


class Parts(Protocol):
    """The parts of a platform that a run needs."""

    @property
    def adapters(self) -> Any:
        """The adapters by source: the plugin manager."""
        ...

    @property
    def ledger(self) -> Ledger:
        """Where every document's way is recorded."""
        ...

    @property
    def components(self) -> Any:
        """The Haystack components: chunker, embedder, index writer."""
        ...

    @property
    def runner(self) -> StageRunner:
        """What ops call."""
        ...


def plugin_manager_resource(open_parts: Callable[[], Parts]) -> ResourceDefinition:
    """The adapters that are installed."""
    return _resource(lambda: open_parts().adapters, "Adapters by source.")


def job_ledger_resource(open_parts: Callable[[], Parts]) -> ResourceDefinition:
    """The job ledger."""
    return _resource(lambda: open_parts().ledger, "Jobs, stage attempts and artifacts.")


def haystack_pipeline_resource(open_parts: Callable[[], Parts]) -> ResourceDefinition:
    """Chunker, embedder and index writer."""
    return _resource(lambda: open_parts().components, "Haystack components.")


def stage_runner_resource(open_parts: Callable[[], Parts]) -> ResourceDefinition:
    """Runs stages. When the run is over, so are its batches, however it ended."""

    def resource(_context: InitResourceContext) -> Iterator[StageRunner]:
        runner = open_parts().runner
        try:
            yield runner
        finally:
            runner.close_all()

    return ResourceDefinition(resource, description="Runs one stage of a batch.")


def build_resources(open_parts: Callable[[], Parts]) -> dict[str, ResourceDefinition]:
    """All resources by the keys that jobs name."""
    return {
        "plugin_manager": plugin_manager_resource(open_parts),
        "job_ledger": job_ledger_resource(open_parts),
        "haystack_pipeline": haystack_pipeline_resource(open_parts),
        "stage_runner": stage_runner_resource(open_parts),
    }


def _resource(give: Callable[[], Any], description: str) -> ResourceDefinition:
    def resource(_context: InitResourceContext) -> Any:
        return give()

    return ResourceDefinition(resource, description=description)
