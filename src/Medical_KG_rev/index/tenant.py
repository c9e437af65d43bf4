"""One tenant's index on disk, and the protocol by which a batch becomes visible.

::

    1 intent     one catalogue commit: the generation and its vids are given out
    2 segment    vectors to <generation>.faiss: written, synced, renamed, folder synced
    3 lexicon    rows added to tantivy and committed there
    4 commit     one catalogue commit: new rows in, superseded rows out, clean-up owed. The only point of visibility
    5 clean-up   superseded rows leave tantivy, folded segments leave the disk

A writer that dies before 4 leaves a prepared generation: whoever next takes the lock withdraws it from the stores. One that
dies after 4 leaves clean-up owed, which the next one does. Both can be repeated, so dying in recovery is no different.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.errors import MedicalKGError
from Medical_KG_rev.index.analysis import Analyser
from Medical_KG_rev.index.catalogue import Catalogue, Commit, Segment, StoredDocument
from Medical_KG_rev.index.disk import writing
from Medical_KG_rev.index.filters import day_of, facets_of
from Medical_KG_rev.index.lexical import TantivyStore
from Medical_KG_rev.index.locking import exclusive
from Medical_KG_rev.index.naming import tenant_name
from Medical_KG_rev.index.ports import LexicalStore, LexicalWriter, Row, VectorStore
from Medical_KG_rev.index.vectors import FaissStore
from Medical_KG_rev.models import Chunk

_TIER_WIDTH = 8
"""So many segments of one order of magnitude are folded into one: a vector is rewritten log8(n) times."""
_DEAD_SHARE_OF_SEGMENT = 0.2
_DEAD_SHARE_OF_LEXICON = 0.25
_SMALL_LEXICON = 256

Matrix = NDArray[np.float32]
Vids = NDArray[np.int64]


def tenant_folder(root: Path, tenant_id: str) -> Path:
    """The folder of a tenant."""
    return root / tenant_name(tenant_id)


@dataclass(frozen=True)
class Paths:
    """What lies where in a tenant's folder."""

    folder: Path

    @property
    def catalogue(self) -> Path:
        return self.folder / "catalogue.db"

    @property
    def lexicons(self) -> Path:
        return self.folder / "lexicons"

    @property
    def segments(self) -> Path:
        return self.folder / "segments"

    @property
    def lock(self) -> Path:
        return self.folder / "write.lock"


@dataclass(frozen=True)
class NewDocument:
    """A document as it is to be from now on."""

    doc_id: str
    version: str
    digest: bytes
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True)
class Change:
    """What one generation is to do. ``vectors`` has a row per chunk of ``documents``, in order.

    ``purge`` also rewrites every segment that holds a vector which becomes superseded; ``compact`` rewrites everything.
    """

    documents: Sequence[NewDocument] = ()
    vectors: Matrix | None = None
    removed: Sequence[str] = ()
    meta: Mapping[str, str] = field(default_factory=dict)
    purge: bool = False
    compact: bool = False

    @property
    def chunks(self) -> list[Chunk]:
        return [chunk for document in self.documents for chunk in document.chunks]


