"""Kafka behind TLS and a login: every client of the system gets in with the settings, and says why where it does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from lineage_receiver import BATCH
from pydantic import SecretStr
from real_servers import CACHE, require
from secured_kafka import PASSWORD, USER, SecuredKafka, authority

from Medical_KG_rev.errors import EventSinkUnavailableError
from Medical_KG_rev.health import _event_sink as look_at_event_sink
from Medical_KG_rev.orchestration.events.envelope import to_json
from Medical_KG_rev.orchestration.events.examples import example_events
from Medical_KG_rev.orchestration.events.places import KafkaTopic
from Medical_KG_rev.orchestration.events.reader import open_event_reader
from Medical_KG_rev.parts import PlatformParts
from Medical_KG_rev.services import Server
from Medical_KG_rev.settings import EventSettings, LineageSettings, Settings

pytestmark = pytest.mark.service

LOGIN = {"security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "username": USER, "password": SecretStr(PASSWORD)}


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The settings of the events with which the broker lets clients in."""
    server = Server(SecuredKafka(), tmp_path_factory.mktemp("secured") / "kafka", CACHE)
    require(server)
    server.start()
    yield {"bootstrap_servers": server.addresses["secure"], "ca_file": authority(server.folder), **LOGIN}
    server.kill()


@pytest.fixture
def open_parts(make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., PlatformParts]]:
    opened: list[PlatformParts] = []

    def make(events: dict[str, Any], **changes: Any) -> PlatformParts:
        opened.append(PlatformParts(make_settings(events=EventSettings(sink="kafka", **events), **changes)))
        return opened[-1]

    monkeypatch.setattr("Medical_KG_rev.health.KAFKA_SECONDS", 3.0)
    yield make
    for parts in opened:
        parts.close()


def test_sink_reader_doctor_and_lineage_get_in(secured: dict[str, Any], open_parts: Callable[..., PlatformParts]) -> None:
    lineage = LineageSettings(transport="kafka", topic=EventSettings().topic)
    parts = open_parts(secured, enable_openlineage=True, lineage=lineage)
    events = example_events()
    parts.event_sink.publish(events)
    read = list(open_event_reader(parts.event_place, tenant_id="default"))
    assert {each["id"] for each in read} == {json.loads(to_json(event))["id"] for event in events}
    assert "10 partitions" in look_at_event_sink(parts)
    before = messages_in(parts)
    assert parts.lineage is not None
    parts.lineage.batch_started(BATCH)
    parts.lineage.close()
    assert messages_in(parts) == before + 1


def messages_in(parts: PlatformParts) -> int:
    """On the topic, by a client that knows nothing of this project but the options."""
    place = parts.event_place
    assert isinstance(place, KafkaTopic)
    consumer = Consumer({"bootstrap.servers": place.bootstrap_servers, "group.id": "outside", **place.options})
    try:
        ends = [consumer.get_watermark_offsets(TopicPartition(place.name, each), timeout=10) for each in range(place.partitions)]
        return sum(high for _low, high in ends)
    finally:
        consumer.close()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"password": SecretStr("wrong")}, "uthentication failed"),
        ({"ca_file": None}, "certificate verify failed"),
    ],
)
def test_who_is_not_let_in_is_told_why(
    secured: dict[str, Any], open_parts: Callable[..., PlatformParts], wrong: dict[str, Any], reason: str
) -> None:
    parts = open_parts({**secured, **wrong})
    with pytest.raises(EventSinkUnavailableError, match=reason) as refused:
        look_at_event_sink(parts)
    assert "MK_EVENTS__" in refused.value.remedy
    assert PASSWORD not in str(refused.value)
