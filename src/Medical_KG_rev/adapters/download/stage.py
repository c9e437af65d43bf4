"""The download stage: from where a PDF can be had to the object that holds it."""

from __future__ import annotations

import hashlib
import io
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cached_property
from tempfile import TemporaryFile
from typing import IO, BinaryIO, Protocol

import httpx
import msgspec

from Medical_KG_rev import __version__
from Medical_KG_rev.adapters import addresses
from Medical_KG_rev.adapters.download.files import OwnReader, copy_file
from Medical_KG_rev.adapters.download.hops import Hops
from Medical_KG_rev.adapters.download.transfer import SLICE_SECONDS, Transfer, shown_text
from Medical_KG_rev.errors import (
    MalformedPayloadError,
    NotOpenAccessError,
    PdfDownloadError,
    RemoteError,
    RetriesExhaustedError,
    UnexpectedContentError,
)
from Medical_KG_rev.models import Caller, PdfAsset, PdfCandidates, RawPayload, StageContext, StoredPdf, pdf_key
from Medical_KG_rev.models.pdf import ASSET_FORMAT, STORED_FORMAT
from Medical_KG_rev.settings_pdf import DownloadSettings

COPY_BYTES = 1024 * 1024

_CANDIDATES = msgspec.json.Decoder(PdfCandidates)


class PdfStore(Protocol):
    """What is asked of the object store."""

    def upload(self, key: str, source: BinaryIO) -> None:
        """Stores an object, read from ``source`` to its end."""
        ...

    def keys(self, prefix: str = "") -> Iterator[str]:
        """The keys that start with ``prefix``."""
        ...


