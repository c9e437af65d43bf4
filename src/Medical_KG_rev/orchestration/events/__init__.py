"""CloudEvents about jobs, stages, batches and configuration: their factory, their relay and where they go."""

from Medical_KG_rev.orchestration.events.factory import CloudEventFactory
from Medical_KG_rev.orchestration.events.model import Event, EventSubject
from Medical_KG_rev.orchestration.events.types import EVENT_TYPES, TOPIC

__all__ = ["EVENT_TYPES", "TOPIC", "CloudEventFactory", "Event", "EventSubject"]
