"""What each command of the interface prints, where, and with which exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from shipped_medkg import Medkg

pytestmark = pytest.mark.e2e

COMMANDS = (
    "demo",
    "ingest",
    "plan",
    "jobs",
    "dlq",
    "gates",
    "ledger",
    "search",
    "eval",
    "show",
    "delete",
    "verify-deletion",
    "index",
    "extract",
    "graph",
    "pipelines",
    "policies",
    "models",
    "doctor",
    "worker",
    "queue",
    "services",
    "ui",
)
SUBCOMMANDS = {
    "jobs": ("list", "show", "retry", "cancel", "watch"),
    "dlq": ("list", "show", "replay", "discard"),
    "gates": ("list", "explain", "open"),
    "ledger": ("status", "migrate"),
    "graph": ("show", "query", "stats", "path", "export"),
    "index": ("verify", "repair", "compact", "reembed"),
    "pipelines": ("list", "show", "validate", "schema", "graph"),
    "policies": ("list", "show"),
    "queue": ("pause", "resume", "drain", "status"),
    "services": ("up", "down", "status", "env", "fetch"),
    "models": ("list", "fetch", "verify"),
}
NOT_BUILT = ("serve",)
STUDY = "clinicaltrials:NCT99990001"

INGEST = {"batch_id", "submitted", "completed", "unchanged", "failed", "waiting_at_gate", "documents", "seconds"}
DOCUMENT = {"job_id", "source_id", "doc_id", "status", "unchanged", "stage", "error", "chunks", "entities", "claims"}
SEARCH = {"query", "took_ms", "legs", "hits", "partial"}
HIT = {"rank", "score", "doc_id", "chunk_id", "title", "text", "source", "section", "page", "bbox", "start", "end", "ranks"}
HIT |= {"entities"}
JOB = {
    *("job_id", "tenant_id", "source", "source_id", "doc_id", "pipeline_name", "pipeline_version", "status", "current_stage"),
    *("flags", "retry_count_per_stage", "stages", "created_at", "updated_at"),
}
STAGE = {
    *("stage", "attempt", "status", "started_at", "finished_at", "duration_ms", "input_digest", "output_count", "worker"),
    *("run_id", "error"),
}
EIGHT_STAGES = ["ingest", "parse", "ir_validation", "chunk", "embed", "index", "extract", "kg"]


def test_help_of_every_command_names_it_and_what_it_offers(library: Medkg) -> None:
    from click.testing import CliRunner

    from Medical_KG_rev.cli.main import medkg

    runner = CliRunner()
    top = runner.invoke(medkg, ["--help"]).output
    for name in COMMANDS:
        assert f"  {name} " in top
        shown = runner.invoke(medkg, [name, "--help"])
        assert shown.exit_code == 0
        assert shown.output.startswith("Usage: ")
        for sub in SUBCOMMANDS.get(name, ()):
            assert f"  {sub} " in shown.output
            inner = runner.invoke(medkg, [name, sub, "--help"])
            assert inner.exit_code == 0
            assert all(option in inner.output for option in ("--tenant", "--profile", "--data-dir", "--json", "--quiet"))
    assert not [name for name in NOT_BUILT if f"  {name} " in top]
    assert library("--help").expect(0).err == ""


@pytest.mark.parametrize("arguments", [("frobnicate",), ("serve", "--port", "1"), ("jobs", "frob"), ("dlq", "frob", "j1")])
def test_an_unknown_command_lists_those_there_are(medkg: Medkg, arguments: tuple[str, ...]) -> None:
    ended = medkg(*arguments).expect(2)
    assert ended.out == ""
    assert "No such command" in ended.err
    valid = SUBCOMMANDS.get(arguments[0], COMMANDS)
    assert all(name in ended.err for name in valid)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("search", "x", "--legs", "sparse"), ("sparse", "bm25", "dense")),
        (("search", "x", "--legs", "bm25,tea"), ("tea", "bm25", "dense")),
        (("search",), ("QUERY", "--batch")),
        (("search", "x", "--no-such-option"), ("--no-such-option",)),
        (("ingest", "pubmedd", "1"), ("pubmedd", "clinicaltrials", "openalex", "pmc-fulltext", "local")),
        (("ingest", "local"), ("paths",)),
        (("ingest", "local", "no/such/folder"), ("no/such/folder",)),
        (("ingest", "clinicaltrials"), ("--query",)),
        (("ingest", "local", ".", "--pipeline", "manual"), ("manual", "auto", "clinical-trials")),
        (("ingest", "local", ".", "--pipeline", "clinical-trials"), ("clinical-trials", "auto", "pdf-two-phase")),
        (("ingest", "clinicaltrials", "--since", "yesterday"), ("yesterday", "2026-01-31")),
        (("ingest", "clinicaltrials", "--since", "last"), ("no complete listing", "date")),
        (("jobs", "list", "--status", "done"), ("done", "completed", "queued")),
        (("jobs", "show", "j-none"), ("j-none",)),
        (("jobs", "retry"), ("--queued", "--failed")),
        (("gates", "open", "j-none"), ("--reason",)),
        (("gates", "explain", "j-none"), ("j-none",)),
        (("pipelines", "show", "autop"), ("autop", "auto", "clinical-trials")),
        (("policies", "show", "rude"), ("rude", "default", "polite-api")),
        (("models", "fetch", "gpt"), ("gpt", "bge-small", "static")),
        (("graph", "query", "MATCH (n) DETACH DELETE n"), ("DETACH", "RETURN")),
        (("graph", "query", "LOAD FROM '/etc/passwd' RETURN *"), ("LOAD",)),
        (("plan", "local", ".", "--tenant", "../x"), ("../x",)),
        (("doctor", "--profile", "cloud"), ("cloud", "embedded")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_wrong_usage_is_exit_code_2_and_lists_what_is_valid(
    library: Medkg, arguments: tuple[str, ...], told: tuple[str, ...]
) -> None:
    before = library.ledger("select count(*) from jobs")
    ended = library(*arguments).expect(2)
    assert ended.out == ""
    assert "Traceback" not in ended.err
    missing = [word for word in told if word not in ended.err]
    assert not missing, ended.err
    assert library.ledger("select count(*) from jobs") == before


def test_a_missing_model_is_exit_code_3_and_names_what_brings_it(library: Medkg, tmp_path: Path, samples: Path) -> None:
    bare = {"MK_MODELS_DIR": str(tmp_path / "no-models")}
    empty = library.on(tmp_path / "bare")
    for command, arguments in ((empty, ("ingest", "local", samples)), (library, ("search", "metformin")), (empty, ("doctor",))):
        ended = command(*arguments, **bare).expect(3)
        assert "medkg models fetch" in ended.err + ended.out
        assert "Traceback" not in ended.err
    assert library("search", "metformin", "--legs", "bm25", **bare).expect(0).out


def test_ingest_json_and_jobs(library: Medkg, samples: Path) -> None:
    result = library("ingest", "local", samples, "--json").expect(0).json
    assert set(result) == INGEST
    assert result["submitted"] == result["completed"] == result["unchanged"] == len(result["documents"]) == 23
    assert result["failed"] == result["waiting_at_gate"] == 0
    assert all(set(document) == DOCUMENT and document["unchanged"] for document in result["documents"])
    listed = library("jobs", "list", "--limit", 100, "--json").expect(0).json
    assert all(job["status"] == "completed" for job in listed)
    first = next(job for job in listed if not job["unchanged"] and job["doc_id"] == STUDY)
    job = library("jobs", "show", first["job_id"], "--json").expect(0).json
    assert set(job) >= JOB
    assert set(job["flags"]) == {"pdf_downloaded", "pdf_ir_ready"}
    assert sorted(stage["stage"] for stage in job["stages"]) == sorted(EIGHT_STAGES)
    assert all(set(stage) == STAGE for stage in job["stages"])
    assert {stage["status"] for stage in job["stages"]} <= {"completed", "skipped"}
    refused = library("jobs", "retry", first["job_id"]).expect(2)
    assert "completed" in refused.err


def test_every_hit_quotes_its_document(library: Medkg) -> None:
    found = library("search", "metformin lactic acidosis", "-k", 3, "--json").expect(0).json
    assert set(found) == SEARCH
    assert set(found["legs"]) == {"bm25", "dense"}
    assert all(set(leg) == {"took_ms", "hits"} for leg in found["legs"].values())
    assert [hit["rank"] for hit in found["hits"]] == [1, 2, 3]
    assert "metformin" in found["hits"][0]["text"].lower()
    for hit in found["hits"]:
        assert set(hit) == HIT
        assert set(hit["ranks"]) <= {"bm25", "dense"}
        assert library("show", hit["doc_id"], "--span", f"{hit['start']}:{hit['end']}").expect(0).out == hit["text"]
        assert library("show", hit["doc_id"], "--chunk", hit["chunk_id"]).expect(0).out == hit["text"]
    explained = library("search", "metformin", "-k", 1, "--explain", "--json").expect(0).json["hits"][0]
    assert set(explained) - {"context"} == {*HIT, "explanation"}
    people = library("search", "metformin lactic acidosis", "-k", 2).expect(0)
    assert people.out.count("\n 2. ") == 1
    assert "2 hits in" in people.err
    assert library("search", "metformin", "--quiet").expect(0).err == ""


def test_show_gives_the_text_and_its_parts(library: Medkg) -> None:
    shown = library("show", STUDY, "--json").expect(0).json
    text = shown["text"]
    assert library("show", STUDY).expect(0).out == text + "\n"
    assert shown["doc_id"] == STUDY
    assert [chunk["text"] for chunk in shown["chunks"]] == [text[chunk["start"] : chunk["end"]] for chunk in shown["chunks"]]
    assert shown["chunks"]
    assert [section["title"] for section in shown["sections"] if section["title"]]
    span = library("show", STUDY, "--span", "3:40", "--json").expect(0).json
    assert span == {"doc_id": STUDY, "start": 3, "end": 40, "text": text[3:40]}
    assert "no chunk" in library("show", STUDY, "--chunk", "nothing").expect(2).err
    for wrong in ("9:3", "0:99999999"):
        assert str(len(text)) in library("show", STUDY, "--span", wrong).expect(2).err
    assert "local:nothing" in library("show", "local:nothing").expect(1).err


def test_batch_search_writes_a_trec_run_that_eval_reads(library: Medkg, tmp_path: Path) -> None:
    queries, run, qrels = tmp_path / "queries.jsonl", tmp_path / "run.txt", tmp_path / "qrels.tsv"
    queries.write_text('{"_id": "q1", "text": "metformin lactic acidosis"}\n\n{"_id": "q2", "text": "sciatica exercises"}\n')
    summary = library("search", "--batch", queries, "-k", 7, "--run-file", run, "--json").expect(0).json
    assert summary["queries"] == 2
    rows = [line.split(" ") for line in run.read_text().splitlines()]
    assert all(len(row) == 6 and row[1] == "Q0" for row in rows)
    for query in ("q1", "q2"):
        own = [row for row in rows if row[0] == query]
        assert [int(row[3]) for row in own] == list(range(1, len(own) + 1))
        assert len({row[2] for row in own}) == len(own) <= 7
        assert [float(row[4]) for row in own] == sorted((float(row[4]) for row in own), reverse=True)
    best = rows[0][2]
    qrels.write_text(f"query-id\tcorpus-id\tscore\nq1\t{best}\t1\n")
    measured = library("eval", run, qrels, "--k", "1,5", "--json").expect(0).json
    assert measured["measures"]["ndcg@1"] == 1.0
    assert measured["measures"]["recall@5"] == 1.0
    (tmp_path / "bad.jsonl").write_text('{"_id": "q1"}\n')
    assert "bad.jsonl:1" in library("search", "--batch", tmp_path / "bad.jsonl", "--run-file", run).expect(2).err
    assert "--run-file" in library("search", "--batch", queries).expect(2).err
    assert "--k" in library("eval", run, qrels, "--k", "ten").expect(2).err
    (tmp_path / "bad.run").write_text("q1 Q0\n")
    assert library("eval", tmp_path / "bad.run", qrels).code in (1, 2)


def test_graph_commands(library: Medkg) -> None:
    stats = library("graph", "stats", "--json").expect(0).json
    assert stats["documents"] == 23
    assert stats["claims"] > 100
    by_id = library("graph", "show", "mesh:d008687", "--json").expect(0).json
    assert by_id["entity"]["id"] == "MESH:D008687"
    rows = library("graph", "query", "MATCH (e) RETURN count(e) AS n", "--json").expect(0).json
    assert rows["columns"] == ["n"]
    assert rows["rows"][0][0] > 100
    assert "nothing" in library("graph", "show", "phlogiston").expect(1).err
    assert library("graph", "query", "MATCH (e RETURN e").expect(2).out == ""


def test_configuration_commands(library: Medkg, tmp_path: Path) -> None:
    names = {pipeline["name"] for pipeline in library("pipelines", "list", "--json").expect(0).json}
    assert names >= {"auto", "clinical-trials", "pdf-two-phase", "pmc-fulltext"}
    assert [stage["name"] for stage in library("pipelines", "show", "auto", "--json").expect(0).json["stages"]]
    assert set(library("pipelines", "validate", "--json").expect(0).json["valid"]) == names
    assert library("pipelines", "schema").expect(0).json["$schema"]
    assert library("pipelines", "graph", "auto", "--mermaid").expect(0).out.startswith(("graph", "flowchart"))
    assert set(library("policies", "list", "--json").expect(0).json) >= {"default", "gpu-bound", "polite-api"}
    assert library("policies", "show", "polite-api", "--json").expect(0).json["max_attempts"] == 11
    broken = tmp_path / "broken.yaml"
    broken.write_text("name: broken\nversion: '1.0'\nstages: nothing\n")
    assert "broken.yaml" in library("pipelines", "validate", broken).expect(2).err


def test_models_and_doctor(library: Medkg) -> None:
    models = library("models", "list", "--json").expect(0).json
    assert {model["name"] for model in models} >= {"bge-small", "minilm", "static"}
    health = library("doctor", "--json").expect(0).json
    assert health["ok"]
    assert all(set(check) == {"part", "ok", "message", "remedy"} for check in health["checks"])


def test_the_demo_is_quick_to_repeat_and_prints_data_on_standard_output_only(library: Medkg) -> None:
    shown = library("demo", "--json").expect(0).json
    assert set(shown) == {"ingest", "searches", "graph"}
    assert len(shown["searches"]) == 3
    assert all(found["hits"] for found in shown["searches"].values())
    assert json.dumps(shown["graph"])


def test_a_reader_that_stops_reading_is_no_error(library: Medkg) -> None:
    ended = library(prefix=("/bin/sh", "-c", '"$@" jobs list --json --limit 10000 | head -c 1', "sh"))
    assert ended.code == 0
    assert "Traceback" not in ended.err
