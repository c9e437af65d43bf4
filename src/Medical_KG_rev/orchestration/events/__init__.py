"""CloudEvents about jobs, stages, batches and configuration: their factory, their relay and where they go."""

from Medical_KG_rev.orchestration.events.model import Event

__all__ = ["Event"]
