"""What orchestration, ledger and artifacts add to a document: batches of 500 through Dagster against a plain loop.

The loop calls the same stage implementations on the same records in the same slices, and writes to stores of the same kind.
It has no time limits, keeps no artifacts and no ledger, and loses everything when it is interrupted.
"""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from measuring import StageClock, heading, ingest, open_parts, records, scifact, table, targets, workspace, write_records

from Medical_KG_rev.models import AdapterRequest, Chunk, Document, EmbeddingBatch, StageContext
from Medical_KG_rev.parts import PlatformParts

BATCH = 500
ROUNDS = 5


class PlainLoop:
    """The stages of ``auto`` called one after the other."""

    def __init__(self, parts: PlatformParts) -> None:
        self._stages = {stage.name: stage.implementation for stage in parts.pipeline("auto").stages}
        self._local = parts.adapters.get("local")
        self._sizes = parts.settings.batch
        self.seconds: dict[str, float] = {}

    def run(self, path: Path) -> float:
        """Seconds for the records of a file."""
        started = time.perf_counter()
        pages = self._timed("ingest", lambda: list(self._local.list_records(AdapterRequest(source="local", paths=(str(path),)))))
        payloads = [record.payload for page in pages for record in page.records]
        parsed = self._each("parse", [[payload] for payload in payloads], None)
        documents = self._each("ir_validation", parsed, parsed)
        chunks = self._each("chunk", documents, documents)
        statements = self._each("extract", documents, documents)
        vectors = self._embed([chunk for some in chunks for chunk in some])
        self._index(documents, vectors)
        self._kg(documents, statements)
        return time.perf_counter() - started

    def _each(self, name: str, values: Sequence[Any], documents: Sequence[Document] | None) -> list[Any]:
        execute = self._stages[name].execute
        contexts = [_context(name, document.doc_id) for document in documents] if documents else [_context(name)] * len(values)
        return self._timed(name, lambda: [execute(context, value) for context, value in zip(contexts, values, strict=True)])

    def _embed(self, chunks: Sequence[Chunk]) -> EmbeddingBatch:
        execute = self._stages["embed"].execute
        slices = _slices(chunks, self._sizes.embed_slice)
        return self._timed("embed", lambda: EmbeddingBatch.concatenate([execute(_context("embed"), part) for part in slices]))

    def _index(self, documents: Sequence[Document], vectors: EmbeddingBatch) -> None:
        per_document = dict(vectors.per_document())
        for part in _slices(documents, self._sizes.index_slice):
            batch = EmbeddingBatch.concatenate([per_document[document.doc_id] for document in part])
            self._timed("index", lambda part=part, batch=batch: self._stages["index"].execute(_effect("index", part), batch))

    def _kg(self, documents: Sequence[Document], statements: Sequence[tuple[list[Any], list[Any]]]) -> None:
        execute = self._stages["kg"].execute
        for part in _slices(list(zip(documents, statements, strict=True)), self._sizes.graph_slice):
            context = _effect("kg", [document for document, _ in part])
            entities = [entity for _, (found, _) in part for entity in found]
            claims = [claim for _, (_, found) in part for claim in found]
            self._timed("kg", lambda c=context, e=entities, s=claims: execute(c, e, s))

    def _timed(self, name: str, work: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        done = work()
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started
        return done


def _context(stage: str, doc_id: str | None = None) -> StageContext:
    return StageContext(tenant_id="default", doc_id=doc_id, stage=stage)


def _effect(stage: str, documents: Sequence[Document]) -> StageContext:
    versions = {document.doc_id: hashlib.sha256(document.digest().encode()).hexdigest() for document in documents}
    return StageContext(tenant_id="default", documents=tuple(versions), versions=versions, stage=stage)


def _slices(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (values[start : start + size] for start in range(0, len(values), size))


def main() -> None:
    rows = records(scifact())
    heading(f"Orchestration, {BATCH} abstracts a batch, static vectors")
    with workspace() as folder:
        paths = [
            write_records(folder / f"{number}.jsonl", rows[number * BATCH : (number + 1) * BATCH]) for number in range(ROUNDS + 1)
        ]
        orchestrated, plain = open_parts(folder / "orchestrated"), open_parts(folder / "plain")
        clock, loop = StageClock(orchestrated.runner), PlainLoop(plain)
        vars(orchestrated)["runner"] = clock
        ingest(orchestrated, paths[0])  # both are warm from here on
        loop.run(paths[0])
        clock.seconds.clear()
        loop.seconds.clear()
        ours, bare = [], []
        for path in paths[1:]:
            ours.append(ingest(orchestrated, path) / BATCH * 1e3)
            bare.append(loop.run(path) / BATCH * 1e3)
        orchestrated.close()
        plain.close()
    report(ours, bare, clock.seconds, loop.seconds)


def report(ours: list[float], bare: list[float], stages: dict[str, float], plain: dict[str, float]) -> None:
    documents = BATCH * ROUNDS
    lines = [(name, plain.get(name, 0.0) / documents * 1e3, seconds / documents * 1e3) for name, seconds in stages.items()]
    around = [sum(values) / ROUNDS - sum(line[index] for line in lines) for index, values in ((1, bare), (2, ours))]
    lines.append(("around the stages", around[0], around[1]))
    table(
        ("ms/document", "plain loop", "orchestrated", "difference"),
        [(name, f"{one:.3f}", f"{other:.3f}", f"{other - one:.3f}") for name, one, other in lines],
    )
    rounds = list(zip(bare, ours, strict=True))
    table(
        ("round", "plain loop", "orchestrated", "difference"),
        [(number, f"{one:.2f}", f"{other:.2f}", f"{other - one:.2f}") for number, (one, other) in enumerate(rounds, start=1)],
    )
    targets(
        [
            (
                "added to a document, median of the rounds",
                statistics.median(other - one for one, other in rounds),
                "<=",
                2,
                " ms",
            ),
            ("added to a document, best round against best", min(ours) - min(bare), "<=", 2, " ms"),
        ]
    )


if __name__ == "__main__":
    main()
