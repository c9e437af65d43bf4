"""The conformance kit of stages: whatever fulfils a stage type passes it, whoever wrote it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from Medical_KG_rev.models import (
    Chunk,
    Claim,
    Document,
    EmbeddingBatch,
    Entity,
    GraphWriteReceipt,
    IndexReceipt,
    RawPayload,
    StageContext,
)
from Medical_KG_rev.orchestration.stages import StageRegistry, check_signature
from Medical_KG_rev.testing import samples
from Medical_KG_rev.testing.expect import expect

EFFECTS = ("index", "kg")
PURE = ("parse", "ir_validation", "chunk", "embed", "extract")
STATUSES = ("written", "unchanged", "failed")


def check_stage(
    stage_type: str,
    implementation: Any,
    *,
    inputs: Sequence[Any] | None = None,
    ctx: StageContext | None = None,
    registry: StageRegistry | None = None,
) -> Any:
    """Runs a stage and holds it against its contract: signature, fingerprint, output, and for pure stages sameness.

    Args:
        stage_type: a registered type, such as ``chunk``.
        implementation: an instance; for ``index`` and ``kg`` on an empty store.
        inputs: what ``execute`` gets after the context; an invented sample where the type has one.
        ctx: its context, fitting the inputs.
        registry: the types there are; the built-in ones by default.

    Returns:
        What ``execute`` gave, for checks of your own.

    Raises:
        StageContractError: the signature is wrong.
        ConformanceError: a promise is broken; says which.
        DagsterPipelineConfigError: no such stage type.
    """
    check_signature((registry or StageRegistry.builtin()).resolve(stage_type).protocol, implementation)
    _check_fingerprint(implementation)
    context = ctx or samples.sample_context(effect=stage_type in EFFECTS)
    values = tuple(_sample_inputs(stage_type) if inputs is None else inputs)
    before = _encoded(values)
    output = implementation.execute(context, *values)
    expect(_encoded(values) == before, f"{stage_type}: execute changed its input")
    if stage_type in _OUTPUT_CHECKS:
        _OUTPUT_CHECKS[stage_type](context, values, output)
    if stage_type in PURE:
        again = implementation.execute(context, *values)
        expect(_same(output, again), f"{stage_type}: the same input gave another output the second time")
    if stage_type in EFFECTS:
        _check_effect(implementation, context, values)
    return output


def _check_fingerprint(implementation: Any) -> None:
    fingerprint = getattr(implementation, "fingerprint", None)
    if fingerprint is None:
        return
    expect(len(fingerprint) <= 512, "fingerprint: longer than 512 characters")
    expect(fingerprint.isprintable(), "fingerprint: has characters that do not print")
    expect(implementation.fingerprint == fingerprint, "fingerprint: another one each time it is read")


def _sample_inputs(stage_type: str) -> tuple[Any, ...]:
    makers: Mapping[str, Callable[[], tuple[Any, ...]]] = {
        "parse": lambda: ([samples.sample_payload()],),
        "ir_validation": lambda: (samples.sample_document(),),
        "chunk": lambda: (samples.sample_document(),),
        "embed": lambda: (samples.sample_chunks(),),
        "index": lambda: (samples.sample_embeddings(),),
        "extract": lambda: (samples.sample_document(),),
        "kg": samples.sample_knowledge,
    }
    expect(stage_type in makers, f"{stage_type}: there is no sample for it; give `inputs`")
    return makers[stage_type]()


def _check_payloads(_: StageContext, inputs: Sequence[Any], output: Any) -> None:
    expect(_list_of(output, RawPayload), "the output must be a list of RawPayload")
    keys = [(payload.source, payload.source_id) for payload in output]
    expect(len(set(keys)) == len(keys), "a record came twice")
    expect(all(payload.content for payload in output), "a payload is empty")
    asked = getattr(inputs[0], "ids", None)
    if asked:
        expect(len(output) <= len(asked), "more payloads than ids that were asked for")


def _check_document(_: StageContext, __: Sequence[Any], output: Any) -> None:
    expect(isinstance(output, Document), f"the output must be a Document, not {type(output).__name__}")
    expect(any(True for _block in output.iter_blocks()), "the document has no block")


def _check_same_document(_: StageContext, inputs: Sequence[Any], output: Any) -> None:
    _check_document(_, inputs, output)
    expect(output.digest() == inputs[0].digest(), "ir_validation must hand the document on unchanged")


def _check_chunks(ctx: StageContext, inputs: Sequence[Any], output: Any) -> None:
    document: Document = inputs[0]
    expect(_list_of(output, Chunk), "the output must be a list of Chunk")
    expect(output, "no chunks from a document that has text")
    for number, chunk in enumerate(output):
        expect(chunk.chunk_id == f"{document.doc_id}:chunk:{number}", f"chunk {number} is called {chunk.chunk_id}")
        expect(document.quote(chunk.start, chunk.end) == chunk.text, f"{chunk.chunk_id} is not the text at its offsets")
        expect((chunk.doc_id, chunk.source) == (document.doc_id, document.source), f"{chunk.chunk_id} is of another document")
        expect(chunk.tenant_id == ctx.tenant_id, f"{chunk.chunk_id} is of another tenant")
    starts = [chunk.start for chunk in output]
    expect(starts == sorted(starts), "chunks are not in reading order")


def _check_embeddings(_: StageContext, inputs: Sequence[Any], output: Any) -> None:
    expect(isinstance(output, EmbeddingBatch), f"the output must be an EmbeddingBatch, not {type(output).__name__}")
    expect(list(output.chunks) == list(inputs[0]), "the batch must carry the chunks given, in their order")
    expect(np.isfinite(output.dense).all(), "a vector is not finite")
    expect(np.allclose(np.linalg.norm(output.dense, axis=1), 1.0, atol=1e-3), "vectors must have unit length")
    expect(output.model and output.fingerprint, "the batch must name its model and fingerprint")


def _check_knowledge(_: StageContext, inputs: Sequence[Any], output: Any) -> None:
    document: Document = inputs[0]
    expect(isinstance(output, tuple) and len(output) == 2, "the output must be a pair of entities and claims")
    entities, claims = output
    expect(_list_of(entities, Entity) and _list_of(claims, Claim), "the output must be (list of Entity, list of Claim)")
    ids = {entity.id for entity in entities}
    expect(len(ids) == len(entities), "an entity came twice")
    expect(len({claim.id for claim in claims}) == len(claims), "a claim's id came twice")
    for mention in (mention for entity in entities for mention in entity.mentions):
        expect(document.quote(mention.start, mention.end) == mention.text, f"mention {mention.text!r} is not at its offsets")
    for claim in claims:
        expect(claim.evidence, f"claim {claim.id} has no evidence")
        expect({claim.subject_id, claim.object_id or claim.subject_id} <= ids, f"claim {claim.id} is about an unknown entity")
        for evidence in claim.evidence:
            quoted = document.quote(evidence.start, evidence.end)
            expect(quoted == evidence.text, f"evidence of claim {claim.id} is not at its offsets")


def _check_index_receipt(ctx: StageContext, _: Sequence[Any], output: Any) -> None:
    expect(isinstance(output, IndexReceipt), f"the output must be an IndexReceipt, not {type(output).__name__}")
    _check_outcomes(ctx, output.per_document)


def _check_graph_receipt(ctx: StageContext, _: Sequence[Any], output: Any) -> None:
    expect(isinstance(output, GraphWriteReceipt), f"the output must be a GraphWriteReceipt, not {type(output).__name__}")
    _check_outcomes(ctx, output.per_document)


def _check_outcomes(ctx: StageContext, outcomes: Mapping[str, Any]) -> None:
    expect(set(outcomes) == set(ctx.documents), f"outcomes for {sorted(outcomes)}, not for {sorted(ctx.documents)}")
    for doc_id, outcome in outcomes.items():
        expect(outcome.status in STATUSES, f"{doc_id}: status {outcome.status!r}; valid: {', '.join(STATUSES)}")
        expect(outcome.status != "failed" or outcome.code, f"{doc_id}: failed without a code")
        expect(outcome.status != "failed", f"{doc_id}: failed with {outcome.code}: {outcome.message}")


def _check_effect(implementation: Any, ctx: StageContext, inputs: Sequence[Any]) -> None:
    """Writing again is no error; where the store can say what is live, that is what was written, in this tenant only."""
    ask = getattr(implementation, "live_versions", None)
    if ask is None:
        implementation.execute(ctx, *inputs)
        return
    expect(dict(ask(ctx.tenant_id, list(ctx.documents))) == dict(ctx.versions), "what was written is not live")
    expect(not ask(f"{ctx.tenant_id}-other", list(ctx.documents)), "another tenant sees the documents")
    expect(not ask(ctx.tenant_id, ["local:never-written"]), "a document is live that was never written")
    implementation.execute(ctx, *inputs)
    expect(dict(ask(ctx.tenant_id, list(ctx.documents))) == dict(ctx.versions), "a second write changed what is live")


def _list_of(values: Any, kind: type) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, EmbeddingBatch):
        return bool(one.chunks == other.chunks and np.allclose(one.dense, other.dense, atol=1e-4))
    if isinstance(one, Document):
        return bool(one.digest() == other.digest())
    return _encoded(one) == _encoded(other)


def _encoded(value: Any) -> bytes:
    return msgspec.msgpack.encode(value, enc_hook=_plain, order="deterministic")


def _plain(value: Any) -> Any:
    return value.tobytes() if isinstance(value, np.ndarray) else repr(value)


_OUTPUT_CHECKS: Mapping[str, Callable[[StageContext, Sequence[Any], Any], None]] = {
    "ingest": _check_payloads,
    "download": _check_payloads,
    "parse": _check_document,
    "ir_validation": _check_same_document,
    "chunk": _check_chunks,
    "embed": _check_embeddings,
    "index": _check_index_receipt,
    "extract": _check_knowledge,
    "kg": _check_graph_receipt,
}
