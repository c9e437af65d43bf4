"""Every process of a running system is killed at random moments; in the end it must be as if nothing had happened.

A part is one data folder with up to fifty kills. ``MK_CHAOS_ROUNDS`` says how many kills there are on each database, in parts;
``make test-all`` sets two hundred. Each part has a seed of its own and can be run alone: ``-k sqlite-part3``.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from event_story import distinct, faults, unlike_ledger
from killed_system import VICTIMS, Kill, KilledSystem, Victim
from shipped_medkg import Medkg

from Medical_KG_rev.graph import LadybugGraphStore
from Medical_KG_rev.index import HaystackIndexWriter

pytestmark = pytest.mark.chaos

ROUNDS = int(os.environ.get("MK_CHAOS_ROUNDS", "4"))
SEED = int(os.environ.get("MK_CHAOS_SEED", "20261124"))
PART_ROUNDS = 50
WAVE_DOCUMENTS = 40
END_SECONDS = 600.0
PURE = "('parse', 'ir_validation', 'chunk', 'embed', 'extract')"
PARTS = [
    pytest.param(number, min(PART_ROUNDS, ROUNDS - start), id=f"part{number}")
    for number, start in enumerate(range(0, ROUNDS, PART_ROUNDS), start=1)
]
GRAPH = (
    "MATCH (d:Document) RETURN d.document_id, d.version",
    "MATCH (e:Entity) RETURN e.entity_id, e.type",
    "MATCH (d:Document)-[m:MENTIONS]->(e:Entity) RETURN d.document_id, e.entity_id, m.start_offset, m.end_offset",
    "MATCH (v:Evidence)-[:SUPPORTS]->(c:Claim) RETURN c.document_id, c.claim_id, c.predicate, v.evidence_id, v.text",
)
"""All that does not depend on the order of documents: names, aliases and attributes that several documents give an entity do."""
DATABASES = ["sqlite", pytest.param("postgres", marks=pytest.mark.service)]


class Records:
    """Folders of records, each of other documents: real ones where there are any, else the samples; then copies of studies under
    invented numbers."""

    def __init__(self, sources: list[Path], folder: Path, chance: random.Random) -> None:
        self._paths = sorted(path for source in sources for path in source.rglob("*") if path.is_file())
        chance.shuffle(self._paths)
        self._studies = [path for path in self._paths if path.name.startswith("NCT")]
        self._numbers = itertools.count()
        self._folder = folder
        self.waves: list[Path] = []

    def wave(self) -> Path:
        """A folder that nothing has been ingested from."""
        folder = self._folder / f"wave-{len(self.waves)}"
        folder.mkdir(parents=True)
        for number in itertools.islice(self._numbers, WAVE_DOCUMENTS):
            if number < len(self._paths):
                shutil.copy(self._paths[number], folder)
            else:
                study, invented = self._studies[number % len(self._studies)], f"NCT9{number:07}"
                text = study.read_text("utf-8").replace(study.stem, invented)
                (folder / f"{invented}.json").write_text(text, "utf-8")
        self.waves.append(folder)
        return folder


@pytest.fixture
def sources(samples: Path, request: pytest.FixtureRequest) -> list[Path]:
    try:
        data: Path = request.getfixturevalue("test_data")
    except pytest.skip.Exception:
        return [samples]
    return [data / "ctgov" / "studies", data / "jats", data / "openalex" / "works"]


@pytest.fixture(params=DATABASES)
def killed(request: pytest.FixtureRequest, medkg: Medkg) -> Medkg:
    """The command that is killed: with SQLite and the local event log, or with PostgreSQL and Kafka."""
    settings = {"MK_BATCH__SIZE": "10", "MK_QUEUE__LEASE_SECONDS": "10", "MK_QUEUE__POLL_SECONDS": "0.2"}
    if request.param == "postgres":
        settings |= request.getfixturevalue("kafka_server").environment
        settings |= {"MK_EVENTS__SINK": "kafka", "MK_EVENTS__TOPIC": request.getfixturevalue("kafka_topic")}
        settings["MK_DATABASE__URL"] = request.getfixturevalue("postgres_database")
    return medkg.on(medkg.data_dir, **settings)


@pytest.mark.parametrize(("part", "rounds"), PARTS)
def test_a_system_killed_again_and_again_ends_as_if_it_never_was(
    killed: Medkg, medkg: Medkg, tmp_path: Path, sources: list[Path], request: pytest.FixtureRequest, part: int, rounds: int
) -> None:
    """Nothing lost, nothing done twice, nothing half visible, and the events tell each attempt once and in order."""
    again = f"MK_CHAOS_ROUNDS={ROUNDS} MK_CHAOS_SEED={SEED} .venv/bin/pytest -s '{request.node.nodeid}'"
    click.echo(f"\nthe same choices again: {again}")
    chance = random.Random(f"{SEED}-{part}")
    records = Records(sources, tmp_path / "records", chance)
    kills: list[Kill] = []
    try:
        kills.extend(rounds_of_kills(killed, tmp_path, records, chance, rounds))
        check_the_end(killed, medkg.on(tmp_path / "clean", MK_BATCH__SIZE="40"), records)
    except Exception as error:
        error.add_note(f"after {len(kills)} of {rounds} kills of part {part}; the same choices again: {again}")
        raise
    click.echo(summary(kills))
    assert sum(kill.where not in ("started", "after its end") for kill in kills) >= rounds // 2, "most met nothing at work"


def rounds_of_kills(killed: Medkg, folder: Path, records: Records, chance: random.Random, rounds: int) -> Iterator[Kill]:
    killed("ingest", "local", records.wave(), "--no-wait", "--quiet").expect(0)
    system = KilledSystem(killed, folder, chance)
    with system.running():
        for number, victim in enumerate(itertools.islice(decks(chance), rounds), start=1):
            started = time.monotonic()
            waiting = system.open_jobs()
            wave = records.wave() if waiting < (WAVE_DOCUMENTS if victim == "ingest" else 1) else records.waves[-1]
            if not waiting and victim != "ingest":
                killed("ingest", "local", wave, "--no-wait", "--quiet").expect(0)
            kill = system.kill(victim, wave)
            visible = check_visible(killed)
            took = time.monotonic() - started
            click.echo(f"{number:3} {kill.victim:7} {kill.where:24} {visible:4} documents are live  {took:5.1f} s")
            yield kill


def decks(chance: random.Random) -> Iterator[Victim]:
    """Every victim once before any comes again."""
    while True:
        yield from chance.sample(VICTIMS, len(VICTIMS))


def check_visible(medkg: Medkg) -> int:
    """Each document is in the index and in the graph as a whole or not at all, and in both once its job is completed.

    Others may be at work: what was completed is asked before the stores are read, what there is to find afterwards.
    """
    known = medkg.ledger("SELECT doc_id, status FROM jobs WHERE doc_id IS NOT NULL")
    completed = {doc_id for doc_id, status in known if status == "completed"}
    index, graph = HaystackIndexWriter(medkg.data_dir / "index"), LadybugGraphStore(medkg.data_dir / "graph")
    chunks = {doc_id: len(index.chunks("default", doc_id)) for doc_id, _ in known}
    rows = graph.query("default", "MATCH (c:Claim) RETURN c.document_id, count(c)", limit=1_000_000).rows
    claims = {str(doc_id): count for doc_id, count in rows}
    made = medkg.ledger("SELECT doc_id, max(chunks), max(claims) FROM jobs WHERE doc_id IS NOT NULL GROUP BY doc_id")
    for doc_id, *counts in made:
        if doc_id not in chunks:
            continue
        for found, whole in zip((chunks[doc_id], claims.get(doc_id, 0)), counts, strict=True):
            assert found == whole or (not found and doc_id not in completed), f"{doc_id} is live with {found} of {whole}"
    return len(completed)


def check_the_end(killed: Medkg, clean: Medkg, records: Records) -> None:
    """The same records again, by a command that nobody kills, and by one on an empty data folder: the same comes of both."""
    killed("worker", "--once", "--quiet", timeout=END_SECONDS).expect(0)
    replay_dead(killed)
    result = killed("ingest", "local", *records.waves, "--json", "--quiet", timeout=END_SECONDS).expect(0).json
    count = len(records.waves) * WAVE_DOCUMENTS
    assert (result["submitted"], result["completed"], result["failed"]) == (count, count, 0)
    assert killed.ledger("SELECT status, count(DISTINCT doc_id) FROM jobs GROUP BY 1") == [("completed", count)]
    repeated = killed.ledger(
        f"SELECT stage, input_digest, count(*) FROM stage_attempts WHERE status = 'completed' AND stage IN {PURE} "
        "GROUP BY 1, 2 HAVING count(*) > 1"
    )
    assert repeated == [], "a stage whose artifact existed was done again"
    check_events(killed)

    clean("ingest", "local", *records.waves, "--quiet", timeout=END_SECONDS).expect(0)
    assert check_visible(killed) == check_visible(clean) == count
    assert graph_content(killed) == graph_content(clean)
    indexes = [HaystackIndexWriter(command.data_dir / "index") for command in (killed, clean)]
    for document in result["documents"]:
        found, expected = (index.chunks("default", document["doc_id"]) for index in indexes)
        assert found == expected


def graph_content(medkg: Medkg) -> list[list[list[object]]]:
    graph = LadybugGraphStore(medkg.data_dir / "graph")
    return [sorted(map(list, graph.query("default", query, limit=1_000_000).rows)) for query in GRAPH]


def replay_dead(killed: Medkg) -> None:
    """A document over which one worker after the other ended is set aside, as if it had killed them; a person replays it."""
    dead = killed.ledger("SELECT job_id, error_code FROM jobs WHERE status IN ('failed', 'dead')")
    assert {code for _, code in dead} <= {"worker_lost"}
    for job_id, _ in dead:
        click.echo(f"{job_id} lost all its workers and is replayed")
        killed("dlq", "replay", job_id, "--quiet", timeout=END_SECONDS).expect(0)


def check_events(killed: Medkg) -> None:
    lines = killed("events", "tail", "--json", timeout=END_SECONDS).expect(0).out.splitlines()
    assert killed.ledger("SELECT count(*) FROM outbox") == [(0,)]
    events = distinct(json.loads(line) for line in lines)
    click.echo(f"{len(events):,} events of {len(lines):,} that were published, {len(lines) - len(events):,} of them again")
    assert faults(events) == []
    attempts = killed.ledger("SELECT job_id, stage, attempt, status FROM stage_attempts")
    jobs = killed.ledger("SELECT job_id, status, unchanged FROM jobs")
    assert unlike_ledger(events, attempts, jobs) == []


def summary(kills: list[Kill]) -> str:
    counts = Counter((kill.victim, kill.where) for kill in kills)
    return "\n".join(f"{victim:8} {where:25} {count}" for (victim, where), count in sorted(counts.items()))