class TenantIndex:
    """The writing side of one tenant's index; exists while its lock is held."""

    def __init__(
        self,
        catalogue: Catalogue,
        lexical: LexicalStore,
        vectors: VectorStore,
        analyser: Analyser,
        step: Callable[[str], None],
    ) -> None:
        self.catalogue = catalogue
        self._lexical = lexical
        self._vectors = vectors
        self._analyser = analyser
        self._step = step

    def apply(self, change: Change) -> int:
        """Makes ``change`` visible as one generation, and answers which. On any error nothing of it is visible."""
        chunks = change.chunks
        self._step("intent.before")
        generation, first = self.catalogue.prepare(len(chunks))
        try:
            self._step("intent.after")
            commit = self._stage(change, generation, list(enumerate(chunks, start=first)))
            self._step("commit.before")
            self.catalogue.commit(commit)
        except BaseException as error:
            self._withdraw_after(error, generation)
            raise
        self._step("commit.after")
        self._clean_up()
        return generation

    def recover(self) -> None:
        """Undoes what a dead writer had begun and does what it still owed."""
        for generation in self.catalogue.prepared():
            self._withdraw(generation)
        self._clean_up()

    # Staging

    def _stage(self, change: Change, generation: int, rows: list[tuple[int, Chunk]]) -> Commit:
        superseded = self.catalogue.vids_of([*change.removed, *(document.doc_id for document in change.documents)])
        dead = self._dead_by_segment(superseded)
        folded = self._segments_to_fold(change, dead)
        segment = self._stage_vectors(change, generation, [vid for vid, _ in rows], folded, set(superseded))
        meta = self.catalogue.meta()
        lexicon, rebuilt, lexical_dead = self._stage_lexicon(change, generation, rows, superseded, meta)
        current = meta.get("lexicon")
        return Commit(
            generation=generation,
            documents=[StoredDocument(d.doc_id, d.version, d.digest, len(d.chunks)) for d in change.documents],
            chunks=rows,
            removed=change.removed,
            segment=segment,
            folded=[old.generation for old in folded],
            dead={old: count for old, count in dead.items() if old not in {fold.generation for fold in folded}},
            meta={**change.meta, "lexicon": lexicon, "lexical_dead": str(lexical_dead)},
            lexical=() if rebuilt else superseded,
            dropped_lexicon=current if rebuilt and current != lexicon else None,
        )

    def _dead_by_segment(self, superseded: Sequence[int]) -> dict[int, int]:
        """How many vectors of each segment become superseded."""
        if not superseded:
            return {}
        gone = np.asarray(superseded, dtype=np.int64)
        counts = {
            segment.generation: int(np.isin(self._vectors.vids(segment), gone, assume_unique=True).sum())
            for segment in self.catalogue.segments()
        }
        return {generation: count for generation, count in counts.items() if count}

    def _segments_to_fold(self, change: Change, dead: Mapping[int, int]) -> list[Segment]:
        segments = self.catalogue.segments()
        if change.compact:
            return segments
        after = {segment.generation: segment.dead + dead.get(segment.generation, 0) for segment in segments}
        tiers = Counter(_tier(segment.live) for segment in segments)
        tiers[_tier(len(change.chunks))] += 1

        def is_due(segment: Segment) -> bool:
            return (
                tiers[_tier(segment.live)] >= _TIER_WIDTH
                or after[segment.generation] > _DEAD_SHARE_OF_SEGMENT * segment.vectors
                or (change.purge and segment.generation in dead)
            )

        return [segment for segment in segments if is_due(segment)]

    def _stage_vectors(
        self, change: Change, generation: int, vids: list[int], folded: list[Segment], superseded: set[int]
    ) -> Segment | None:
        """The new vectors and the live ones of the folded segments, as one segment; None when there are none."""
        id_parts: list[Vids] = []
        row_parts: list[Matrix] = []
        for segment in folded:
            ids, rows = self._vectors.read(segment)
            live = self.catalogue.doc_ids(ids.tolist()).keys() - superseded
            keep = np.isin(ids, np.fromiter(live, dtype=np.int64, count=len(live)))
            id_parts.append(ids[keep])
            row_parts.append(rows[keep])
        if change.vectors is not None and vids:
            id_parts.append(np.asarray(vids, dtype=np.int64))
            row_parts.append(change.vectors)
        if not sum(map(len, id_parts)):
            return None
        return self._vectors.write(generation, np.concatenate(id_parts), np.concatenate(row_parts))

    def _stage_lexicon(
        self,
        change: Change,
        generation: int,
        rows: list[tuple[int, Chunk]],
        superseded: Sequence[int],
        meta: Mapping[str, str],
    ) -> tuple[str, bool, int]:
        """Adds the rows to the lexicon, or makes a new lexicon where the old one is missing or carries too many dead rows.

        Answers the lexicon's name, whether it is new, and how many dead rows it will hold.
        """
        current = meta.get("lexicon", "")
        dead = int(meta.get("lexical_dead", "0")) + len(superseded)
        renew = change.compact or current not in self._lexical.names()
        renew = renew or (dead > _SMALL_LEXICON and dead > _DEAD_SHARE_OF_LEXICON * self.catalogue.counts()[1])
        name = f"lexicon-{generation}" if renew else current
        if not renew and not rows:
            return name, False, dead
        with _closing(self._lexical.writer(name)) as writer:
            if renew:
                gone = set(superseded)
                kept = ((vid, chunk) for vid, chunk in self.catalogue.every_chunk() if vid not in gone)
                writer.add(generation, self._tokenised(kept))
            writer.add(generation, self._tokenised(rows))
            self._step("lexicon.uncommitted")
            writer.commit()
            self._step("lexicon.committed")
        return name, renew, 0 if renew else dead

    def _tokenised(self, rows: Iterator[tuple[int, Chunk]] | list[tuple[int, Chunk]]) -> Iterator[Row]:
        joined = self._analyser.joined
        return (Row(vid, joined(chunk.text), facets_of(chunk), day_of(chunk)) for vid, chunk in rows)

    # Clearing away

    def _withdraw_after(self, error: BaseException, generation: int) -> None:
        """Tries to undo at once; where even that fails (the disk is full), the next writer's recovery does it."""
        try:
            if generation in self.catalogue.prepared():
                self._withdraw(generation)
        except MedicalKGError as second:
            error.add_note(f"Generation {generation} will be withdrawn by the next writer: {second}")

    def _withdraw(self, generation: int) -> None:
        self._vectors.drop(generation)
        lexicon = self.catalogue.meta().get("lexicon")
        self._lexical.drop(f"lexicon-{generation}")
        if lexicon in self._lexical.names():
            with _closing(self._lexical.writer(lexicon)) as writer:
                writer.remove_generation(generation)
                writer.commit()
        self._step("withdraw.stores")
        self.catalogue.withdraw(generation)

    def _clean_up(self) -> None:
        owed = self.catalogue.outbox()
        if not owed:
            return
        lexicon = self.catalogue.meta()["lexicon"]
        vids = [vid for _, operation, argument in owed if operation == "lexical" for vid in _vids(argument)]
        if vids and lexicon in self._lexical.names():
            with _closing(self._lexical.writer(lexicon)) as writer:
                writer.remove(vids)
                writer.commit()
        self._step("cleanup.lexicon")
        for _, operation, argument in owed:
            if operation == "segment":
                self._vectors.drop(int(argument))
            elif operation == "lexicon":
                self._lexical.drop(argument)
        self._step("cleanup.segments")
        self.catalogue.settle([seq for seq, _, _ in owed])
        self._step("cleanup.after")


