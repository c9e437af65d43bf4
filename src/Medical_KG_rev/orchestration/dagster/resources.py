"""What ops are given. The composition root's parts come in as a :class:`Parts`, opened when the first run needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from dagster import InitResourceContext, ResourceDefinition

from Medical_KG_rev.orchestration.gate_ticks import GateTicker
from Medical_KG_rev.orchestration.ledger import Ledger
from Medical_KG_rev.orchestration.stages.runner import StageRunner

Beside = Callable[[], AbstractContextManager[Any]]
"""Opens what goes on beside a run in its process, and ends it with the run."""

nothing_beside: Beside = nullcontext


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
    def event_sink(self) -> Any:
        """What publishes CloudEvents: Kafka or the local log. Only the relay gives it events, from the outbox."""
        ...

    @property
    def metrics(self) -> Any:
        """What this process reports of itself."""
        ...

    @property
    def runner(self) -> StageRunner:
        """What ops call."""
        ...

    @property
    def gates(self) -> GateTicker:
        """Lets jobs through gates."""
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


def kafka_resource(open_parts: Callable[[], Parts]) -> ResourceDefinition:
    """Where CloudEvents go: Kafka, or the local log in the profile that has no Kafka.

    For ops of one's own that look at the sink. The stages write their events to the outbox, with the change that each tells of;
    what is published here directly would be lost with a transaction that fails.
    """
    return _resource(lambda: open_parts().event_sink, "Where CloudEvents go: Kafka or the local log.")


def stage_runner_resource(open_parts: Callable[[], Parts], beside: Beside = nothing_beside) -> ResourceDefinition:
    """Runs stages. While the run lasts, ``beside`` keeps its lease; when it is over, so are its batches, however it ended."""

    def resource(_context: InitResourceContext) -> Iterator[StageRunner]:
        runner = open_parts().runner
        with beside():
            try:
                yield runner
            finally:
                runner.close_all()

    return ResourceDefinition(resource, description="Runs one stage of a batch.")


def build_resources(open_parts: Callable[[], Parts], beside: Beside = nothing_beside) -> dict[str, ResourceDefinition]:
    """All resources by the keys that jobs name."""
    return {
        "plugin_manager": plugin_manager_resource(open_parts),
        "job_ledger": job_ledger_resource(open_parts),
        "haystack_pipeline": haystack_pipeline_resource(open_parts),
        "kafka": kafka_resource(open_parts),
        "stage_runner": stage_runner_resource(open_parts, beside),
    }


def _resource(give: Callable[[], Any], description: str) -> ResourceDefinition:
    def resource(_context: InitResourceContext) -> Any:
        return give()

    return ResourceDefinition(resource, description=description)
