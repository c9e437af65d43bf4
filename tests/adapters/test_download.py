"""The download stage on played remotes and local files."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hostile_files import pdf

from Medical_KG_rev import errors
from Medical_KG_rev.adapters.download import PdfDownloadStage
from Medical_KG_rev.adapters.local import LocalAdapter
from Medical_KG_rev.models import (
    AdapterRequest,
    PdfAsset,
    PdfCandidates,
    RawPayload,
    StageContext,
    StoredPdf,
    pdf_folder,
    pdf_key,
)
from Medical_KG_rev.orchestration.resilience import Deadline, ResilientCaller
from Medical_KG_rev.orchestration.stages import check_signature, contracts
from Medical_KG_rev.orchestration.topology import ResiliencePolicyLoader
from Medical_KG_rev.settings import Settings
from Medical_KG_rev.settings_pdf import DownloadSettings
from Medical_KG_rev.storage import FilesystemObjectStore
from Medical_KG_rev.storage.keys import is_key

pytestmark = pytest.mark.component

URL = "https://publisher.example/article.pdf"
AT = "https://93.184.216.34/article.pdf"
CONTEXT = StageContext("default", doc_id="unpaywall:10.9999-x")


def payload(*assets: PdfAsset, source: str = "unpaywall", refusal: str = "") -> RawPayload:
    content = msgspec.json.encode(PdfCandidates(assets=assets, refusal=refusal, title="Invented", metadata={"doi": "10.9999/x"}))
    return RawPayload(source=source, source_id="10.9999/x", format="pdf-asset", content=content, metadata={"kept": True})


def stored(brought: RawPayload) -> StoredPdf:
    assert brought.format == "pdf"
    return msgspec.json.decode(brought.content, type=StoredPdf)


@pytest.fixture
def store(tmp_path: Path) -> FilesystemObjectStore:
    return FilesystemObjectStore(tmp_path / "objects")


def stage_of(store: Any, caller: Any, **limits: Any) -> PdfDownloadStage:
    settings = DownloadSettings.model_validate(limits)
    return PdfDownloadStage(store, caller, caller, settings, resolve=lambda host, port: ["93.184.216.34"])


def test_the_stage_keeps_the_promise_of_its_type(store: Any, caller: Any) -> None:
    stage = stage_of(store, caller)
    check_signature(contracts.DownloadStage, stage)
    assert stage.fingerprint


def test_a_pdf_url_is_streamed_to_its_object_key(store: FilesystemObjectStore, caller: Any, remote_router: Any) -> None:
    asked = remote_router.get(AT).respond(200, content=pdf())
    asset = PdfAsset(url=URL, licence="cc-by", version="publishedVersion")
    (brought,) = stage_of(store, caller).execute(CONTEXT, [payload(asset)])
    digest = hashlib.sha256(pdf()).hexdigest()
    assert stored(brought) == StoredPdf(
        object_key=f"pdf/default/unpaywall:10.9999-x/{digest}.pdf",
        sha256=digest,
        size_bytes=len(pdf()),
        asset=asset,
        title="Invented",
        metadata={"doi": "10.9999/x"},
    )
    assert store.read(stored(brought).object_key) == pdf()
    assert (brought.source, brought.source_id, brought.uri, brought.metadata) == ("unpaywall", "10.9999/x", URL, {"kept": True})
    request = asked.calls[0].request
    assert (request.headers["host"], request.extensions["sni_hostname"]) == ("publisher.example", "publisher.example")
    assert request.headers["user-agent"].startswith("medical-kg-rev/")


def test_503_is_tried_ten_times_more_and_then_named_with_its_url(store: FilesystemObjectStore, remote_router: Any) -> None:
    """Under the shipped policy; its waits are counted, not slept."""
    told: list[tuple[int, float, str]] = []
    policy = ResiliencePolicyLoader(Settings().orchestration_dir()).snapshot.load("polite-api")
    caller = ResilientCaller(
        policy.model_copy(update={"rate_limit": None}),
        name="polite-api",
        sleep=lambda seconds: None,
        on_retry=lambda attempt, wait, error: told.append((attempt, wait, getattr(error, "code", ""))),
    )
    asked = remote_router.get(AT).respond(503, text="overloaded")
    with pytest.raises(errors.PdfDownloadError) as caught:
        stage_of(store, caller).execute(CONTEXT, [payload(PdfAsset(url=URL))])
    caller.close()
    assert asked.call_count == 11
    assert told == [(attempt, float(attempt), "remote_unavailable") for attempt in range(1, 11)]
    assert (caught.value.code, caught.value.url, caught.value.last_code) == ("pdf_download_failed", URL, "remote_unavailable")
    assert URL in caught.value.message
    assert "503: overloaded" in caught.value.message
    assert list(store.keys()) == []


def test_a_closed_article_is_a_final_answer(store: Any, caller: Any) -> None:
    for closed in (payload(refusal="Unpaywall knows no open copy"), payload(PdfAsset(url=URL, is_open_access=False))):
        with pytest.raises(errors.NotOpenAccessError, match=r"is not open: Unpaywall|names no open copy") as caught:
            stage_of(store, caller).execute(CONTEXT, [closed])
        assert not errors.is_transient(caught.value)
    assert caller.calls == 0


def test_a_payload_of_another_kind_is_named(store: Any, caller: Any) -> None:
    for wrong in (msgspec.structs.replace(payload(), format="text"), msgspec.structs.replace(payload(), content=b"{")):
        with pytest.raises(errors.MalformedPayloadError, match=r"10\.9999/x"):
            stage_of(store, caller).execute(CONTEXT, [wrong])


def test_what_comes_is_never_held_in_memory(store: Any, caller: Any, remote_router: Any, tmp_path: Path) -> None:
    """A large file waits on disk, and where that has no room, the error says so."""
    big = pdf(size_bytes=9 * 1024 * 1024)
    remote_router.get(AT).respond(200, content=big)
    (brought,) = stage_of(store, caller).execute(CONTEXT, [payload(PdfAsset(url=URL))])
    assert stored(brought).size_bytes == len(big)
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * 1024, before[1]))
    try:
        with pytest.raises(errors.StorageFullError, match="No room in"):
            stage_of(store, caller).execute(CONTEXT, [payload(PdfAsset(url=URL))])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_store_that_is_away_is_asked_again(store: FilesystemObjectStore, remote_router: Any) -> None:
    remote_router.get(AT).respond(200, content=pdf())
    faults = [errors.StoreUnavailableError("away"), errors.StoreUnavailableError("away")]

    class Shaky:
        keys = store.keys

        def upload(self, key: str, source: Any) -> None:
            if faults:
                source.read(100)
                raise faults.pop()
            store.upload(key, source)

    policy = ResiliencePolicyLoader(Settings().orchestration_dir()).snapshot.load("store-commit")
    caller = ResilientCaller(policy, sleep=lambda seconds: None)
    (brought,) = stage_of(Shaky(), caller).execute(CONTEXT, [payload(PdfAsset(url=URL))])
    caller.close()
    assert faults == []
    assert store.read(stored(brought).object_key) == pdf()


def test_an_upload_that_hangs_disturbs_neither_the_next_nor_another_file(
    store: FilesystemObjectStore, remote_router: Any
) -> None:
    remote_router.get(AT).respond(200, content=pdf())
    released, late = threading.Event(), []

    class Hanging:
        keys = store.keys
        calls = 0

        def upload(self, key: str, source: Any) -> None:
            self.calls += 1
            if self.calls == 1:
                begun = source.read(100)
                released.wait(5)
                late.append(begun + source.read())
            else:
                store.upload(key, source)

    class Impatient:
        deadline = Deadline(0.2)

        def call(self, request: Any) -> Any:
            with suppress(TimeoutError):
                return self.deadline.run(request)
            return request()

    (brought,) = stage_of(Hanging(), Impatient()).execute(CONTEXT, [payload(PdfAsset(url=URL))])
    assert store.read(stored(brought).object_key) == pdf()
    released.set()
    while Impatient.deadline.abandoned:
        time.sleep(0.01)
    assert late == [pdf()]


# --- files of this machine


def listed(path: Path) -> tuple[StageContext, RawPayload]:
    (page,) = LocalAdapter(max_file_bytes=1000, max_pdf_bytes=10**6).list_records(
        AdapterRequest(source="local", paths=(str(path),))
    )
    (record,) = page.records
    assert record.payload is not None
    return StageContext("default", doc_id=record.doc_id), record.payload


def test_a_local_file_is_copied(store: FilesystemObjectStore, caller: Any, tmp_path: Path) -> None:
    path = tmp_path / "an article #1.pdf"
    path.write_bytes(pdf())
    link = tmp_path / "link.pdf"
    link.symlink_to(path)
    for each in (path, link):
        context, record = listed(each)
        (brought,) = stage_of(store, caller).execute(context, [record])
        assert stored(brought).object_key == pdf_key(
            "default", f"local:{hashlib.sha256(pdf()).hexdigest()[:16]}", stored(brought).sha256
        )
        assert store.read(stored(brought).object_key) == pdf()
    assert len(list(store.keys())) == 1


def test_a_local_file_that_is_not_what_was_listed(store: FilesystemObjectStore, caller: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf())
    context, record = listed(path)
    stage = stage_of(store, caller, max_bytes=30_000)
    path.write_bytes(pdf("two"))
    with pytest.raises(errors.PayloadUnreadableError, match="has changed since it was listed"):
        stage.execute(context, [record])
    path.write_bytes(pdf(size_bytes=30_000))
    with pytest.raises(errors.PayloadTooLargeError, match="more than 30000 bytes"):
        stage.execute(context, [record])
    path.unlink()
    with pytest.raises(errors.PayloadUnreadableError, match="cannot be read"):
        stage.execute(context, [record])
    os.mkfifo(path)
    with pytest.raises(errors.UnsupportedFormatError, match="is not a regular file"):
        stage.execute(context, [record])
    path.unlink()
    path.mkdir()
    with pytest.raises(errors.PayloadUnreadableError, match="cannot be read"):
        stage.execute(context, [record])
    assert list(store.keys()) == []


@pytest.mark.parametrize(
    "url", ["https://publisher.example/a.pdf", "file://elsewhere/a.pdf", "a.pdf", "file:a.pdf", "/etc/passwd"]
)
def test_a_local_record_names_files_alone(store: Any, caller: Any, url: str) -> None:
    with pytest.raises(errors.UnsupportedFormatError, match="is no file of this machine"):
        stage_of(store, caller).execute(CONTEXT, [payload(PdfAsset(url=url), source="local")])
    assert caller.calls == 0


def test_no_remote_record_names_a_file(store: Any, caller: Any, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf())
    with pytest.raises(errors.PdfDownloadError, match="is no https address"):
        stage_of(store, caller).execute(CONTEXT, [payload(PdfAsset(url=f"file://{tmp_path}/a.pdf"))])


def test_the_keys_of_all_documents_are_keys_and_differ() -> None:
    ids = ["local:a", "core:10.9999-x", "odd:ä/../b", "odd:" + "x" * 500, "odd:" + "x" * 501, "..", ".", "odd:ä/…/b"]
    folders = {pdf_folder("default", doc_id) for doc_id in ids}
    assert len(folders) == len(ids)
    assert all(is_key(f"{folder}{'0' * 64}.pdf") for folder in folders)
