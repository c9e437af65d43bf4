"""Apache Kafka: one broker that is its own controller (KRaft)."""

from __future__ import annotations

import base64
import signal
import uuid
from pathlib import Path

from Medical_KG_rev.errors import ServiceStartError
from Medical_KG_rev.services.jars import class_path, java_command
from Medical_KG_rev.services.process import run_once
from Medical_KG_rev.services.programs import java, require_module
from Medical_KG_rev.services.recipe import Place

__all__ = ["Kafka"]

COORDINATES = ("org.apache.kafka:kafka_2.13:4.1.2", "org.slf4j:slf4j-simple:1.7.36")
_OPTIONS = ("-Xms256m", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
_ASK_SECONDS = 1.0
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{controller}
listeners=PLAINTEXT://{broker},CONTROLLER://{controller}
advertised.listeners=PLAINTEXT://{broker}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
# A broker that was killed is let in again after its session has ended: 3 s instead of 12 s.
broker.heartbeat.interval.ms=300
broker.session.timeout.ms=1500
"""


class Kafka:
    """A genuine broker: transactions, consumer groups and what survives a crash are real; replication needs more nodes."""

    name = "kafka"
    port_names = ("broker", "controller")
    secret_names = ()
    stop_signal = signal.SIGTERM
    grace_seconds = 20.0

    def fetch(self, cache: Path) -> None:
        require_module("confluent_kafka", "kafka", self.name)
        java(self.name)
        class_path(COORDINATES, cache, self.name)

    def prepare(self, place: Place) -> None:
        properties = _write_properties(place)
        if not run_once(
            _java(place, "kafka.tools.StorageTool", "format", "-t", _cluster_id(), "-c", properties), place.folder, place.log
        ):
            raise ServiceStartError(
                "Kafka could not format its data folder.", remedy=f"Read {place.log}.", service=self.name, log=str(place.log)
            )

    def command(self, place: Place) -> list[str]:
        return _java(place, "kafka.Kafka", _write_properties(place))

    def is_ready(self, place: Place) -> bool:
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        asked = AdminClient({"bootstrap.servers": place.address("broker"), "log_level": 0})
        try:
            return bool(asked.list_topics(timeout=_ASK_SECONDS).brokers)
        except KafkaException:
            return False

    def furnish(self, place: Place) -> None:
        """Nothing: topics are made by those who write to them."""

    def tidy(self, place: Place) -> None:
        """Nothing: all that it writes is in its folder."""

    def environment(self, place: Place) -> dict[str, str]:
        return {"MK_EVENTS__BOOTSTRAP_SERVERS": place.address("broker")}


def _java(place: Place, main: str, *arguments: str) -> list[str]:
    archives = class_path(COORDINATES, place.cache, "kafka")
    return java_command(java("kafka"), _OPTIONS, archives, place, (main, *arguments))


def _write_properties(place: Place) -> str:
    path = place.folder / "server.properties"
    text = _PROPERTIES.format(broker=place.address("broker"), controller=place.address("controller"), data=place.data)
    path.write_text(text, encoding="utf-8")
    return str(path)


def _cluster_id() -> str:
    """As Kafka's own tool makes it: 16 random bytes, URL-safe base64; a leading dash would read as an option."""
    while (drawn := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")).startswith("-"):
        pass
    return drawn
