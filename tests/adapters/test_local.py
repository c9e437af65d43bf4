"""Files and folders: everything is listed once, in order, and nothing stops the listing."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from Medical_KG_rev.adapters.local import LocalAdapter
from Medical_KG_rev.errors import PayloadError, UsageError
from Medical_KG_rev.models import AdapterRequest, ListedRecord, ListingPage, PdfAsset, PdfCandidates

pytestmark = pytest.mark.component

NOW = datetime(2026, 1, 31, tzinfo=UTC)


def adapter(max_file_bytes: int = 100_000, page_bytes: int = 10_000_000, max_pdf_bytes: int = 1_000_000) -> LocalAdapter:
    return LocalAdapter(max_file_bytes=max_file_bytes, max_pdf_bytes=max_pdf_bytes, now=lambda: NOW, page_bytes=page_bytes)


def pages(*paths: Path, cursor: str | None = None, source: LocalAdapter | None = None, **more: object) -> list[ListingPage]:
    request = AdapterRequest(source="local", paths=tuple(map(str, paths)), **more)  # type: ignore[arg-type]
    return list((source or adapter()).list_records(request, cursor))


def listed(*paths: Path, source: LocalAdapter | None = None, **more: object) -> list[ListedRecord]:
    return [record for page in pages(*paths, source=source, **more) for record in page.records]


def study(nct: str) -> bytes:
    return json.dumps({"protocolSection": {"identificationModule": {"nctId": nct}}}).encode()


def lines(count: int, start: int = 0) -> bytes:
    return b"".join(b'{"_id":"r%d","title":"t","text":"x"}\n' % number for number in range(start, start + count))


def test_a_folder_is_listed_in_order_with_whole_records(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "NCT.json").write_bytes(study("NCT99990001"))
    (tmp_path / "a.txt").write_text("words")
    (tmp_path / "c.json").write_bytes(b'{"studies":[' + study("NCT99990002") + b"," + study("NCT99990003") + b"]}")
    (tmp_path / "d.jsonl").write_bytes(lines(2))
    (tmp_path / ".hidden").write_text("words")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.txt").write_text("words")

    records = listed(tmp_path)

    assert [record.source_id for record in records] == [
        f"{tmp_path}/a.txt",
        f"{tmp_path}/b/NCT.json",
        f"{tmp_path}/c.json#NCT99990002",
        f"{tmp_path}/c.json#NCT99990003",
        "r0",
        "r1",
    ]
    assert all(record.payload and record.payload.source_id == record.source_id for record in records)
    by_id = {record.doc_id: record.payload for record in records}
    payload = by_id["clinicaltrials:NCT99990002"]
    assert payload is not None
    assert (payload.source, payload.format, payload.content) == ("clinicaltrials", "ctgov-json", study("NCT99990002"))
    assert (payload.uri, payload.retrieved_at, payload.adapter_version) == (f"file://{tmp_path}/c.json", NOW, "1.0")
    record = by_id["local:r1"]
    assert record is not None
    assert (record.source, record.format, record.content) == ("local", "record-json", b'{"_id":"r1","title":"t","text":"x"}')


def test_obstacles_are_records_with_errors(tmp_path: Path) -> None:
    (tmp_path / "big.txt").write_text("x" * 200)
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    (tmp_path / "empty.xml").touch()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "ok.txt").write_text("words")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/z\xff.txt")).write_text("words")

    records = listed(tmp_path, source=adapter(max_file_bytes=100))

    found = {Path(record.source_id).name: record.error.code if record.error else None for record in records}
    assert found == {
        "big.txt": "payload_too_large",
        "broken": "payload_unreadable",
        "circle": "payload_unreadable",
        "empty.xml": "payload_empty",
        "fifo": "format_unsupported",
        "loop": "payload_unreadable",
        "ok.txt": None,
        "z\\xff.txt": "payload_unreadable",
    }
    assert all(record.source_id in record.error.message for record in records if record.error)


def test_cursors_can_tell_names_that_are_no_text_and_folders_without_end(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xff.txt")).write_text("words")
    (tmp_path / "c.txt").write_text("words")
    (tmp_path / "\u00e4.txt").write_text("words")
    here = tmp_path / "a"
    for _ in range(600):  # deeper than Python's recursion
        here = here / "d"
    here.mkdir(parents=True)
    (here / "deep.txt").write_text("words")
    one = adapter(page_bytes=0)
    everything = pages(tmp_path, source=one)
    names = [Path(record.source_id).name for page in everything for record in page.records]
    assert names == ["deep.txt", "b\\xff.txt", "c.txt", "\u00e4.txt"]
    for number, page in enumerate(everything[:-1], start=1):
        assert len(pages(tmp_path, source=one, cursor=page.next_cursor)) == len(names) - number


def test_a_folder_is_listed_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.txt").write_text("words")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert len(listed(tmp_path, tmp_path / "a")) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_file_and_folder(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch(mode=0)
    (tmp_path / "b").mkdir(mode=0)
    try:
        assert [record.error.code for record in listed(tmp_path) if record.error] == ["payload_unreadable"] * 2
    finally:
        (tmp_path / "b").chmod(0o700)


def test_permission_denied_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("words")
    (tmp_path / "b.txt").write_text("words")

    def deny(path: str, size: int) -> bytes:
        if path.endswith("a.txt"):
            raise PermissionError(13, "Permission denied", path)
        return Path(path).read_bytes()[:size]

    monkeypatch.setattr("Medical_KG_rev.adapters.local._read", deny)
    first, second = listed(tmp_path)
    assert first.error is not None
    assert "permission denied" in first.error.message
    assert second.error is None


def test_bad_lines_name_their_line_and_stop_nothing(tmp_path: Path) -> None:
    corpus = tmp_path / "c.jsonl"
    long = b'{"_id":"long","text":"' + b"x" * 300 + b'"}\n'
    corpus.write_bytes(b"\xef\xbb\xbf" + lines(1) + b"\n{oops\n" + long + lines(1, 5) + b'{"_id":"last","text":"no newline"}')
    records = listed(corpus, source=adapter(max_file_bytes=100))
    assert [(record.source_id, record.error.code if record.error else None) for record in records] == [
        ("r0", None),
        (f"{corpus}:3", "payload_malformed"),
        (f"{corpus}:4", "payload_too_large"),
        ("r5", None),
        ("last", None),
    ]
    (tmp_path / "blank.jsonl").write_bytes(b"\n \n")
    assert [record.error.code for record in listed(tmp_path / "blank.jsonl") if record.error] == ["payload_empty"]


def test_json_lines_may_be_larger_than_a_file(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_bytes(lines(1200))
    found = pages(tmp_path, source=adapter(max_file_bytes=200))
    assert [len(page.records) for page in found] == [500, 500, 200]


def test_both_claims_of_one_document_are_kept_in_order(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_bytes(b'{"_id":"1","text":"old"}\n{"_id":"1","text":"new"}\n')
    assert [record.payload.content[-5:] for record in listed(tmp_path) if record.payload] == [b'old"}', b'new"}']


def build_tree(folder: Path) -> None:
    (folder / "a").mkdir()
    (folder / "a" / "x.jsonl").write_bytes(lines(7) + b"oops\n")
    (folder / "b.json").write_bytes(b'{"studies":[' + b",".join(study(f"NCT9999000{n}") for n in range(5)) + b"]}")
    (folder / "c.bin").write_bytes(b"\0")
    (folder / "d.txt").write_text("words")


def test_every_cursor_resumes_where_its_page_ended(tmp_path: Path) -> None:
    build_tree(tmp_path)
    one = adapter(page_bytes=1)
    everything = pages(tmp_path, source=one)
    ids = [record.source_id for page in everything for record in page.records]
    assert len(ids) == 15
    assert everything[-1].next_cursor is None
    seen = 0
    for page in everything[:-1]:
        seen += len(page.records)
        rest = [record.source_id for more in pages(tmp_path, cursor=page.next_cursor, source=one) for record in more.records]
        assert rest == ids[seen:]


def test_a_cursor_survives_files_that_come_and_go(tmp_path: Path) -> None:
    build_tree(tmp_path)
    cursor = pages(tmp_path, source=adapter(page_bytes=1))[3].next_cursor
    (tmp_path / "a" / "x.jsonl").unlink()
    (tmp_path / "0.txt").write_text("before")
    rest = [record.source_id for page in pages(tmp_path, cursor=cursor) for record in page.records]
    assert rest[0] == f"{tmp_path}/b.json#NCT99990000"


def test_limit_holds_over_a_restart(tmp_path: Path) -> None:
    build_tree(tmp_path)
    first = pages(tmp_path, source=adapter(page_bytes=1), limit=4)
    assert sum(len(page.records) for page in first) == 4
    rest = pages(tmp_path, source=adapter(page_bytes=1), limit=4, cursor=first[0].next_cursor)
    assert sum(len(page.records) for page in first[:1] + rest) == 4
    assert listed(tmp_path, limit=0) == []


def test_since_takes_files_changed_on_or_after_the_day(tmp_path: Path) -> None:
    for name, day in (("old.txt", datetime(2026, 1, 30, 23, tzinfo=UTC)), ("new.txt", datetime(2026, 1, 31, tzinfo=UTC))):
        (tmp_path / name).write_text("words")
        os.utime(tmp_path / name, (day.timestamp(), day.timestamp()))
    assert [Path(record.source_id).name for record in listed(tmp_path, since="2026-01-31")] == ["new.txt"]


@pytest.mark.parametrize(
    ("request_of", "cursor", "says"),
    [
        (lambda folder: AdapterRequest(source="local"), None, "at least one path"),
        (lambda folder: AdapterRequest(source="local", query="x"), None, "not a query"),
        (lambda folder: AdapterRequest(source="local", paths=(f"{folder}/none",)), None, "no file or folder"),
        (lambda folder: AdapterRequest(source="local", paths=(str(folder),), since="soon"), None, "2026-01-31"),
        (lambda folder: AdapterRequest(source="local", paths=(str(folder),)), "{}", "not a cursor"),
        (lambda folder: AdapterRequest(source="local", paths=(str(folder),)), "oops", "not a cursor"),
    ],
)
def test_wrong_requests(tmp_path: Path, request_of: Callable[[Path], AdapterRequest], cursor: str | None, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        adapter().list_records(request_of(tmp_path), cursor)


def test_fetch_reads_records_again(tmp_path: Path) -> None:
    build_tree(tmp_path)
    (tmp_path / "odd#name.txt").write_text("words")
    ids = [record.source_id for record in listed(tmp_path) if record.payload]
    fetched = adapter().fetch(AdapterRequest(source="local", ids=tuple(ids), paths=(str(tmp_path),)))
    assert [payload.source_id for payload in fetched] == ids
    single = (f"{tmp_path}/b.json#NCT99990003", f"{tmp_path}/odd#name.txt", f"{tmp_path}/gone.txt")
    fetched = adapter().fetch(AdapterRequest(source="local", ids=single))
    assert [payload.source_id for payload in fetched] == list(single[:2])
    with pytest.raises(PayloadError, match="NUL"):
        adapter().fetch(AdapterRequest(source="local", ids=(f"{tmp_path}/c.bin",)))


def test_pdfs_are_listed_by_their_bytes_which_stay_where_they_are(tmp_path: Path) -> None:
    content = b"%PDF-1.7\n" + b"x" * 200_000
    (tmp_path / "a.pdf").write_bytes(content)
    (tmp_path / "b.bin").write_bytes(b"%PDF-1.7\nother")
    (tmp_path / "c d.PDF").write_bytes(b"junk before it\n%PDF-1.7\n")
    (tmp_path / "e.pdf").write_bytes(b"<!DOCTYPE html><html>Sign in</html>")
    (tmp_path / "f.pdf").write_bytes(b"")
    (tmp_path / "g.pdf").write_bytes(b"\0\1")
    (tmp_path / "h.txt").write_text("A text on the mark %PDF-1.7 of files.")
    (tmp_path / "i.pdf").write_bytes(content * 6)

    records = {Path(record.source_id).name: record for record in listed(tmp_path)}

    told = {
        name: (record.error.code if record.error else record.payload and record.payload.format)
        for name, record in records.items()
    }
    assert told == {
        "a.pdf": "pdf-asset",
        "b.bin": "pdf-asset",
        "c d.PDF": "pdf-asset",
        "e.pdf": "format_unsupported",
        "f.pdf": "payload_empty",
        "g.pdf": "payload_malformed",
        "h.txt": "text",
        "i.pdf": "payload_too_large",
    }
    digest = hashlib.sha256(content).hexdigest()
    record = records["a.pdf"]
    assert record.payload is not None
    assert (record.doc_id, record.payload.source, record.payload.source_id) == (
        f"local:{digest[:16]}",
        "local",
        str(tmp_path / "a.pdf"),
    )
    found = msgspec.json.decode(record.payload.content, type=PdfCandidates)
    assert found.assets == (PdfAsset(url=f"file://{tmp_path}/a.pdf", checksum=f"sha256:{digest}", host="local"),)
    assert len(record.payload.content) < 500
    spaced = records["c d.PDF"].payload
    assert spaced is not None
    assert spaced.uri == f"file://{tmp_path}/c%20d.PDF"
    (fetched,) = adapter().fetch(AdapterRequest(source="local", ids=(record.source_id,)))
    assert fetched.digest() == record.payload.digest()


def test_every_bad_pdf_is_listed_or_refused_by_name(test_data: Path) -> None:
    records = {
        Path(record.source_id).name: record for record in listed(test_data / "pdf_bad", source=adapter(max_pdf_bytes=10**8))
    }
    refused = {name: record.error.code for name, record in records.items() if record.error}
    assert refused == {"html_error_page_named.pdf": "format_unsupported", "zero_bytes.pdf": "payload_empty"}
    assert {record.payload.format for record in records.values() if record.payload} == {"pdf-asset"}
    assert len(records) == 27
