"""Events as CloudEvents 1.0: the library's object, its JSON format, its Kafka messages.

Attributes: ``id``, ``type`` (``com.medical-kg.stage.completed.v1``), ``source`` (``orchestration/{stage}``,
``orchestration/ledger``, ``orchestration/config``), ``subject`` (the document id, the source's own id while that is unknown; a
batch's id; a configuration file), ``time``, ``datacontenttype``, and as extensions ``tenantid``, ``jobid``, ``batchid``,
``correlationid``, ``traceparent`` (CloudEvents' distributed tracing extension) and ``partitionkey`` (its partitioning
extension: what orders events). An attribute without a value is absent.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, to_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from Medical_KG_rev.orchestration.events.model import Event
from Medical_KG_rev.orchestration.events.types import cloudevent_type

CONTENT_TYPE = "application/json"

_JSON = JSONFormat()
OF_JOBS = ("stage.", "job.", "gate.", "pdf.")
"""Types about one job begin with one of these."""


def to_cloudevent(event: Event) -> CloudEvent:
    """The library's object."""
    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": event.event_id,
        "type": cloudevent_type(event.type),
        "source": event.source,
        "subject": event.subject,
        "time": datetime.fromtimestamp(event.time, UTC),
        "datacontenttype": CONTENT_TYPE,
        "tenantid": event.tenant_id,
        "jobid": event.job_id if event.type.startswith(OF_JOBS) else None,
        "batchid": event.batch_id,
        "correlationid": event.correlation_id,
        "traceparent": event.traceparent,
        "partitionkey": event.job_id,
    }
    return CloudEvent({name: value for name, value in attributes.items() if value}, dict(event.data))


def to_json(event: Event) -> bytes:
    """The event in CloudEvents JSON format, on one line without its end."""
    return _JSON.write(to_cloudevent(event))


def to_kafka_message(event: Event) -> KafkaMessage:
    """The event in Kafka's binary content mode: attributes as ``ce_…`` headers, the data as value, the order key as key."""
    return to_binary(to_cloudevent(event), _JSON)


def kafka_message_to_json(headers: dict[str, bytes], key: bytes | None, value: bytes) -> bytes:
    """A message of binary content mode in CloudEvents JSON format."""
    return _JSON.write(from_binary(KafkaMessage(headers, key, value), _JSON, CloudEvent))
