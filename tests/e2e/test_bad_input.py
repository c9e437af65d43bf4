"""One folder with everything that can be wrong with a file, among good ones."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from shipped_medkg import Medkg, worker_of

pytestmark = pytest.mark.e2e

ARTICLE = (
    '<?xml version="1.0"?>\n<!DOCTYPE article [{}]>\n'
    '<article><front><article-meta><article-id pub-id-type="pmc">{}</article-id></article-meta></front>'
    "<body><p>&b;</p></body></article>"
)
DOCTYPE_BOMB = ARTICLE.format('<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">', "PMC9990101")
EXTERNAL_ENTITY = ARTICLE.format('<!ENTITY b SYSTEM "file:///etc/passwd">', "PMC9990102")

BAD: dict[str, tuple[bytes, str]] = {
    "truncated.json": (b'{"protocolSection": {"identificationModule": {"nctId": "NCT9999', "payload_malformed"),
    "invalid.json": (b"nothing like JSON {", "payload_malformed"),
    "v1.json": (b'{"FullStudiesResponse": {"APIVrs": "1.01.05", "FullStudies": []}}', "format_unsupported"),
    "registry.xml": (
        b'<?xml version="1.0"?><clinical_study><id_info><nct_id>NCT99990001</nct_id></id_info></clinical_study>',
        "format_unsupported",
    ),
    "bomb.xml": (DOCTYPE_BOMB.encode(), "content_hostile"),
    "external.xml": (EXTERNAL_ENTITY.encode(), "content_hostile"),
    "bmc.xml": (b'<?xml version="1.0"?><art><ui>1471-2180-11-174</ui><fm></fm></art>', "format_unsupported"),
    "page.xml": (b"<!DOCTYPE html><html><head><title>Not found</title></head><body>404</body></html>", "format_unsupported"),
    "empty.json": (b"", "payload_empty"),
    "nul.txt": (b"words \0 and NUL bytes", "payload_malformed"),
    "nameless.json": (b'{"protocolSection": {"identificationModule": {"briefTitle": "No id"}}}', "identifier_missing"),
    "record.jsonl": (b'{"title": "No id", "text": "words"}\n', "identifier_missing"),
    "deep.json": (b"[" * 100_000, "content_hostile"),
    "deep.xml": (
        b'<article><front><article-meta><article-id pub-id-type="pmc">PMC9990103</article-id></article-meta></front><body>'
        + b"<sec>" * 5000,
        "content_hostile",
    ),
}


@pytest.fixture
def folder(tmp_path: Path, samples: Path) -> Path:
    made = tmp_path / "mixed"
    shutil.copytree(samples, made / "good")
    for name, (content, _code) in BAD.items():
        (made / name).write_bytes(content)
    with (made / "large.json").open("wb") as file:
        file.truncate(200 * 1024 * 1024)
    (made / "bare.json").write_text('{"protocolSection": {"identificationModule": {"nctId": "NCT99990100"}}}')
    (made / "loop").symlink_to(made)
    return made


def test_each_bad_file_is_named_with_the_right_reason_and_the_rest_completes(medkg: Medkg, folder: Path) -> None:
    result = medkg("ingest", "local", folder, "--json").expect(1).json
    failed = {Path(d["source_id"]).name.split(":")[0]: d["error"]["code"] for d in result["documents"] if d["error"]}
    expected = {name: code for name, (_content, code) in BAD.items()}
    assert {name: failed.get(name) for name in expected} == expected
    assert failed["large.json"] == "payload_too_large"
    assert all(d["error"]["message"] for d in result["documents"] if d["error"])
    done = {d["doc_id"] for d in result["documents"] if d["status"] == "completed"}
    assert "clinicaltrials:NCT99990100" in done, "all optional modules may be missing"
    assert len(done) == 23 + 1
    assert "root:" not in json.dumps(result)


def test_an_unreadable_file_fails_alone(medkg: Medkg, tmp_path: Path) -> None:
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0 or setpriv is None:
        pytest.skip("needs root and setpriv to become an unprivileged user")
    records = tmp_path / "records"
    records.mkdir()
    (records / "secret.txt").write_text("nobody may read this")
    (records / "secret.txt").chmod(0)
    (records / "open.txt").write_text("Everybody may read this invented note.")
    medkg.data_dir.mkdir(parents=True)
    readable = [*tmp_path.parents][:-1]
    if not all(parent.stat().st_mode & 0o005 == 0o005 for parent in readable) or not _interpreter_is_public():
        pytest.skip("an unprivileged user cannot reach the test's folders or the interpreter")
    os.chown(medkg.data_dir, 65534, 65534)
    prefix = [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups"]
    result = medkg("ingest", "local", records, "--json", prefix=prefix, HOME=str(medkg.data_dir)).expect(1).json
    states = {Path(d["source_id"]).name: (d["status"], (d["error"] or {}).get("code")) for d in result["documents"]}
    assert states == {"secret.txt": ("failed", "payload_unreadable"), "open.txt": ("completed", None)}


def _interpreter_is_public() -> bool:
    import sys

    paths = [
        Path(sys.executable),
        *Path(sys.executable).parents,
        *Path(sys.executable).resolve().parents,
        *Path(__file__).parents,
    ]
    return all(path.stat().st_mode & 0o005 == 0o005 for path in paths)


def test_of_two_records_of_one_document_the_last_wins_and_is_named(medkg: Medkg, tmp_path: Path) -> None:
    file = tmp_path / "twice.jsonl"
    rows = [{"_id": "d", "title": "One", "text": "Aspirin first."}, {"_id": "d", "title": "Two", "text": "Ibuprofen second."}]
    file.write_text("\n".join(map(json.dumps, rows)))
    finished = medkg("ingest", "local", file).expect(0)
    assert "replaced by a later record" in finished.err
    assert "Ibuprofen second." in medkg("show", "local:d").out
    assert medkg("search", "aspirin", "--legs", "bm25", "--json").json["hits"] == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("!!python/object/apply:os.system ['true']", "tag"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]", "alias"),
        ("version: '1.0'\nname: auto\ndescription: d\napplicable_sources: [local]\nstages: 7", "stages"),
        (
            (
                "version: '1.0'\nname: auto\ndescription: d\napplicable_sources: [local]\nstages:\n"
                "  - {name: a, type: parse, policy: default, depends_on: [b]}\n"
                "  - {name: b, type: chunk, policy: default, depends_on: [a]}"
            ),
            "Cycle detected",
        ),
        (
            (
                "version: '1.0'\nname: auto\ndescription: d\napplicable_sources: [nowhere]\nstages:\n"
                "  - {name: a, type: unheard, policy: default}"
            ),
            "nowhere",
        ),
    ],
)
def test_hostile_or_mistyped_yaml_stops_before_anything_is_submitted(
    medkg: Medkg, tmp_path: Path, samples: Path, content: str, told: str
) -> None:
    from Medical_KG_rev.settings import Settings

    config = tmp_path / "config"
    shutil.copytree(Settings().orchestration_dir(), config)
    (config / "pipelines" / "auto.yaml").write_text(content)
    finished = medkg("ingest", "local", samples, "--json", MK_CONFIG_DIR=str(config)).expect(2)
    assert told in finished.err
    assert "auto.yaml" in finished.err
    assert finished.out == ""
    assert not (medkg.data_dir / "ledger.db").exists() or medkg.ledger("SELECT count(*) FROM jobs") == [(0,)]


def test_a_full_disk_keeps_what_was_committed(medkg: Medkg, tmp_path: Path) -> None:
    prlimit = shutil.which("prlimit")
    if prlimit is None:
        pytest.skip("needs prlimit to bound the size of files")
    file = tmp_path / "records.jsonl"
    text = "An invented abstract about metformin and lactate. " * 40
    file.write_text("\n".join(json.dumps({"_id": f"r{n}", "title": f"Record {n}", "text": text}) for n in range(300)))
    small = medkg.on(medkg.data_dir, MK_BATCH__SIZE="50")
    full = small("ingest", "local", file, "--json", prefix=[prlimit, f"--fsize={600 * 1024}"])
    assert full.code in (1, 3), full.err
    assert full.err.strip()
    result = small("ingest", "local", file, "--json").expect(0).json
    assert result["completed"] == result["submitted"] == 300
    assert small("graph", "stats", "--json").json["documents"] == 300


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_what_was_committed_and_a_second_run_resumes(
    medkg: Medkg, tmp_path: Path, number: signal.Signals
) -> None:
    file = tmp_path / "records.jsonl"
    file.write_text(
        "\n".join(json.dumps({"_id": f"r{n}", "title": f"R {n}", "text": f"Invented words {n}."}) for n in range(1200))
    )
    small = medkg.on(medkg.data_dir, MK_BATCH__SIZE="100")
    command = small.start("ingest", "local", file, "--json", "--quiet")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (small.data_dir / "ledger.db").exists() and worker_of(command.pid):
            try:
                if small.ledger("SELECT count(*) FROM jobs WHERE status = 'completed'")[0][0] >= 100:
                    break
            except Exception:  # noqa: BLE001 - the tables may not be there yet
                pass
        time.sleep(0.05)
    command.send_signal(number)
    _out, err = command.communicate(timeout=60)
    assert command.returncode == 130, err
    committed = small.ledger("SELECT count(*) FROM jobs WHERE status = 'completed'")[0][0]
    assert committed >= 100
    assert small.ledger("SELECT count(*) FROM jobs WHERE status = 'running'") == [(0,)]
    result = small("ingest", "local", file, "--json").expect(0).json
    assert (result["completed"], result["submitted"]) == (1200, 1200)
    assert result["unchanged"] >= committed
