"""The AsyncAPI document of the channels, made from the schemas.

``python -m Medical_KG_rev.orchestration.events.asyncapi docs`` writes it below a documentation folder.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

from Medical_KG_rev.orchestration.events.envelope import CONTENT_TYPE, to_kafka_message
from Medical_KG_rev.orchestration.events.examples import example_events
from Medical_KG_rev.orchestration.events.model import Event
from Medical_KG_rev.orchestration.events.pdf_messages import GROUP
from Medical_KG_rev.orchestration.events.places import KafkaTopic
from Medical_KG_rev.orchestration.events.schemas import Schema, attributes_schema, data_schema
from Medical_KG_rev.orchestration.events.types import PDF_QUEUE_TOPIC, PDF_REQUESTED, TOPIC, cloudevent_type

DOCUMENT_FILE = Path("asyncapi.yaml")

_HEAD = "# Made by `make generate` from the schemas in orchestration/events/schemas; change those.\n"
_BINDING_VERSION = "0.5.0"
_DESCRIPTION = (
    "CloudEvents 1.0 about every job, every stage of every document, batches and configuration.\n\n"
    "Kafka's binary content mode: attributes are headers (`ce_…`), the message's value is the data as JSON. Delivered at least "
    "once, and in order for each key: drop events whose id was seen before. Fields and types may be added; ignore those you do "
    "not know."
)

_QUEUE_DESCRIPTION = (
    "PDFs that wait for an engine. A message is a hint: the ledger's queue says which files wait and who reads which, so that a "
    "message that is repeated, late or lost loses no file and has none read twice."
)


def asyncapi_document() -> dict[str, Any]:
    """The document (AsyncAPI 3.0.0) as plain data."""
    examples = example_events()
    names, queued = [_camel(event.type) for event in examples], [_camel(PDF_REQUESTED)]
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Events of Medical_KG_rev", "version": "1.0.0", "description": _DESCRIPTION},
        "defaultContentType": CONTENT_TYPE,
        "channels": {
            "orchestrationEvents": _channel(TOPIC, names, "Everything that happens."),
            "pdfQueue": _channel(PDF_QUEUE_TOPIC, queued, _QUEUE_DESCRIPTION),
        },
        "operations": {
            "publishOrchestrationEvents": _operation(
                "send", "orchestrationEvents", names, "The relay publishes what the ledger has written."
            ),
            "requestPdf": _operation("send", "pdfQueue", queued, "The relay publishes the same message here, too."),
            "hearOfPdf": _operation(
                "receive", "pdfQueue", queued, f"PDF workers (consumer group `{GROUP}`) look into the ledger's queue."
            ),
        },
        "components": {
            "messages": {name: _message(name, event) for name, event in zip(names, examples, strict=True)},
            "schemas": {
                "Headers": _headers_schema(),
                **{name: _embedded(data_schema(event.type)) for name, event in zip(names, examples, strict=True)},
            },
        },
    }


def asyncapi_text() -> str:
    """The document as YAML."""
    document = yaml.safe_dump(asyncapi_document(), sort_keys=False, allow_unicode=True, width=120)
    return _HEAD + document


def is_stale(docs: Path) -> bool:
    """Whether the file below a documentation folder differs from what would be written now."""
    path = docs / DOCUMENT_FILE
    return not path.is_file() or path.read_text(encoding="utf-8") != asyncapi_text()


def write_document(docs: Path) -> bool:
    """Writes the file if it is stale; whether it was."""
    stale = is_stale(docs)
    if stale:
        (docs / DOCUMENT_FILE).write_text(asyncapi_text(), encoding="utf-8")
    return stale


def _channel(topic: str, names: list[str], description: str) -> dict[str, Any]:
    defaults = KafkaTopic(bootstrap_servers="")
    return {
        "address": topic,
        "description": f"{description} Partitions, replicas and retention are what the topic is created with by default.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {
            "kafka": {
                "topic": topic,
                "partitions": defaults.partitions,
                "replicas": defaults.replication_factor,
                "topicConfiguration": {"cleanup.policy": ["delete"], "retention.ms": defaults.retention_ms},
                "bindingVersion": _BINDING_VERSION,
            }
        },
    }


def _operation(action: str, channel: str, names: list[str], summary: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names],
    }


def _message(name: str, event: Event) -> dict[str, Any]:
    message = to_kafka_message(event)
    headers = {header: value.decode() for header, value in message.headers.items()}
    return {
        "name": cloudevent_type(event.type),
        "title": event.type,
        "summary": data_schema(event.type)["description"],
        "contentType": CONTENT_TYPE,
        "headers": {"$ref": "#/components/schemas/Headers"},
        "payload": {"$ref": f"#/components/schemas/{name}"},
        "correlationId": {"location": "$message.header#/ce_correlationid"},
        "bindings": {"kafka": {"key": {"type": "string"}, "bindingVersion": _BINDING_VERSION}},
        "examples": [{"name": name, "headers": headers, "payload": dict(event.data)}],
    }


def _headers_schema() -> Schema:
    attributes = attributes_schema()
    properties = {f"ce_{name}": schema for name, schema in attributes["properties"].items()}
    properties["content-type"] = {"type": "string", "const": CONTENT_TYPE}
    required = [*(f"ce_{name}" for name in attributes["required"]), "content-type"]
    return {**_embedded(attributes), "title": "Headers", "properties": properties, "required": required}


def _embedded(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key != "$schema"}


def _camel(kind: str) -> str:
    return "".join(word.capitalize() for word in kind.split("."))


if __name__ == "__main__":
    if write_document(Path(sys.argv[1])):
        sys.stdout.write(f"{Path(sys.argv[1]) / DOCUMENT_FILE}\n")