@contextmanager
def open_for_writing(
    root: Path, tenant_id: str, analyser: Analyser, *, timeout_seconds: float, step: Callable[[str], None]
) -> Iterator[TenantIndex]:
    """Takes the tenant's lock, recovers what a dead writer left, and gives the index for as long as the lock is held."""
    paths = Paths(tenant_folder(root, tenant_id))
    with writing(paths.folder):
        paths.folder.mkdir(parents=True, exist_ok=True)
    with exclusive(paths.lock, timeout_seconds):
        catalogue = Catalogue(paths.catalogue)
        try:
            index = TenantIndex(catalogue, TantivyStore(paths.lexicons), FaissStore(paths.segments, step), analyser, step)
            index.recover()
            yield index
        finally:
            catalogue.close()


@contextmanager
def _closing(writer: LexicalWriter) -> Iterator[LexicalWriter]:
    """Closes the writer in any case: it holds tantivy's own lock until then."""
    try:
        yield writer
    except BaseException as error:
        try:
            writer.close()
        except MedicalKGError as second:
            error.add_note(str(second))
        raise
    writer.close()


def _tier(vectors: int) -> int:
    """The order of magnitude to the base of :data:`_TIER_WIDTH`: three bits make eight."""
    return (max(vectors, 1).bit_length() - 1) // 3


def _vids(argument: str) -> list[int]:
    vids: list[int] = msgspec.json.decode(argument, type=list[int])
    return vids
