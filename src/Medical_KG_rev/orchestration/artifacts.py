"""Stage outputs in the object store: many in one object, found through the ledger's artifact table."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from Medical_KG_rev.errors import StoreUnavailableError
from Medical_KG_rev.orchestration.ledger import ArtifactRow, Ledger
from Medical_KG_rev.orchestration.products import Product
from Medical_KG_rev.settings import MEBIBYTE
from Medical_KG_rev.storage import ObjectStore


class ArtifactPart:
    """Outputs gathered until they are worth an object; :meth:`write` makes them durable, then come their rows."""

    def __init__(self, store: ObjectStore, tenant_id: str, prefix: str, clock: Callable[[], float]) -> None:
        self._store = store
        self._tenant_id = tenant_id
        self._object_key = f"tenants/{tenant_id}/artifacts/{prefix}-{secrets.token_hex(4)}"
        self._clock = clock
        self._contents: list[bytes] = []
        self._rows: list[ArtifactRow] = []
        self.size_bytes = 0

    def add(self, product: Product, value: Any, *, key: str, stage: str, doc_id: str | None) -> ArtifactRow:
        """Encodes the value; its row is right once the part is written."""
        content = product.encode(value)
        row = ArtifactRow(
            tenant_id=self._tenant_id,
            key=key,
            doc_id=doc_id,
            stage=stage,
            digest=product.digest(value, content),
            counts=product.count(value),
            object_key=self._object_key,
            offset=self.size_bytes,
            length=len(content),
            created_at=self._clock(),
        )
        self._contents.append(content)
        self._rows.append(row)
        self.size_bytes += len(content)
        return row

    def share(self, row: ArtifactRow, *, key: str, stage: str) -> ArtifactRow:
        """A further artifact with the content of an existing one: the bytes are not stored again."""
        shared = msgspec.structs.replace(row, key=key, stage=stage, created_at=self._clock())
        self._rows.append(shared)
        return shared

    def write(self) -> list[ArtifactRow]:
        """The rows to record, after their bytes are on disk."""
        if self._contents:
            self._store.put(self._object_key, b"".join(self._contents))
        return self._rows


class ReadAhead:
    """Reads ranges of objects. Artifacts that were written together are read together: one read serves many that follow."""

    def __init__(self, store: ObjectStore, size_bytes: int = 4 * MEBIBYTE) -> None:
        self._store = store
        self._size_bytes = size_bytes
        self._key = ""
        self._start = 0
        self._content = b""

    def read(self, key: str, offset: int, length: int) -> bytes:
        """The bytes, as :meth:`ObjectStore.read` gives them. Raises what that raises."""
        begin = offset - self._start
        if key != self._key or begin < 0 or begin + length > len(self._content):
            self._content = self._store.read(key, offset, max(length, self._size_bytes))
            self._key, self._start, begin = key, offset, 0
        return self._content[begin : begin + length]

    def forget(self) -> None:
        """What is read next is read anew: what is here came damaged."""
        self._content = b""


def read_artifact(store: ObjectStore | ReadAhead, row: ArtifactRow, product: Product) -> Any:
    """The value. Raises StoreUnavailableError where its object is gone or damaged."""
    try:
        content = store.read(row.object_key, row.offset, row.length)
        return product.decode(content)
    except (KeyError, msgspec.DecodeError) as error:
        if isinstance(store, ReadAhead):
            store.forget()
        raise StoreUnavailableError(
            f"The stored output of stage {row.stage} for {row.doc_id} cannot be read from {row.object_key}.",
            remedy=f"Run `medkg delete {row.doc_id}` and ingest it again.",
            doc_id=row.doc_id,
            stage=row.stage,
        ) from error


def delete_artifacts(store: ObjectStore, ledger: Ledger, tenant_id: str, doc_id: str, job_ids: Sequence[str]) -> int:
    """Removes a document's outputs, rewriting the objects that others share; returns how many there were."""
    own = ledger.artifacts_of_document(tenant_id, doc_id)
    of_jobs = [key(job_id) for job_id in job_ids for key in (payload_key, download_key)]
    own += list(ledger.find_artifacts(tenant_id, of_jobs).values())
    removed = {(row.tenant_id, row.key): row for row in own}
    for object_key in sorted({row.object_key for row in removed.values()}):
        kept = [row for row in ledger.artifacts_in_object(object_key) if (row.tenant_id, row.key) not in removed]
        gone = [row for row in removed.values() if row.object_key == object_key]
        ledger.replace_artifacts(gone, _rewrite(store, object_key, kept))
        store.delete(object_key)
    return len(removed)


def payload_key(job_id: str) -> str:
    """The key of what a job ingested: valid for this job alone, for the remote may have changed by the next."""
    return f"payload:{job_id}"


def download_key(job_id: str) -> str:
    """The key of what a job downloaded: valid for this job alone, too."""
    return f"download:{job_id}"


def _rewrite(store: ObjectStore, object_key: str, kept: Sequence[ArtifactRow]) -> list[ArtifactRow]:
    """Copies the ranges that are still wanted to a new object; rows that share a range go on sharing it."""
    if not kept:
        return []
    target = f"{object_key.rsplit('-', 1)[0]}-{secrets.token_hex(4)}"
    contents: list[bytes] = []
    offsets: dict[tuple[int, int], int] = {}
    size = 0
    for row in kept:
        if (row.offset, row.length) not in offsets:
            offsets[row.offset, row.length] = size
            contents.append(store.read(object_key, row.offset, row.length))
            size += row.length
    store.put(target, b"".join(contents))
    return [msgspec.structs.replace(row, object_key=target, offset=offsets[row.offset, row.length]) for row in kept]
