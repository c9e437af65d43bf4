"""How much room every part takes, what a thousand documents cost, and how fast it grows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, func, select, text

from Medical_KG_rev.operations.pdfs import PREFIX
from Medical_KG_rev.orchestration.ledger.schema import artifacts, jobs
from Medical_KG_rev.orchestration.ledger.states import JobStatus
from Medical_KG_rev.storage import ObjectStore

FOLDERS = ("dagster", "index", "graph", "events", "models", "logs")
SHARED = frozenset({"models", "logs"})
"""Do not grow with the documents."""
DAY_SECONDS = 86400.0
PERIODS = {"1d": 1, "7d": 7, "30d": 30}


@dataclass(frozen=True, slots=True)
class PartUsage:
    """One part's room; ``per_1000_documents`` is None where it does not depend on them, or there are none."""

    part: str
    bytes: int
    per_1000_documents: int | None = None


@dataclass(frozen=True, slots=True)
class Growth:
    """What a period brought: documents that were first completed in it, bytes of stage outputs."""

    period: str
    documents: int
    bytes: int


@dataclass(frozen=True, slots=True)
class StorageUsage:
    """All parts.

    ``objects <stage>`` are the outputs of a stage, ``objects pdf`` the PDFs that were brought; what else no row names is
    ``objects unreferenced``.
    """

    documents: int
    parts: tuple[PartUsage, ...]
    growth: tuple[Growth, ...]

    @property
    def bytes(self) -> int:
        """Of all parts."""
        return sum(part.bytes for part in self.parts)

    def to_dict(self) -> dict[str, Any]:
        """JSON values only."""
        return {**asdict(self), "bytes": self.bytes, "per_1000_documents": _share(self._grown(), self.documents)}

    def _grown(self) -> int:
        return sum(part.bytes for part in self.parts if part.part not in SHARED)


def measure(
    data_dir: Path, ledger: Engine, store: ObjectStore, now: Callable[[], float], models_dir: Path | None = None
) -> StorageUsage:
    """Looks at every part; reads only. ``models_dir`` is where models are, when it is not the data folder's own."""
    with ledger.connect() as connection:
        documents = _documents(connection)
        by_stage = _bytes_by_stage(connection)
        growth = tuple(_growth(connection, period, now() - days * DAY_SECONDS) for period, days in PERIODS.items())
        sizes = {"ledger": _ledger_bytes(connection, ledger)}
    sizes |= _object_bytes(store, by_stage)
    sizes |= {name: folder_bytes(data_dir / name) for name in FOLDERS}
    if models_dir is not None:
        sizes["models"] = folder_bytes(models_dir)
    parts = (PartUsage(name, size, None if name in SHARED else _share(size, documents)) for name, size in sizes.items())
    return StorageUsage(documents, tuple(parts), growth)


def folder_bytes(folder: Path) -> int:
    """Bytes of the files below a folder; those that vanish meanwhile count nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        total += status.st_size if path.is_file() else 0
    return total


def _documents(connection: Connection) -> int:
    completed = select(jobs.c.tenant_id, jobs.c.doc_id).where(jobs.c.status == JobStatus.COMPLETED, jobs.c.doc_id.is_not(None))
    return int(connection.execute(select(func.count()).select_from(completed.distinct().subquery())).scalar_one())


def _ranges() -> Any:
    """Stored pieces, each once: a document that passed ir_validation as it was is stored once, and counts as parse."""
    place = (artifacts.c.object_key, artifacts.c.offset, artifacts.c.length)
    made = func.min(artifacts.c.created_at).label("created_at")
    return select(*place, func.max(artifacts.c.stage).label("stage"), made).group_by(*place).subquery()


def _bytes_by_stage(connection: Connection) -> dict[str, int]:
    pieces = _ranges()
    rows = connection.execute(select(pieces.c.stage, func.sum(pieces.c.length)).group_by(pieces.c.stage))
    return {stage: int(size) for stage, size in sorted((row[0], row[1]) for row in rows)}


def _growth(connection: Connection, period: str, since: float) -> Growth:
    pieces = _ranges()
    size = connection.execute(select(func.sum(pieces.c.length)).where(pieces.c.created_at >= since)).scalar()
    first = (
        select(func.min(jobs.c.updated_at).label("at"))
        .where(jobs.c.status == JobStatus.COMPLETED, jobs.c.doc_id.is_not(None))
        .group_by(jobs.c.tenant_id, jobs.c.doc_id)
        .subquery()
    )
    documents = connection.execute(select(func.count()).select_from(first).where(first.c.at >= since)).scalar_one()
    return Growth(period, int(documents), int(size or 0))


def _ledger_bytes(connection: Connection, ledger: Engine) -> int:
    if ledger.dialect.name == "postgresql":
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
    path = Path(ledger.url.database or "")
    return sum(found.stat().st_size for found in path.parent.glob(f"{path.name}*") if found.is_file())


def _object_bytes(store: ObjectStore, by_stage: dict[str, int]) -> dict[str, int]:
    stored = pdfs = 0
    for entry in store.entries():
        stored += entry.size_bytes
        pdfs += entry.size_bytes if entry.key.startswith(PREFIX) else 0
    sizes = {f"objects {stage}": size for stage, size in by_stage.items()}
    if pdfs:
        sizes["objects pdf"] = pdfs
    return {**sizes, "objects unreferenced": max(0, stored - pdfs - sum(by_stage.values()))}


def _share(size_bytes: int, documents: int) -> int | None:
    return round(size_bytes * 1000 / documents) if documents else None
