"""What orchestration, ledger and artifacts add to a document: batches of 500 through Dagster against a plain loop.

The loop calls the same stage implementations on the same records in the same slices, and writes to stores of the same kind.
It has no time limits, keeps no artifacts and no ledger, and loses everything when it is interrupted. The relay runs in a process
of its own, as it does beside all workers but one; how far it lags is told apart.
"""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from measuring import (
    StageClock,
    Submitter,
    heading,
    open_parts,
    records,
    relay_beside,
    scifact,
    servers,
    services_settings,
    table,
    targets,
    workspace,
    write_records,
)

from Medical_KG_rev.models import AdapterRequest, Chunk, Document, EmbeddingBatch, StageContext
from Medical_KG_rev.parts import PlatformParts
from Medical_KG_rev.worker import collect_rarely

BATCH = 500
ROUNDS = 8


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


@dataclass
class Rounds:
    """Milliseconds a document, one value a round; ``cpu`` is the processor time of this process.

    ``lags``: seconds from the end of a batch until its last event is published.
    """

    ours: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    ours_cpu: list[float] = field(default_factory=list)
    bare_cpu: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    stages: dict[str, float] = field(default_factory=dict)
    bare_stages: dict[str, float] = field(default_factory=dict)

    def added(self) -> list[float]:
        return [ours - bare for ours, bare in zip(self.ours, self.bare, strict=True)]


def clocked(work: Callable[[], float]) -> tuple[float, float]:
    """Milliseconds a document by the clock and of the processor."""
    before = time.process_time()
    seconds = work()
    return seconds / BATCH * 1e3, (time.process_time() - before) / BATCH * 1e3


def measure(folder: Path, paths: Sequence[Path], **more: Any) -> Rounds:
    """One batch after the other, each through both; the first warms up."""
    rounds = Rounds()
    with closing(open_parts(folder / "orchestrated", **more)) as orchestrated, closing(open_parts(folder / "plain")) as plain:
        clock, loop = StageClock(orchestrated.runner), PlainLoop(plain)
        vars(orchestrated)["runner"] = clock
        worker = Submitter(orchestrated)
        with relay_beside(folder / "orchestrated", **more):
            worker.run(paths[0])
            loop.run(paths[0])
            collect_rarely()
            clock.seconds.clear()
            loop.seconds.clear()
            for path in paths[1:]:
                worker.drained()
                wall, cpu = clocked(lambda path=path: worker.run(path))  # type: ignore[misc]
                rounds.ours.append(wall)
                rounds.ours_cpu.append(cpu)
                rounds.lags.append(worker.drained())
                wall, cpu = clocked(lambda path=path: loop.run(path))  # type: ignore[misc]
                rounds.bare.append(wall)
                rounds.bare_cpu.append(cpu)
        rounds.stages, rounds.bare_stages = clock.seconds, loop.seconds
    return rounds


def main() -> None:
    rows = records(scifact())
    heading(f"Orchestration, {BATCH} abstracts a batch, static vectors")
    with workspace() as folder, servers(folder, ("postgres", "kafka")) as running:
        paths = [
            write_records(folder / f"{number}.jsonl", rows[number * BATCH : (number + 1) * BATCH]) for number in range(ROUNDS + 1)
        ]
        found = {"SQLite, local log": measure(folder / "sqlite", paths)}
        if (settings := services_settings(running)) is not None:
            found["PostgreSQL, Kafka"] = measure(folder / "postgres", paths, **settings)
    for name, rounds in found.items():
        report(name, rounds)
    bounds = {"SQLite, local log": 2.0, "PostgreSQL, Kafka": 3.0}
    targets(
        [
            line
            for name, rounds in found.items()
            for line in (
                (f"{name}: added, median of the rounds", statistics.median(rounds.added()), "<=", bounds[name], " ms"),
                (f"{name}: added, best round against best", min(rounds.ours) - min(rounds.bare), "<=", bounds[name], " ms"),
            )
        ]
    )


def report(name: str, rounds: Rounds) -> None:
    print(f"### {name}\n")
    documents = BATCH * ROUNDS
    lines = [
        (stage, rounds.bare_stages.get(stage, 0.0) / documents * 1e3, seconds / documents * 1e3)
        for stage, seconds in rounds.stages.items()
    ]
    around = [sum(values) / ROUNDS - sum(line[index] for line in lines) for index, values in ((1, rounds.bare), (2, rounds.ours))]
    lines.append(("around the stages", around[0], around[1]))
    table(
        ("ms/document", "plain loop", "orchestrated", "difference"),
        [(stage, f"{one:.3f}", f"{other:.3f}", f"{other - one:.3f}") for stage, one, other in lines],
    )
    columns = zip(rounds.bare, rounds.ours, rounds.added(), rounds.bare_cpu, rounds.ours_cpu, rounds.lags, strict=True)
    table(
        ("round", "plain loop", "orchestrated", "difference", "CPU: loop", "orchestrated", "last event after"),
        [
            (number, *(f"{value:.2f}" for value in values[:5]), f"{values[5]:.2f} s")
            for number, values in enumerate(columns, start=1)
        ],
    )


if __name__ == "__main__":
    main()
