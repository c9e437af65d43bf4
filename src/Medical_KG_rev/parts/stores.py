"""What a profile keeps things in: ledger, objects, events, graph and models, each opened when it is first used."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from Medical_KG_rev.orchestration.events.factory import CloudEventFactory
from Medical_KG_rev.orchestration.ledger import Ledger
from Medical_KG_rev.settings import Settings
from Medical_KG_rev.storage import FilesystemObjectStore, ObjectStore

if TYPE_CHECKING:
    from Medical_KG_rev.observability.metrics import Metrics
    from Medical_KG_rev.observability.scrub import Scrubber
    from Medical_KG_rev.orchestration.events.places import EventPlace
    from Medical_KG_rev.orchestration.events.relay import OutboxRelay
    from Medical_KG_rev.orchestration.events.sink import EventSink
    from Medical_KG_rev.orchestration.ledger.ends import JobEnd
    from Medical_KG_rev.text import ModelStore


class StoreParts:
    """The stores of one process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @property
    def data_dir(self) -> Path:
        """Where everything is kept."""
        return self.settings.data_dir

    @cached_property
    def scrubber(self) -> Scrubber:
        """Takes the secrets of these settings, and what looks like one, out of texts."""
        from Medical_KG_rev.observability.scrub import Scrubber

        return Scrubber(self.settings.secrets())

    @cached_property
    def metrics(self) -> Metrics:
        """What this process reports of itself."""
        from Medical_KG_rev.observability.metrics import Metrics

        return Metrics()

    @cached_property
    def ledger(self) -> Ledger:
        """The job ledger: SQLite in the data folder, or PostgreSQL where an address is given."""
        self._check_formats()
        settings = self.settings.database
        location = settings.url.get_secret_value() or self.data_dir / "ledger.db"
        events = CloudEventFactory(time.time, scrub=lambda message: self.scrubber.text(message))  # noqa: PLW0108 - made for the first message
        options = {"pool_size": settings.pool_size, "patience_seconds": settings.patience_seconds}
        ledger = Ledger.open(location, time.time, events, **options)
        ledger.ends.listen(self._count_end)
        return ledger

    def _count_end(self, end: JobEnd) -> None:
        self.metrics.know(pipelines=[end.pipeline_name])
        self.metrics.job_finished(end.pipeline_name, end.status, end.seconds)

    @cached_property
    def store(self) -> ObjectStore:
        """Artifacts and payloads."""
        self._check_formats()
        settings = self.settings.object_store
        if self.settings.object_store_kind == "filesystem":
            return FilesystemObjectStore(self.data_dir / "objects")
        from Medical_KG_rev.storage.s3 import S3ObjectStore

        return S3ObjectStore(
            endpoint_url=settings.endpoint_url,
            bucket=settings.bucket,
            access_key=settings.access_key.get_secret_value(),
            secret_key=settings.secret_key.get_secret_value(),
            region=settings.region,
            prefix=settings.prefix,
            create_bucket=settings.create_bucket,
        )

    @property
    def event_place(self) -> EventPlace:
        """Where CloudEvents go."""
        from Medical_KG_rev.orchestration.events.places import KafkaTopic, LogFolder
        from Medical_KG_rev.orchestration.events.types import PDF_REQUESTED

        events = self.settings.events
        if self.settings.event_sink == "log":
            return LogFolder(self.data_dir / "events")
        return KafkaTopic(
            events.bootstrap_servers,
            events.topic,
            partitions=events.partitions,
            replication_factor=events.replication_factor,
            retention_ms=int(events.retention_hours * 3_600_000),
            options=events.client_options(),
            copies={PDF_REQUESTED: events.pdf_queue_topic},
        )

    @cached_property
    def event_sink(self) -> EventSink:
        """What publishes CloudEvents; opens at the first."""
        from Medical_KG_rev.orchestration.events.sink import open_event_sink

        return open_event_sink(self.event_place)

    @cached_property
    def relay(self) -> OutboxRelay:
        """Brings events from the outbox to the sink."""
        from Medical_KG_rev.orchestration.events.relay import OutboxRelay

        ledger = self.ledger
        return OutboxRelay(
            ledger.outbox,
            self.event_sink,
            clock=time.time,
            sleep=time.sleep,
            exclusive=lambda: ledger.database.exclusive("relay"),
        )

    @cached_property
    def models(self) -> ModelStore:
        """Model artefacts."""
        from Medical_KG_rev.text import ModelStore

        return ModelStore(self.settings.model_root, builders={"lexicon": _build_lexicon})

    def _check_formats(self) -> None:
        from Medical_KG_rev import __version__
        from Medical_KG_rev.storage.formats import check_formats

        if self.data_dir.exists():
            check_formats(self.data_dir, __version__)


def _build_lexicon(files: Mapping[str, Path], target: Path, say: Callable[[str], None]) -> None:
    from Medical_KG_rev.extraction.lexicon.builder import build_lexicon

    build_lexicon(files, target, say)


@dataclass(frozen=True, slots=True)
class LedgerArchive:
    """Keeps pinned texts in the ledger, which is opened when the first is put or wanted."""

    parts: StoreParts

    def put(self, name: str, pin: str, text: str) -> None:
        self.parts.ledger.topologies.put(name, pin, text)

    def get(self, name: str, pin: str) -> str | None:
        return self.parts.ledger.topologies.get(name, pin)
