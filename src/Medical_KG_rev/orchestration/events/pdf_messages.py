"""The messages by which PDF workers on several machines hear of files that wait.

A message is a hint, nothing more: the ledger's table says which files wait and who reads which. So a message that comes twice,
late or never changes nothing but how soon somebody looks.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from Medical_KG_rev.orchestration.events.kafka_client import kafka_library, open_client
from Medical_KG_rev.orchestration.events.places import KafkaTopic

GROUP = "medkg-pdf"
"""The consumer group of all PDF workers: each message wakes one of them."""
LISTEN_SECONDS = 0.5
"""How long a worker that is told to stop may go on listening."""
MESSAGES_AT_ONCE = 500


class PdfMessages:
    """Listens on the topic of queued PDFs. Brokers that are away, and a topic that is not there yet, are waited for.

    For one thread. Close it: the group then knows at once that this member has left.

    Raises:
        PartUnavailableError: the Kafka client is not installed.
        ConfigurationError: an option that the library does not take.
    """

    def __init__(self, place: KafkaTopic) -> None:
        config = {
            "group.id": GROUP,
            "auto.offset.reset": "latest",  # whatever was queued before stands in the table
            "enable.auto.commit": True,
            "topic.metadata.refresh.interval.ms": 2000,
            "session.timeout.ms": 10_000,
            "fetch.wait.max.ms": 100,
        }
        self._consumer: Any = open_client(kafka_library().Consumer, place, config)
        self._consumer.subscribe([place.name])

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Until a message comes (True), so many seconds have passed, or ``stop`` is set."""
        deadline = time.monotonic() + seconds
        while not stop.is_set() and (left := deadline - time.monotonic()) > 0:
            if self.heard(min(left, LISTEN_SECONDS)):
                return True
        return False

    def heard(self, seconds: float) -> bool:
        """Whether a message came within so many seconds; takes all that are there."""
        message = self._consumer.poll(seconds)
        if message is None or message.error() is not None:
            return False
        self._consumer.consume(MESSAGES_AT_ONCE, 0)
        return True

    def close(self) -> None:
        """Leaves the group."""
        self._consumer.close()
