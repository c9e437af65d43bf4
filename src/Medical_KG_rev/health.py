"""Whether the parts of a platform are as they should be."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select

from Medical_KG_rev.errors import MedicalKGError, PartUnavailableError, StoreCorruptError
from Medical_KG_rev.parts import PlatformParts

MINIMUM_FREE_BYTES = 1_000_000_000
PATIENCE_SECONDS = 20.0
"""What a store or server does not answer in this time counts as down."""
KAFKA_SECONDS = 5.0

Check = Callable[[PlatformParts], str]


class Finding(msgspec.Struct, frozen=True):
    """The state of one part."""

    part: str
    ok: bool
    message: str
    remedy: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON values only."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


def check_parts(parts: PlatformParts) -> list[Finding]:
    """One finding a part of the profile, in the order in which a document meets them.

    Stores and servers are written to, read and cleaned up; one that does not answer costs :data:`PATIENCE_SECONDS`.
    """
    checks: tuple[tuple[str, Check], ...] = (
        ("data folder", _data_folder),
        ("configuration", _configuration),
        ("sources", lambda parts: ", ".join(parts.adapters.names())),
        ("ledger", _bounded(_ledger)),
        ("queue", _bounded(_queue)),
        ("object store", _bounded(_object_store)),
        ("event sink", _bounded(_event_sink)),
        ("dagster", _bounded(_dagster)),
        ("models", _models),
        ("embedding", _embedding),
        ("sparse", _sparse),
        ("extraction", _extraction),
        ("language model", _bounded(_language_model)),
        ("pipelines", _pipelines),
        ("index", _index),
        ("search server", _bounded(_search_server)),
        ("reranker", _bounded(_reranker)),
        ("mineru", _bounded(_mineru)),
        ("graph", _bounded(_graph)),
        ("dagster ui", _webserver),
    )
    return [_checked(name, check, parts) for name, check in checks]


def _bounded(check: Check, seconds: float = PATIENCE_SECONDS) -> Check:
    """The check on a thread of its own, which is left alone when it takes too long."""

    def bounded(parts: PlatformParts) -> str:
        outcome: list[str | Exception] = []

        def run() -> None:
            try:
                outcome.append(check(parts))
            except Exception as error:  # noqa: BLE001 - raised again by the thread that waits
                outcome.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(seconds)
        if not outcome:
            raise PartUnavailableError(f"No answer within {seconds:.0f} s.", remedy="Check its address, and that it runs.")
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0]

    return bounded


def _checked(name: str, check: Check, parts: PlatformParts) -> Finding:
    try:
        return Finding(name, True, check(parts))
    except MedicalKGError as error:
        return Finding(name, False, error.message, error.remedy)
    except Exception as error:  # noqa: BLE001 - the border that turns any fault of a part into a finding
        return Finding(name, False, f"{type(error).__name__}: {error}")


def _data_folder(parts: PlatformParts) -> str:
    parts.data_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=parts.data_dir):
        free = shutil.disk_usage(parts.data_dir).free
    if free < MINIMUM_FREE_BYTES:
        raise MedicalKGError(f"Only {free / 1e6:,.0f} MB are free at {parts.data_dir}.", remedy="Free some space.")
    return f"{parts.data_dir} ({free / 1e9:,.0f} GB free)"


def _configuration(parts: PlatformParts) -> str:
    return f"{parts.settings.orchestration_dir()}: policies {', '.join(parts.policies.names())}"


def _ledger(parts: PlatformParts) -> str:
    from Medical_KG_rev.orchestration.ledger.database import revision

    database = parts.ledger.database
    schema = database.read(revision)
    database.write(_probe_row)
    jobs = parts.ledger.count_jobs()
    kind = "PostgreSQL" if database.is_postgres else "SQLite"
    return f"{kind}, schema {schema}; " + (
        ", ".join(f"{count:,} {status}" for status, count in sorted(jobs.items())) or "no jobs yet"
    )


def _probe_row(connection: Connection) -> None:
    """Writes a row that nobody looks at, reads it and removes it."""
    from Medical_KG_rev.orchestration.ledger.schema import commit_marks

    token = uuid.uuid4().hex
    connection.execute(insert(commit_marks).values(token=token, at=0.0))
    connection.execute(select(commit_marks.c.at).where(commit_marks.c.token == token)).one()
    connection.execute(delete(commit_marks).where(commit_marks.c.token == token))


def _queue(parts: PlatformParts) -> str:
    ledger = parts.ledger
    paused = [f"{name} is paused{': ' + gate.reason if gate.reason else ''}" for name, gate in ledger.gates.closed().items()]
    held, expired = ledger.queue.leases()
    waiting, letters = ledger.outbox.depth(), ledger.dead_letters.count().get("open", 0)
    age = f", the oldest for {max(0.0, time.time() - waiting.oldest_at):,.0f} s" if waiting.oldest_at is not None else ""
    return "; ".join(
        [
            *paused,
            f"{held:,} batches at work, {expired:,} stuck",
            f"{waiting.events:,} events wait in the outbox{age}",
            f"{letters:,} open dead letters",
        ]
    )


def _object_store(parts: PlatformParts) -> str:
    store, key, content = parts.store, f"health/{uuid.uuid4().hex}", b"written by medkg doctor"
    store.put(key, content)
    try:
        if store.read(key) != content:
            raise StoreCorruptError(
                "The object store gives back other bytes than were put into it.", remedy="Check its disk, and what lies between."
            )
    finally:
        store.delete(key)
    settings = parts.settings
    if settings.object_store_kind == "s3":
        return f"bucket {settings.object_store.bucket} at {settings.object_store.endpoint_url}"
    return str(parts.data_dir / "objects")


def _event_sink(parts: PlatformParts) -> str:
    from Medical_KG_rev.orchestration.events.places import LogFolder

    place = parts.event_place
    if isinstance(place, LogFolder):
        place.directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place.directory) as file:
            file.write(b"\n")
            file.flush()
            os.fsync(file.fileno())
        return str(place.directory)
    from Medical_KG_rev.orchestration.events.kafka_client import kafka_library, open_client, topic_partitions

    place = replace(place, connect_timeout_seconds=KAFKA_SECONDS)
    partitions = topic_partitions(open_client(kafka_library().admin.AdminClient, place, {}), place)
    topic = f"{len(partitions)} partitions" if partitions else "made with the first event"
    return f"Kafka at {place.bootstrap_servers}, topic {place.name} ({topic})"


def _dagster(parts: PlatformParts) -> str:
    runs = parts.dagster.get_runs_count()
    return f"{runs:,} runs in {'PostgreSQL' if parts.settings.dagster_url else parts.dagster_home}"


def _models(parts: PlatformParts) -> str:
    problems = parts.models.verify()
    if problems:
        raise MedicalKGError(problems[0], remedy="Run `medkg models fetch` again.")
    return ", ".join(f"{model.name}{'' if model.installed else ' (not fetched)'}" for model in parts.models.list())


def _embedding(parts: PlatformParts) -> str:
    backend = parts.backend
    vector = backend.encode_query("lactic acidosis")
    return f"{backend.name}: {len(vector)} dimensions"


def _sparse(parts: PlatformParts) -> str:
    backend = parts.sparse_backend
    if backend is None:
        return "none: no learned sparse vectors are made (MK_SPARSE__MODEL)"
    vector = backend.encode_query("lactic acidosis")
    return f"{backend.name}: {len(vector.terms)} terms for a query of two words"


def _extraction(parts: PlatformParts) -> str:
    settings = parts.settings.extraction
    if not settings.text:
        return "what records state; texts are not read (MK_EXTRACTION__TEXT)"
    found = parts.text_reader(settings.tagger).read("There was no lactic acidosis after metformin.")
    return f"lexicon {parts.lexicon.fingerprint}, tagger {settings.tagger}: {len(found.mentions)} names in a sentence with two"


def _language_model(parts: PlatformParts) -> str:
    settings = parts.settings.llm
    if settings.server == "none":
        return "none: claims are found without one (MK_LLM__SERVER names one)"
    from Medical_KG_rev.parts.extraction import open_chat

    chat = open_chat(settings)  # without a policy: asked once
    try:
        chat.probe()
    finally:
        chat.close()
    return f"{settings.api_model} at {settings.base_url}"


def _pipelines(parts: PlatformParts) -> str:
    built = [parts.pipeline(name) for name in parts.topologies.names()]
    return ", ".join(f"{pipeline.name} {pipeline.version} ({len(pipeline.stages)} stages)" for pipeline in built)


def _index(parts: PlatformParts) -> str:
    parts.index_writer.live_versions("default", ["doctor:none"])
    return str(parts.data_dir / "index")


def _search_server(parts: PlatformParts) -> str:
    if parts.search_server is None:
        return "none: the index holds every leg (MK_OPENSEARCH__URL names one)"
    from Medical_KG_rev.index.opensearch import probe

    return probe(parts.search_server, parts.settings.opensearch.prefix)


def _reranker(parts: PlatformParts) -> str:
    if parts.reranker is None:
        return "none: hits stay as the legs order them (MK_RERANK__SERVER names one)"
    first, second = parts.reranker.scores("lactic acidosis", ["Metformin and lactic acidosis.", "The femur is a bone."])
    return f"{parts.reranker.name}: {first:.3g} for a fitting text, {second:.3g} for another"


def _mineru(parts: PlatformParts) -> str:
    settings = parts.settings
    if not settings.mineru.url:
        return "none: PDFs are read on this machine (MK_MINERU__URL names a server, MK_PDF__ENGINE=mineru chooses it)"
    from Medical_KG_rev.parsing.pdf.mineru import MineruEngine

    engine = MineruEngine(settings.mineru)  # without a policy: asked once
    try:
        return engine.probe() + ("" if settings.pdf.engine == "mineru" else "; not used (MK_PDF__ENGINE=mineru chooses it)")
    finally:
        engine.close()


def _graph(parts: PlatformParts) -> str:
    place = ""
    if parts.graph_server is not None:
        from Medical_KG_rev.graph.neo4j import probe

        place = f"{probe(parts.graph_server)}; "
    stats = parts.graph.stats("default")
    return f"{place}{stats.documents:,} documents, {stats.entities:,} entities, {stats.claims:,} claims"


def _webserver(_parts: PlatformParts) -> str:
    if find_spec("dagster_webserver") is None:
        return "not installed (`pip install medical-kg-rev[ui]`); only `medkg ui` needs it"
    return "installed"