class PdfDownloadStage:
    """Satisfies ``DownloadStage``: brings the best open copy of each payload's article into the object store.

    Args:
        store: holds the bytes, under ``pdf/{tenant}/{document}/{sha256}.pdf``.
        caller: makes each request under a policy.
        store_caller: makes each upload under a policy.
        settings: limits of a download.
        contact_email: sent along, so that an operator can complain.
        allow_private_addresses: for servers of one's own.
        transport: in place of the network's.
    """

    fingerprint = "download:1.0"

    def __init__(
        self,
        store: PdfStore,
        caller: Caller,
        store_caller: Caller,
        settings: DownloadSettings,
        *,
        contact_email: str = "",
        allow_private_addresses: bool = False,
        resolve: addresses.Resolve = addresses.resolve,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        slice_seconds: float = SLICE_SECONDS,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._caller = caller
        self._store_caller = store_caller
        self._settings = settings
        self._contact = f" (mailto:{contact_email})" if contact_email else ""
        self._allow_private_addresses = allow_private_addresses
        self._resolve = resolve
        self._transport = transport
        self._clock = clock
        self._slice_seconds = slice_seconds
        self._now = now

    def execute(self, ctx: StageContext, payloads: list[RawPayload]) -> list[RawPayload]:
        """A payload of format ``pdf`` for each of format ``pdf-asset``; its content says which object holds the bytes.

        Raises:
            NotOpenAccessError: the source says that there is no open copy.
            PdfDownloadError: no copy could be brought; names each URL and what it met.
            PayloadError: a payload is no ``pdf-asset``, or a local file cannot be read.
            StorageFullError: no room.
            RetriesExhaustedError: the object store takes nothing.
        """
        return [self._bring(ctx, payload) for payload in payloads]

    def _bring(self, ctx: StageContext, payload: RawPayload) -> RawPayload:
        candidates = _candidates(payload)
        with TemporaryFile() as file:  # without a name: nothing is left of a process that was killed
            asset, sha256, size_bytes = self._first_of(payload, candidates, file)
            key = pdf_key(ctx.tenant_id, ctx.doc_id or f"{payload.source}:{payload.source_id}", sha256)
            self._store_caller.call(lambda: self._keep(key, file))
        stored = StoredPdf(
            object_key=key,
            sha256=sha256,
            size_bytes=size_bytes,
            asset=asset,
            title=candidates.title,
            metadata=candidates.metadata,
        )
        return msgspec.structs.replace(
            payload, format=STORED_FORMAT, content=msgspec.json.encode(stored), uri=asset.url, retrieved_at=self._now()
        )

    def _keep(self, key: str, file: IO[bytes]) -> None:
        """The same bytes of a document are stored once."""
        if key not in self._store.keys(key):
            with io.BufferedReader(OwnReader(file), COPY_BYTES) as source:
                self._store.upload(key, source)

    def _first_of(self, payload: RawPayload, candidates: PdfCandidates, file: IO[bytes]) -> tuple[PdfAsset, str, int]:
        """The first copy that can be brought, with digest and size of its bytes, which are in ``file``."""
        if payload.source == "local":
            asset = candidates.assets[0]
            return asset, *copy_file(asset, file, self._settings.max_bytes)
        ends_at = self._clock() + self._settings.max_seconds
        failures: list[RemoteError] = []
        with httpx.Client(
            verify=self._tls,
            timeout=self._settings.timeout_seconds,
            headers={"User-Agent": f"medical-kg-rev/{__version__}{self._contact}"},
            follow_redirects=False,
            transport=self._transport,
        ) as client:
            hops = Hops(
                client,
                payload.source,
                allow_http=self._settings.allow_http,
                allow_private=self._allow_private_addresses,
                resolve=self._resolve,
            )
            for asset in candidates.assets:
                if failures and self._clock() >= ends_at:
                    break
                file.seek(0)
                file.truncate()
                transfer = Transfer(
                    asset.url,
                    file,
                    hops,
                    self._settings,
                    ends_at=ends_at,
                    clock=self._clock,
                    slice_seconds=self._slice_seconds,
                )
                try:
                    while not self._caller.call(transfer.advance):
                        pass
                    _check(asset, file, transfer.sha256)
                except RemoteError as error:
                    failures.append(error)
                else:
                    return asset, transfer.sha256, transfer.size_bytes
        raise _download_error(payload, candidates, failures)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return httpx.create_ssl_context()


def _candidates(payload: RawPayload) -> PdfCandidates:
    if payload.format != ASSET_FORMAT:
        raise MalformedPayloadError(
            f"{payload.source_id} came as {payload.format}; there is no PDF to bring.",
            remedy="Use a pipeline without a download stage, such as `--pipeline auto`.",
            source_id=payload.source_id,
        )
    try:
        candidates = _CANDIDATES.decode(payload.content)
    except msgspec.DecodeError as error:
        raise MalformedPayloadError(
            f"What is known of the PDF of {payload.source_id} cannot be read: {error}.", source_id=payload.source_id
        ) from None
    candidates = msgspec.structs.replace(candidates, assets=tuple(asset for asset in candidates.assets if asset.is_open_access))
    if not candidates.assets:
        why = candidates.refusal or f"{payload.source} names no open copy"
        raise NotOpenAccessError(
            f"{payload.source_id} is not open: {why}.", source=payload.source, source_id=payload.source_id, reason=why
        )
    return candidates


def _check(asset: PdfAsset, file: IO[bytes], sha256: str) -> None:
    """Raises UnexpectedContentError where the source gave another checksum; algorithms that are not known here prove nothing."""
    algorithm, _, expected = asset.checksum.partition(":")
    if algorithm not in ("md5", "sha1", "sha256") or not expected:
        return
    found = sha256
    if algorithm != "sha256":
        file.seek(0)
        digest = hashlib.new(algorithm, usedforsecurity=False)
        while chunk := file.read(COPY_BYTES):
            digest.update(chunk)
        found = digest.hexdigest()
    if found != expected.lower():
        raise UnexpectedContentError(
            f"{shown_text(asset.url)} has the {algorithm} {found}, not {expected} as its source says.", url=shown_text(asset.url)
        )


def _download_error(payload: RawPayload, candidates: PdfCandidates, failures: list[RemoteError]) -> PdfDownloadError:
    last = failures[-1]
    urls = [shown_text(asset.url) for asset in candidates.assets]
    told = "; ".join(error.message.rstrip(".") for error in failures)
    return PdfDownloadError(
        f"No PDF of {payload.source_id} could be brought from {', '.join(urls[: len(failures)])}: {told}.",
        remedy="`medkg jobs retry JOB` tries again.",
        source=payload.source,
        source_id=payload.source_id,
        url=urls[len(failures) - 1],
        tried=urls[: len(failures)],
        last_code=last.last_code if isinstance(last, RetriesExhaustedError) else last.code,
    )
