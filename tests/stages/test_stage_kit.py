"""The conformance kit of stages: right ones pass, each kind of broken promise is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

from Medical_KG_rev.errors import DagsterPipelineConfigError, StageContractError
from Medical_KG_rev.models import (
    AdapterRequest,
    Chunk,
    Claim,
    Document,
    EmbeddingBatch,
    Entity,
    GraphWriteReceipt,
    IndexReceipt,
    Outcome,
    RawPayload,
    StageContext,
)
from Medical_KG_rev.testing import ConformanceError, check_stage, samples

pytestmark = pytest.mark.unit

Spoil = Callable[[Any], Any]


def as_it_is(output: Any) -> Any:
    return output


class Stage:
    """A right stage whose output can be spoilt."""

    fingerprint = "test-1"

    def __init__(self, spoil: Spoil = as_it_is) -> None:
        self.spoil = spoil
        self.calls = 0


class Ingest(Stage):
    def execute(self, ctx: StageContext, request: AdapterRequest) -> list[RawPayload]:
        return self.spoil([msgspec.structs.replace(samples.sample_payload(), source_id=name) for name in request.ids])  # type: ignore[no-any-return]


class Parse(Stage):
    def execute(self, ctx: StageContext, payloads: list[RawPayload]) -> Document:
        return self.spoil(samples.sample_document())  # type: ignore[no-any-return]


class Validate(Stage):
    def execute(self, ctx: StageContext, document: Document) -> Document:
        return self.spoil(document)  # type: ignore[no-any-return]


class Cut(Stage):
    def execute(self, ctx: StageContext, document: Document) -> list[Chunk]:
        return self.spoil(samples.sample_chunks())  # type: ignore[no-any-return]


class Embed(Stage):
    def execute(self, ctx: StageContext, chunks: list[Chunk]) -> EmbeddingBatch:
        return self.spoil(samples.sample_embeddings())  # type: ignore[no-any-return]


class Extract(Stage):
    def execute(self, ctx: StageContext, document: Document) -> tuple[list[Entity], list[Claim]]:
        return self.spoil(samples.sample_knowledge())  # type: ignore[no-any-return]


class Effect(Stage):
    """Remembers versions by tenant and document."""

    def __init__(self, spoil: Spoil = as_it_is) -> None:
        super().__init__(spoil)
        self.live: dict[tuple[str, str], str] = {}

    def live_versions(self, tenant_id: str, doc_ids: Sequence[str]) -> dict[str, str]:
        return {name: self.live[tenant_id, name] for name in doc_ids if (tenant_id, name) in self.live}

    def write(self, ctx: StageContext) -> dict[str, Outcome]:
        self.live.update({(ctx.tenant_id, name): version for name, version in ctx.versions.items()})
        return {name: Outcome("written", 1) for name in ctx.documents}


class Index(Effect):
    def execute(self, ctx: StageContext, batch: EmbeddingBatch) -> IndexReceipt:
        return self.spoil(IndexReceipt(1, self.write(ctx)))  # type: ignore[no-any-return]


class Graph(Effect):
    def execute(self, ctx: StageContext, entities: list[Entity], claims: list[Claim]) -> GraphWriteReceipt:
        return self.spoil(GraphWriteReceipt(3, 1, self.write(ctx)))  # type: ignore[no-any-return]


STAGES: dict[str, type[Stage]] = {
    "parse": Parse,
    "ir_validation": Validate,
    "chunk": Cut,
    "embed": Embed,
    "index": Index,
    "extract": Extract,
    "kg": Graph,
}


@pytest.mark.parametrize("stage_type", STAGES)
def test_right_stages_pass(stage_type: str) -> None:
    assert check_stage(stage_type, STAGES[stage_type]()) is not None


def test_ingest_passes_with_its_request() -> None:
    request = AdapterRequest(source="local", ids=("one", "two"))
    assert len(check_stage("ingest", Ingest(), inputs=(request,))) == 2
    with pytest.raises(ConformanceError, match="give `inputs`"):
        check_stage("ingest", Ingest())
    with pytest.raises(ConformanceError, match="a record came twice"):
        check_stage("ingest", Ingest(lambda payloads: payloads * 2), inputs=(request,))


def replaced(**changes: Any) -> Spoil:
    return lambda value: msgspec.structs.replace(value, **changes)


def first(spoil: Spoil) -> Spoil:
    return lambda values: [spoil(values[0]), *values[1:]]


def growing() -> Spoil:
    seen: list[int] = []

    def spoil(chunks: list[Chunk]) -> list[Chunk]:
        seen.append(1)
        return [msgspec.structs.replace(chunk, n_tokens=len(seen)) for chunk in chunks]

    return spoil


def without_evidence(output: tuple[list[Entity], list[Claim]]) -> Any:
    return output[0], [msgspec.structs.replace(claim, evidence=()) for claim in output[1]]


def moved_mention(output: tuple[list[Entity], list[Claim]]) -> Any:
    study, drug, *others = output[0]
    mention = msgspec.structs.replace(drug.mentions[0], start=0, end=9)
    return [study, msgspec.structs.replace(drug, mentions=(mention,)), *others], output[1]


def vectors(change: Callable[[Any], Any]) -> Spoil:
    return lambda batch: EmbeddingBatch(batch.chunks, change(batch.dense), batch.model, batch.fingerprint)


@pytest.mark.parametrize(
    ("stage_type", "spoil", "message"),
    [
        ("parse", lambda document: [document], "must be a Document"),
        ("parse", replaced(sections=(), annotations=()), "no block"),
        ("ir_validation", replaced(title="other"), "unchanged"),
        ("chunk", tuple, "list of Chunk"),
        ("chunk", lambda _: [], "no chunks"),
        ("chunk", first(replaced(text="x", start=0, end=1)), "not the text at its offsets"),
        ("chunk", first(replaced(chunk_id="mine")), "is called mine"),
        ("chunk", first(replaced(tenant_id="other")), "another tenant"),
        ("chunk", first(replaced(doc_id="local:other")), "another document"),
        ("chunk", growing(), "another output the second time"),
        ("embed", vectors(lambda dense: dense * 2), "unit length"),
        ("embed", vectors(lambda dense: dense * np.float32("nan")), "not finite"),
        ("embed", lambda batch: EmbeddingBatch(batch.chunks[::-1], batch.dense, "m", "f"), "in their order"),
        ("extract", without_evidence, "no evidence"),
        ("extract", moved_mention, "not at its offsets"),
        ("extract", lambda output: (output[0][1:], output[1]), "unknown entity"),
        ("extract", lambda output: (output[0] * 2, output[1]), "came twice"),
        ("index", replaced(per_document={}), "outcomes for"),
        ("index", replaced(per_document={samples.DOC_ID: Outcome("fine")}), "status 'fine'"),
        ("kg", replaced(per_document={samples.DOC_ID: Outcome("failed", code="x")}), "failed with x"),
    ],
)
def test_each_broken_promise_is_found(stage_type: str, spoil: Spoil, message: str) -> None:
    with pytest.raises(ConformanceError, match=message):
        check_stage(stage_type, STAGES[stage_type](spoil))


def test_an_effect_that_forgets_or_mixes_tenants() -> None:
    class Forgets(Index):
        def write(self, ctx: StageContext) -> dict[str, Outcome]:
            return {name: Outcome("written", 1) for name in ctx.documents}

    class Mixes(Index):
        def live_versions(self, tenant_id: str, doc_ids: Sequence[str]) -> dict[str, str]:
            return super().live_versions(samples.TENANT, doc_ids)

    with pytest.raises(ConformanceError, match="not live"):
        check_stage("index", Forgets())
    with pytest.raises(ConformanceError, match="another tenant sees"):
        check_stage("index", Mixes())


def test_fingerprint_and_live_versions_may_be_absent() -> None:
    class Bare:
        writes = 0

        def execute(self, ctx: StageContext, batch: EmbeddingBatch) -> IndexReceipt:
            self.writes += 1
            return IndexReceipt(self.writes, {name: Outcome("written", 2) for name in ctx.documents})

    bare = Bare()
    check_stage("index", bare)
    assert bare.writes == 2


def test_fingerprints() -> None:
    class Changing(Cut):
        @property
        def fingerprint(self) -> str:  # type: ignore[override]
            self.calls += 1
            return str(self.calls)

    with pytest.raises(ConformanceError, match="another one each time"):
        check_stage("chunk", Changing())
    long = Cut()
    long.fingerprint = "x" * 600
    with pytest.raises(ConformanceError, match="longer than 512"):
        check_stage("chunk", long)


def test_signature_and_type_are_checked_first() -> None:
    with pytest.raises(StageContractError, match=r"Cut\.execute does not fulfil EmbedStage"):
        check_stage("embed", Cut())
    with pytest.raises(DagsterPipelineConfigError, match="'chonk' is unknown"):
        check_stage("chonk", Cut())
