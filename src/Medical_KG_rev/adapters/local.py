"""Files and folders of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from urllib.parse import quote

from Medical_KG_rev.adapters import cursors
from Medical_KG_rev.adapters.cursors import FileCursor
from Medical_KG_rev.adapters.download.files import digest_of
from Medical_KG_rev.adapters.files import FoundFile, absolute, find_files, unreadable
from Medical_KG_rev.adapters.formats import is_json_lines, is_pdf_file, record_doc_id, records, sniff
from Medical_KG_rev.adapters.open_copies import asset_payload
from Medical_KG_rev.errors import PayloadError, PayloadTooLargeError, UsageError
from Medical_KG_rev.models import AdapterRequest, ErrorInfo, ListedRecord, ListingPage, PdfAsset, PdfCandidates, RawPayload

PAGE_RECORDS = 500
PAGE_BYTES = 32 * 1024 * 1024
"""A page ends at whichever comes first, so that a listing never holds many files in memory."""
HEAD_BYTES = 64 * 1024


WHOLE_FILE = -1
"""``FileCursor.done`` of a file of which nothing is left."""


@dataclass(frozen=True, slots=True)
class _Position:
    """A record and where the listing goes on after it, within its file."""

    record: ListedRecord
    done: int
    offset: int = 0
    error: PayloadError | None = None


class LocalAdapter:
    """Reads ClinicalTrials.gov v2 JSON, OpenAlex JSON, JATS XML, plain text and JSON Lines, and finds PDF files.

    ``source_id`` is a file's absolute path, ``path#id`` for a record inside a page, and ``_id`` for a JSON Lines record.
    A payload's ``source`` is that of its document id, so that a study read from a file is the study that the API serves.
    Of a PDF the payload says only where it lies and what its digest is: its bytes go their own way.
    """

    name = "local"
    version = "1.0"

    def __init__(
        self,
        *,
        max_file_bytes: int,
        max_pdf_bytes: int,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        page_bytes: int = PAGE_BYTES,
    ) -> None:
        self._max_file_bytes = max_file_bytes
        self._max_pdf_bytes = max_pdf_bytes
        self._now = now
        self._page_bytes = page_bytes

    def list_records(self, request: AdapterRequest, cursor: str | None = None) -> Iterator[ListingPage]:
        """Pages of at most 500 records, whole ones with their payload; what cannot be read is a record with its error.

        Raises:
            UsageError: no path, a path that does not exist, a query, or a cursor of another source.
        """
        if request.query is not None:
            raise UsageError("`local` takes paths of files and folders, not a query.")
        roots = [absolute(path) for path in request.paths or request.ids]
        if not roots:
            raise UsageError("`local` needs at least one path of a file or folder.")
        position = cursors.decode(FileCursor, cursor) if cursor is not None else FileCursor(0, ())
        missing = [root for root in roots if not Path(root).exists() and not Path(root).is_symlink()]
        if missing and cursor is None:
            raise UsageError(f"There is no file or folder {missing[0]}.", path=missing[0])
        since = cursors.checked_date(request.since, self.name) if request.since else None
        return self._pages(roots, position, since, request.limit)

    def fetch(self, request: AdapterRequest) -> list[RawPayload]:
        """The records of ``request.ids``, read again from the files they were listed from.

        JSON Lines ids are found only where ``request.paths`` says in which files.

        Raises:
            PayloadError: a file cannot be read or is in no supported format.
        """
        wanted = set(request.ids)
        roots = request.paths or tuple(dict.fromkeys(_file_of(source_id) for source_id in request.ids))
        found: list[RawPayload] = []
        for file in find_files([absolute(path) for path in roots if Path(path).exists()]):
            for position in self._records(file, FileCursor(*file.key)):
                record = position.record
                if record.source_id not in wanted:
                    continue
                if position.error is not None:
                    raise position.error
                if record.payload is not None:
                    found.append(record.payload)
        return found

    def close(self) -> None:
        """Nothing stays open between calls."""

    def _pages(self, roots: Sequence[str], start: FileCursor, since: str | None, limit: int | None) -> Iterator[ListingPage]:
        page: list[ListedRecord] = []
        size, following = 0, start
        for file, position in self._walk(roots, start, since):
            if limit is not None and following.listed >= limit:
                break
            if page and (len(page) >= PAGE_RECORDS or size >= self._page_bytes):
                yield ListingPage(records=tuple(page), next_cursor=cursors.encode(following))
                page, size = [], 0
            page.append(position.record)
            size += len(position.record.payload.content) if position.record.payload else 0
            following = FileCursor(*file.key, position.done, position.offset, following.listed + 1)
        yield ListingPage(records=tuple(page))

    def _walk(self, roots: Sequence[str], start: FileCursor, since: str | None) -> Iterator[tuple[FoundFile, _Position]]:
        first = (start.root, start.parts)
        oldest = datetime.combine(date.fromisoformat(since), time(), UTC).timestamp() if since else None
        for file in find_files(roots):
            if file.key < first or (oldest is not None and file.error is None and file.modified < oldest):
                continue
            resume = start if file.key == first else FileCursor(*file.key)
            for position in self._records(file, resume):
                yield file, position

    def _records(self, file: FoundFile, start: FileCursor) -> Iterator[_Position]:
        """A file's records after ``start``; an obstacle is a record too, and the file's last."""
        if start.done == WHOLE_FILE:
            return
        try:
            if file.error is not None:
                raise file.error
            head = _read(file.path, HEAD_BYTES)
            if is_pdf_file(head, file.path):
                yield _Position(self._pdf(file.path), WHOLE_FILE)
            elif is_json_lines(head, file.path):
                yield from self._lines(file.path, start)
            else:
                content = self._content(file, head)
                yield from self._members(file.path, content, start.done)
        except OSError as error:
            yield _refused(file.path, unreadable(file.path, error))
        except PayloadError as error:
            yield _refused(file.path, error)

    def _pdf(self, path: str) -> ListedRecord:
        """A PDF file goes by the digest of its bytes, which are read once and not kept."""
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - as elsewhere here
            sha256, _size = digest_of(file, path, self._max_pdf_bytes)
        asset = PdfAsset(url=_uri(path), checksum=f"sha256:{sha256}", host="local")
        payload = asset_payload(
            source=self.name,
            source_id=path,
            candidates=PdfCandidates(assets=(asset,)),
            uri=asset.url,
            adapter_version=self.version,
            retrieved_at=self._now(),
        )
        return ListedRecord(source_id=path, doc_id=f"{self.name}:{sha256[:16]}", payload=payload)

    def _content(self, file: FoundFile, head: bytes) -> bytes:
        if file.size_bytes > self._max_file_bytes:
            raise _too_large(file.path, file.size_bytes, self._max_file_bytes)
        content = head if len(head) < HEAD_BYTES else _read(file.path, self._max_file_bytes + 1)
        if len(content) > self._max_file_bytes:
            raise _too_large(file.path, len(content), self._max_file_bytes)
        return content

    def _members(self, path: str, content: bytes, done: int) -> Iterator[_Position]:
        sniffed = sniff(content, path)
        uri, retrieved_at = _uri(path), self._now()
        for number, found in enumerate(records(content, sniffed, path), start=1):
            if number <= done:
                continue
            source_id = f"{path}#{found.key}" if found.key else path
            if found.error is not None:
                yield _refused(source_id, found.error, number)
            else:
                record = self._whole(source_id, found.format, found.content, found.doc_id or "", uri, retrieved_at)
                yield _Position(record, number)

    def _whole(self, source_id: str, format: str, content: bytes, doc_id: str, uri: str, retrieved_at: datetime) -> ListedRecord:
        payload = RawPayload(
            source=doc_id.partition(":")[0],
            source_id=source_id,
            format=format,
            content=content,
            uri=uri,
            adapter_version=self.version,
            retrieved_at=retrieved_at,
        )
        return ListedRecord(source_id=source_id, doc_id=doc_id, payload=payload)

    def _lines(self, path: str, start: FileCursor) -> Iterator[_Position]:
        """The records of a JSON Lines file, read line by line; blank lines are passed over."""
        uri, retrieved_at, limit = _uri(path), self._now(), self._max_file_bytes
        number, offset, found = start.done, start.offset, bool(start.done)
        with Path(path).open("rb") as file:
            file.seek(offset)
            while line := file.readline(limit + 1):
                number += 1
                offset += len(line)
                name = f"{path}:{number}"
                if len(line) > limit and not line.endswith(b"\n"):
                    offset += _skip_line(file.readline)
                    yield _refused(name, _too_large(name, len(line), limit), number, offset)
                elif line := line.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n"):
                    try:
                        source_id, doc_id = record_doc_id(line, name)
                    except PayloadError as error:
                        yield _refused(name, error, number, offset)
                    else:
                        record = self._whole(source_id, "record-json", line, doc_id, uri, retrieved_at)
                        yield _Position(record, number, offset)
                else:
                    continue
                found = True
        if not found:
            sniff(b"", path)


def _skip_line(readline: Callable[[int], bytes]) -> int:
    """Passes over the rest of an overlong line; returns its bytes."""
    skipped = 0
    while chunk := readline(HEAD_BYTES):
        skipped += len(chunk)
        if chunk.endswith(b"\n"):
            break
    return skipped


def _read(path: str, size: int) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a Path per file costs more than the call
        content = file.read(size)
        while len(content) < size and (more := file.read(size - len(content))):
            content += more
        return content


def _too_large(name: str, size_bytes: int, limit: int) -> PayloadTooLargeError:
    return PayloadTooLargeError(
        f"{name} has {size_bytes} bytes or more; the limit is {limit}.",
        remedy="Raise MK_ADAPTERS__MAX_FILE_BYTES, or turn it into JSON Lines.",
        path=name,
    )


def _refused(source_id: str, error: PayloadError, done: int = WHOLE_FILE, offset: int = 0) -> _Position:
    return _Position(ListedRecord(source_id=source_id, error=ErrorInfo(error.code, str(error))), done, offset, error)


def _uri(path: str) -> str:
    """``file:`` URI of an absolute path; Path.as_uri costs ten times as much."""
    return f"file://{quote(path)}"


def _file_of(source_id: str) -> str:
    """The file of a source id; a path may hold ``#`` itself."""
    if "#" in source_id and not Path(source_id).exists():
        return source_id.rpartition("#")[0]
    return source_id
