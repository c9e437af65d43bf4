"""A small world for the orchestration: toy stages that fail on command, a ledger and objects on disk, time that is counted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from Medical_KG_rev.errors import DagsterStageTimeoutError, MalformedPayloadError
from Medical_KG_rev.models import (
    AdapterRequest,
    Chunk,
    Claim,
    Document,
    EmbeddingBatch,
    Entity,
    EntityType,
    GraphWriteReceipt,
    IndexReceipt,
    ListedRecord,
    ListingPage,
    Outcome,
    RawPayload,
    StageContext,
)
from Medical_KG_rev.models.pdf import STORED_FORMAT, PdfAsset, StoredPdf
from Medical_KG_rev.observability.metrics import Metrics
from Medical_KG_rev.orchestration.artifacts import ArtifactPart
from Medical_KG_rev.orchestration.gate_ticks import GateTicker
from Medical_KG_rev.orchestration.ledger import Batch, Ledger
from Medical_KG_rev.orchestration.ledger.gate_arrivals import GateRule
from Medical_KG_rev.orchestration.ledger.workers import WorkerRegistration
from Medical_KG_rev.orchestration.pipeline import Pipeline, StagePlan, assemble
from Medical_KG_rev.orchestration.products import DOCUMENT
from Medical_KG_rev.orchestration.session import IngestSession
from Medical_KG_rev.orchestration.stages.report import StageReport
from Medical_KG_rev.orchestration.stages.runner import StageRunner
from Medical_KG_rev.orchestration.submission import IdFactory, SubmissionParts
from Medical_KG_rev.parsing.builder import DocumentBuilder
from Medical_KG_rev.settings import BatchSettings
from Medical_KG_rev.storage import FilesystemObjectStore

PLANS = (
    StagePlan("ingest", "ingest", "default", (), {}),
    StagePlan("parse", "parse", "default", ("ingest",), {}),
    StagePlan("ir_validation", "ir_validation", "default", ("parse",), {}),
    StagePlan("chunk", "chunk", "default", ("ir_validation",), {}),
    StagePlan("embed", "embed", "default", ("chunk",), {}),
    StagePlan("index", "index", "default", ("embed",), {}),
    StagePlan("extract", "extract", "default", ("ir_validation",), {}),
    StagePlan("kg", "kg", "default", ("extract",), {}),
)

PDF_PLANS = (
    PLANS[0],
    StagePlan("download", "download", "default", ("ingest",), {}),
    StagePlan("ir_validation", "ir_validation", "default", ("download",), {}),
    *PLANS[3:],
)
PDF_GATE = GateRule("pdf_ir_ready", {"pdf_ir_ready": True}, 3600.0, "chunk")


def payload(name: str, text: str) -> RawPayload:
    return RawPayload(source="toy", source_id=name, format="text", content=text.encode())


@dataclass
class Stages:
    """All eight stages. A document whose text holds ``fail:<stage>`` fails there; ``log`` has every call."""

    remote: dict[str, str] = field(default_factory=dict)
    log: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    indexed: dict[str, str] = field(default_factory=dict)
    graph: dict[str, str] = field(default_factory=dict)
    errors: dict[str, Callable[[], BaseException]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    own: dict[str, Any] = field(default_factory=dict)
    """Implementations that take the place of the toys."""

    def calls(self, stage: str) -> list[tuple[str, ...]]:
        return [names for name, names in self.log if name == stage]

    def note(self, stage: str, doc_ids: Sequence[str]) -> None:
        self.log.append((stage, tuple(doc_ids)))
        if any(f"fail:{stage}" in self.texts.get(doc_id, "") for doc_id in doc_ids):
            make_error = self.errors.get(stage, lambda: MalformedPayloadError(f"{stage} cannot read it."))
            raise make_error()

    def implementations(self) -> dict[str, Any]:
        kinds = (Ingest, Parse, Validate, Cut, Embed, Index, Extract, Graph)
        return {plan.name: kind(self) for plan, kind in zip(PLANS, kinds, strict=True)} | {"download": Download(self)} | self.own


class Toy:
    fingerprint = "toy-1"

    def __init__(self, stages: Stages) -> None:
        self.stages = stages


class Ingest(Toy):
    def execute(self, ctx: StageContext, request: AdapterRequest) -> list[RawPayload]:
        self.stages.note("ingest", request.ids)
        return [payload(name, self.stages.remote[name]) for name in request.ids if name in self.stages.remote]


class Download(Toy):
    """The bytes of a toy PDF are the text of its record."""

    def execute(self, ctx: StageContext, payloads: list[RawPayload]) -> list[RawPayload]:
        self.stages.note("download", [ctx.doc_id or ""])
        [asset] = payloads
        digest = hashlib.sha256(asset.content).hexdigest()
        stored = StoredPdf(
            object_key=f"pdf/{ctx.tenant_id}/{digest}.pdf",
            sha256=digest,
            size_bytes=len(asset.content),
            asset=PdfAsset(url="file:///toy.pdf"),
            metadata={"text": asset.content.decode()},
        )
        return [msgspec.structs.replace(asset, format=STORED_FORMAT, content=msgspec.json.encode(stored))]


class Parse(Toy):
    def execute(self, ctx: StageContext, payloads: list[RawPayload]) -> Document:
        text = payloads[0].content.decode()
        doc_id = f"toy:{payloads[0].source_id.split('@')[0]}"
        self.stages.texts[doc_id] = text
        self.stages.note("parse", [doc_id])
        builder = DocumentBuilder(doc_id=doc_id, source="toy", title=text[:20])
        with builder.section():
            builder.block(text)
        return builder.build()


class Validate(Toy):
    def execute(self, ctx: StageContext, document: Document) -> Document:
        self.stages.note("ir_validation", [document.doc_id])
        return document


class Cut(Toy):
    def execute(self, ctx: StageContext, document: Document) -> list[Chunk]:
        self.stages.note("chunk", [document.doc_id])
        if "no chunks" in document.text:
            return []
        return [
            Chunk(
                chunk_id=f"{document.doc_id}:chunk:0",
                doc_id=document.doc_id,
                tenant_id=ctx.tenant_id,
                source="toy",
                title=document.title,
                text=document.text,
                start=0,
                end=len(document.text),
            )
        ]


class Embed(Toy):
    def execute(self, ctx: StageContext, chunks: list[Chunk]) -> EmbeddingBatch:
        self.stages.note("embed", [chunk.doc_id for chunk in chunks])
        return EmbeddingBatch(tuple(chunks), np.ones((len(chunks), 1), np.float32), "toy", "toy-1")


class Index(Toy):
    def execute(self, ctx: StageContext, batch: EmbeddingBatch) -> IndexReceipt:
        self.stages.note("index", ctx.documents)
        self.stages.indexed.update(ctx.versions)
        return IndexReceipt(1, {doc_id: Outcome("written", 1) for doc_id in ctx.documents})

    def live_versions(self, tenant_id: str, doc_ids: Sequence[str]) -> dict[str, str]:
        return {doc_id: self.stages.indexed[doc_id] for doc_id in doc_ids if doc_id in self.stages.indexed}


class Extract(Toy):
    def execute(self, ctx: StageContext, document: Document) -> tuple[list[Entity], list[Claim]]:
        self.stages.note("extract", [document.doc_id])
        return [Entity(id=document.doc_id, type=EntityType.TEXT, name=document.title)], []


class Graph(Toy):
    def execute(self, ctx: StageContext, entities: list[Entity], claims: list[Claim]) -> GraphWriteReceipt:
        self.stages.note("kg", ctx.documents)
        broken = [doc_id for doc_id in ctx.documents if "break:kg" in self.stages.texts[doc_id]]
        kept = [doc_id for doc_id in ctx.documents if doc_id not in broken]
        self.stages.graph.update({doc_id: ctx.versions[doc_id] for doc_id in kept})
        outcomes = {doc_id: Outcome("written", 1) for doc_id in kept}
        outcomes |= {doc_id: Outcome("failed", 0, "graph_constraint_broken", "it breaks one") for doc_id in broken}
        return GraphWriteReceipt(len(entities), 0, outcomes)

    def live_versions(self, tenant_id: str, doc_ids: Sequence[str]) -> dict[str, str]:
        return {doc_id: self.stages.graph[doc_id] for doc_id in doc_ids if doc_id in self.stages.graph}


class Retrying:
    """Three attempts, no waiting."""

    abandoned = 0

    def __init__(self, on_retry: Callable[[int, float, BaseException], None]) -> None:
        self._on_retry = on_retry

    def prepare(self, functions: Sequence[Callable[[], Any]]) -> None:
        pass

    def call(self, function: Callable[[], Any]) -> Any:
        for attempt in (1, 2, 3):
            try:
                return function()
            except DagsterStageTimeoutError as error:
                if attempt == 3:
                    raise
                self._on_retry(attempt, 0.0, error)
        raise AssertionError

    def close(self) -> None:
        pass


class Source:
    """An adapter over a list of (name, text); without text a record carries no payload."""

    name, version = "toy", "1"

    def __init__(self, records: Sequence[tuple[str, str | None]], page_size: int = 500) -> None:
        self.records = list(records)
        self.page_size = page_size

    def list_records(self, request: AdapterRequest, cursor: str | None = None) -> Iterator[ListingPage]:
        for start in range(int(cursor or 0), max(len(self.records), 1), self.page_size):
            end = start + self.page_size
            yield ListingPage(
                records=tuple(
                    ListedRecord(
                        source_id=name,
                        doc_id=f"toy:{name.split('@')[0]}",
                        payload=payload(name, text) if text is not None else None,
                    )
                    for name, text in self.records[start:end]
                ),
                next_cursor=str(end) if end < len(self.records) else None,
                total=len(self.records),
            )

    def fetch(self, request: AdapterRequest) -> list[RawPayload]:
        raise AssertionError("the ingest stage fetches")


class World:
    """Everything that an ingest needs, without Dagster: batches run stage by stage."""

    source = Source

    def __init__(
        self,
        folder: Path,
        worker: str = "w1",
        *,
        plans: Sequence[StagePlan] = PLANS,
        gates: Sequence[GateRule] = (),
        **settings: Any,
    ) -> None:
        self.plans, self.gates = plans, gates
        self.at_rest: Callable[[], None] = lambda: None
        """Called whenever the session waits: what others do meanwhile."""
        self.now = 1_800_000_000.0
        self.folder = folder
        self.stages = Stages()
        self.ledger = Ledger.open(folder / "ledger.db", self.clock)
        self.store = FilesystemObjectStore(folder / "objects")
        self.registration = WorkerRegistration(self.ledger, folder / "workers", worker, self.now)
        self.reports: list[StageReport] = []
        self.events: list[dict[str, Any]] = []
        self.metrics = Metrics()
        self.settings = BatchSettings(**settings)
        self.runner = self.new_runner()
        self.session = self.new_session()

    def clock(self) -> float:
        self.now += 0.001
        return self.now

    @property
    def pipeline(self) -> Pipeline:
        return assemble("auto", "1.0", self.plans, self.stages.implementations(), self.gates)

    def new_runner(self) -> StageRunner:
        return StageRunner(
            ledger=self.ledger,
            store=self.store,
            settings=self.settings,
            pipeline_for=lambda _name, _version: self.pipeline,
            pin_callers=lambda: lambda _policy, _stage, on_retry: Retrying(on_retry),
            clock=self.clock,
            worker=self.registration.token,
            document_key=lambda _doc_id, stored: f"document:{stored['sha256'][:40]}",
        )

    def tick(self) -> int:
        """What a resident worker does between two batches."""
        ticker = GateTicker(self.ledger, self.rule, size=self.settings.size, new_id=IdFactory(self.clock), metrics=self.metrics)
        return ticker.tick()

    def rule(self, _name: str, _version: str, gate: str) -> GateRule | None:
        return next((rule for rule in self.gates if rule.name == gate), None)

    def read_pdf(self, worker: str = "reader") -> str | None:
        """Does what a PDF worker does for one file; its job, None where no file waits."""
        task = self.ledger.pdfs.lease(worker, 60.0)
        if task is None:
            return None
        text = str(task.stored["metadata"]["text"])
        self.stages.texts[task.doc_id] = text
        builder = DocumentBuilder(doc_id=task.doc_id, source="toy", title=text[:20])
        with builder.section():
            builder.block(text)
        part = ArtifactPart(self.store, task.tenant_id, f"pdf/{task.job_id}", self.clock)
        key = f"document:{task.sha256[:40]}"
        part.add(DOCUMENT, builder.build(), key=key, stage="parse", doc_id=task.doc_id)
        [row] = part.write()
        self.ledger.pdfs.finish(task, row)
        return task.job_id

    def new_session(self) -> IngestSession:
        parts = SubmissionParts(self.ledger, self.store, self.clock, IdFactory(self.clock), self.registration.token)
        return IngestSession(
            parts,
            self.settings.size,
            self.run_batch,
            self.events.append,
            tick_gates=self.tick,
            is_before_gate=lambda _job, stage: any(each.name == stage for each in self.pipeline.stages),
            sleep=self.sleep,
        )

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.at_rest()

    def run_batch(self, batch: Batch) -> None:
        for stage in self.pipeline.of_part(batch.part).stages:
            self.reports.append(self.runner.run_stage(batch.batch_id, stage.name, "run-1"))
        self.runner.close(batch.batch_id)

    def ingest(self, records: Sequence[tuple[str, str | None]], source: Source | None = None, **options: Any) -> dict[str, Any]:
        request = AdapterRequest(source="toy", query=options.pop("query", "all"))
        return self.session.ingest(request, self.pipeline, source or Source(records), **options)

    def close(self) -> None:
        self.registration.close()
        self.ledger.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make(**options: Any) -> World:
        made.append(World(tmp_path, **options))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
def plans() -> tuple[StagePlan, ...]:
    return PLANS


@pytest.fixture
def pdf_plans() -> tuple[StagePlan, ...]:
    return PDF_PLANS


@pytest.fixture
def gated(make_world: Callable[..., World]) -> World:
    """A world whose pipeline has a gate."""
    return make_world(plans=PDF_PLANS, gates=(PDF_GATE,))


@pytest.fixture
def make_source() -> type[Source]:
    return Source
