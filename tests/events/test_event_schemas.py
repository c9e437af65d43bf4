"""Every event that the factory can make fits its schema, and the AsyncAPI document is made from those schemas."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.orchestration.events import EVENT_TYPES, TOPIC, CloudEventFactory, Event, EventSubject
from Medical_KG_rev.orchestration.events.asyncapi import asyncapi_document, asyncapi_text, is_stale, write_document
from Medical_KG_rev.orchestration.events.envelope import to_json, to_kafka_message
from Medical_KG_rev.orchestration.events.examples import example_events
from Medical_KG_rev.orchestration.events.schemas import attributes_schema, data_schema
from Medical_KG_rev.orchestration.events.types import PDF_QUEUE_TOPIC

pytestmark = pytest.mark.component

DOCS = Path(__file__).resolve().parents[2] / "docs"


def strict(schema: dict[str, Any]) -> Any:
    """As published the schemas let fields be added; what we write ourselves has none but those of the schema."""
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator({**schema, "additionalProperties": False}, format_checker=jsonschema.FormatChecker())


DATA = {kind: strict(data_schema(kind)) for kind in EVENT_TYPES}
ATTRIBUTES = strict(attributes_schema())

names = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)
words = st.from_regex(r"\A[a-z][a-z0-9_]{0,20}\Z")
counts = st.integers(0, 10**9)
ordinals = st.integers(1, 10**6)
durations = st.floats(0, 1e9)
times = st.floats(0, 4e9)
traces = st.from_regex(r"\A00-[0-9a-f]{32}-[0-9a-f]{16}-01\Z")
messages = st.text(max_size=3000)
maybe = names | st.none()
subjects = st.builds(EventSubject, names, names, maybe, maybe, maybe, traces | st.none())

ARGUMENTS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "stage_started": {"attempt": ordinals},
    "stage_completed": {
        "attempt": ordinals,
        "duration_ms": durations,
        "output_count": counts | st.none(),
        "gpu_used": st.booleans(),
        "retry_count": counts,
        "skipped": st.booleans(),
    },
    "stage_failed": {"attempt": ordinals, "code": words, "message": messages, "retry_count": counts, "reason": words},
    "stage_retrying": {"attempt": ordinals, "attempt_number": ordinals, "backoff_ms": durations, "reason": words},
    "job_queued": {
        "pipeline_name": names,
        "pipeline_version": names,
        "priority": st.sampled_from(["low", "normal", "high"]),
        "occurrence": ordinals,
    },
    "job_completed": {"duration_ms": durations, "chunks": counts, "entities": counts, "claims": counts},
    "job_unchanged": {"duration_ms": durations, "occurrence": ordinals},
    "job_failed": {"stage": maybe, "code": words, "message": messages},
    "job_cancelled": {"stage": maybe},
    "job_dead": {"stage": maybe, "code": words, "message": messages},
    "job_stuck": {"stage": maybe, "worker": maybe},
    "job_retried": {"from_stage": maybe, "reason": words},
    "batch_created": {"pipeline_name": names, "pipeline_version": names, "jobs": ordinals},
    "batch_leased": {"worker": names, "epoch": ordinals, "lease_seconds": durations},
    "batch_completed": {
        "epoch": ordinals,
        "duration_ms": durations,
        "completed": counts,
        "unchanged": counts,
        "failed": counts,
    },
    "batch_lost": {"worker": maybe, "epoch": ordinals},
    "gate_waiting": {
        "gate": words,
        "condition": st.dictionaries(words, st.booleans(), max_size=3),
        "deadline": times,
        "occurrence": ordinals,
    },
    "gate_passed": {"gate": words, "waited_ms": durations, "occurrence": ordinals},
    "gate_opened": {"gate": words, "waited_ms": durations, "reason": messages, "occurrence": ordinals},
    "gate_expired": {"gate": words, "waited_ms": durations, "occurrence": ordinals},
    "pdf_requested": {
        "doc_id": names,
        "dataset": words,
        "object_key": names,
        "sha256": st.from_regex(r"\A[0-9a-f]{64}\Z"),
        "size_bytes": counts,
        "occurrence": ordinals,
    },
    "config_reloaded": {"file": names, "digest": names, "changed_at": times},
    "config_rejected": {"file": names, "digest": names, "changed_at": times, "code": words, "message": messages},
}


@st.composite
def events(draw: st.DrawFn) -> Event:
    """Any event of any type."""
    method = draw(st.sampled_from(sorted(ARGUMENTS)))
    arguments = {name: draw(strategy) for name, strategy in ARGUMENTS[method].items()}
    factory = CloudEventFactory(lambda: 0.0)
    leading: list[Any] = [] if method.startswith("config") else [draw(subjects)]
    if method.startswith("stage"):
        leading.append(draw(words))
    event: Event = getattr(factory, method)(*leading, time=draw(times), **arguments)
    return event


@given(events())
def test_every_event_fits_its_schema(event: Event) -> None:
    line = json.loads(to_json(event))
    assert line.pop("datacontenttype") == "application/json"
    DATA[event.type].validate(line.pop("data"))
    ATTRIBUTES.validate(line)
    message = to_kafka_message(event)
    DATA[event.type].validate(json.loads(message.value))
    assert message.key == event.job_id


def test_every_type_is_tried_and_has_a_schema_that_says_what_each_field_is() -> None:
    assert {name.replace("_", ".", 1) for name in ARGUMENTS} == set(EVENT_TYPES)
    files = {entry.name for entry in resources.files("Medical_KG_rev.orchestration.events.schemas").iterdir()}
    assert {name for name in files if name.endswith(".json")} == {f"{kind}.json" for kind in (*EVENT_TYPES, "attributes")}
    for schema in (attributes_schema(), *(data_schema(kind) for kind in EVENT_TYPES)):
        assert schema["description"]
        assert all(field["description"] for field in schema["properties"].values())


def test_a_schema_refuses_what_lacks_a_field() -> None:
    for event in example_events():
        for field in event.data:
            lacking = {name: value for name, value in event.data.items() if name != field}
            assert not DATA[event.type].is_valid(lacking), f"{event.type} without {field}"


def test_the_document_is_current() -> None:
    assert not is_stale(DOCS), "run `make generate`"


def test_the_document_is_written_only_when_stale(tmp_path: Path) -> None:
    assert write_document(tmp_path)
    assert not write_document(tmp_path)
    (tmp_path / "asyncapi.yaml").write_text("asyncapi: 2.6.0\n")
    assert is_stale(tmp_path)
    assert write_document(tmp_path)


def test_b7_channel_messages_bindings_and_schemas() -> None:
    document = yaml.safe_load((DOCS / "asyncapi.yaml").read_text(encoding="utf-8"))
    assert document["asyncapi"] == "3.0.0"
    channel, queue = (document["channels"][name] for name in ("orchestrationEvents", "pdfQueue"))
    assert (channel["address"], queue["address"]) == (TOPIC, PDF_QUEUE_TOPIC)
    kafka = channel["bindings"]["kafka"]
    assert kafka["partitions"] >= 1
    assert kafka["topicConfiguration"]["retention.ms"] > 0
    assert {"StageStarted", "StageCompleted", "StageFailed", "StageRetrying"} <= set(channel["messages"])
    assert len(channel["messages"]) == len(EVENT_TYPES)
    operation = document["operations"]["publishOrchestrationEvents"]
    assert operation["action"] == "send"
    assert len(operation["messages"]) == len(EVENT_TYPES)
    assert set(queue["messages"]) == {"PdfRequested"}
    assert {name: each["action"] for name, each in document["operations"].items() if "pdfQueue" in each["channel"]["$ref"]} == {
        "requestPdf": "send",
        "hearOfPdf": "receive",
    }


def test_every_reference_of_the_document_leads_somewhere() -> None:
    document = asyncapi_document()

    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if "$ref" in node else []
            return own + [found for value in node.values() for found in references(value)]
        return [found for value in node for found in references(value)] if isinstance(node, list) else []

    found = references(document)
    assert len(found) > 3 * len(EVENT_TYPES)
    for reference in found:
        node: Any = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_every_example_of_the_document_fits_its_schemas() -> None:
    document = yaml.safe_load(asyncapi_text())
    schemas = document["components"]["schemas"]
    headers = strict(schemas["Headers"])
    examples = 0
    for name, message in document["components"]["messages"].items():
        for example in message["examples"]:
            strict(schemas[name]).validate(example["payload"])
            headers.validate(example["headers"])
            examples += 1
    assert examples == len(EVENT_TYPES)
