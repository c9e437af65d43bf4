"""The protocol by which a batch becomes visible in one tenant's index.

::

    1 intent     one catalogue commit: the generation and its vids are given out
    2 segments   a file a space (dense and sparse vectors, facets): complete and durable, named by the generation
    3 lexicon    rows committed there, after the segments; handed over before, so that the store works meanwhile
    4 commit     one catalogue commit: new rows in, superseded rows out, clean-up owed. The only point of visibility
    5 clean-up   superseded rows leave the lexicon, folded segments leave the files
    6 fold       where many small segments have come together: a generation of its own, which makes one of them

A writer that dies before 4 leaves a prepared generation: whoever next takes the lock withdraws it from the stores. One that
dies after 4 leaves clean-up owed, which the next one does. Both can be repeated, so dying in recovery is no different.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from itertools import chain
from typing import NamedTuple

import msgspec

from Medical_KG_rev.errors import MedicalKGError, StorageFullError
from Medical_KG_rev.index import facets
from Medical_KG_rev.index.analysis import Analyser
from Medical_KG_rev.index.catalogue import Catalogue, Commit, PackedChunk, StoredDocument
from Medical_KG_rev.index.changes import Change, NewRows
from Medical_KG_rev.index.filters import day_of, facets_of
from Medical_KG_rev.index.packing import packed
from Medical_KG_rev.index.ports import LexicalStore, LexicalWriter, Row, SegmentFiles
from Medical_KG_rev.index.spaces import generation_of
from Medical_KG_rev.index.staging import SegmentStaging, Staged, due_for_folding, sparse_lookup
from Medical_KG_rev.index.stores import IndexStores, Step, nothing
from Medical_KG_rev.models import Chunk, SparseVector

_DEAD_SHARE_OF_LEXICON = 0.25
_SMALL_LEXICON = 256
_GRACE_SECONDS = 60.0
"""So long a lexicon on a server outlives the one in its place, for searches that are under way."""


class TenantIndex:
    """The writing side of one tenant's index; exists while its lock is held.

    Args:
        catalogue: for writing.
        stores: of all tenants.
        step: is told each step of the protocol by name; a test stops the process there.
    """

    def __init__(
        self, catalogue: Catalogue, stores: IndexStores, tenant_id: str, analyser: Analyser, step: Step = nothing
    ) -> None:
        self.catalogue = catalogue
        self.files: SegmentFiles = stores.files(tenant_id, self._reached)
        self._lexical_of: Callable[[str], LexicalStore] = partial(stores.lexical, tenant_id)
        self._on_server = stores.lexicon_on_server
        self._analyser = analyser
        self._step = step
        self._phase = ""

    @property
    def lexical(self) -> LexicalStore:
        """The lexicons as the newest commit has them."""
        return self._lexical_of(self.catalogue.meta().get("lexicon_sparse", ""))

    def apply(self, change: Change) -> int:
        """Makes ``change`` visible as one generation, and answers which. On any error nothing of it is visible.

        Segments that are due are folded afterwards, as another generation; where the disk has no room for that, a later write
        does it.

        Raises:
            IndexWriterFencedError: another writer has taken over.
        """
        generation = self._apply(change)
        if due_for_folding(self.catalogue.segments()):
            self._phase = "fold."
            try:
                self._apply(Change(fold=True))
            except StorageFullError:
                return generation  # it was withdrawn, and what was committed is whole
            finally:
                self._phase = ""
        return generation

    def _apply(self, change: Change) -> int:
        chunks = change.chunks
        self._reached("intent.before")
        generation, first = self.catalogue.prepare(len(chunks), self._sparse_after(change))
        try:
            self._reached("intent.after")
            commit = self._stage(change, generation, list(enumerate(chunks, start=first)))
            self._reached("commit.before")
            self.catalogue.commit(commit)
        except BaseException as error:
            self._withdraw_after(error, generation)
            raise
        self._reached("commit.after")
        self._clean_up(everything=change.purge or change.compact or change.renew_lexicon)
        return generation

    def recover(self) -> None:
        """Takes over from every writer before; undoes what a dead one had begun and does what it still owed."""
        self.catalogue.take_over()
        for generation, sparse in self.catalogue.prepared().items():
            self._withdraw(generation, sparse)
        self._clean_up()

    # Staging

    def _stage(self, change: Change, generation: int, chunks: list[tuple[int, Chunk]]) -> Commit:
        superseded = self.catalogue.vids_of(change.replaced)
        new = change.vectors.get("sparse")
        rows = self._rows(chunks, change.facets, new.rows.row if new is not None and self._on_server else None)
        vectors = {**change.vectors, "facets": NewRows("", facets.FINGERPRINT, 0, change.facets)}
        staging = SegmentStaging(self.catalogue, self.files, generation, superseded)
        lexicon = self._lexicon_after(change, generation, len(superseded))
        with self._lexicon_writer(lexicon) if chunks or lexicon.is_new else nullcontext() as writer:
            if writer is not None and not lexicon.is_new:
                writer.add(generation, rows)
                self._reached("lexicon.added")
            staged = staging.stage(change, vectors, [vid for vid, _ in chunks])
            if writer is not None:
                if lexicon.is_new:
                    writer.add(generation, chain(self._living(staged, lexicon.sparse, set(superseded)), rows))
                self._reached("lexicon.uncommitted")
            with _beside(writer.commit if writer is not None else lambda: None):
                bodies = [PackedChunk(vid, chunk.doc_id, packed(chunk)) for vid, chunk in chunks]
            if writer is not None:
                self._reached("lexicon.committed")
        return Commit(
            generation=generation,
            documents=[StoredDocument(d.doc_id, d.version, d.digest, len(d.chunks)) for d in change.documents],
            chunks=bodies,
            removed=change.removed,
            spaces=staged.spaces,
            dropped=staged.dropped,
            segments=staged.segments,
            folded=staged.folded,
            dead=staged.dead,
            meta={
                "analyser": self._analyser.fingerprint,
                **change.meta,
                "lexicon": lexicon.name,
                "lexicon_sparse": lexicon.sparse,
                "lexical_dead": str(lexicon.dead),
            },
            lexical=() if lexicon.is_new else superseded,
            dropped_lexicon=lexicon.replaced,
        )

    def _sparse_after(self, change: Change) -> str:
        """The fingerprint of the sparse vectors that the lexicon holds after a change; none in a lexicon of ours."""
        if not self._on_server:
            return ""
        if "sparse" in change.vectors and change.chunks:
            return change.vectors["sparse"].fingerprint
        spaces = {space.name: space for space in (*self.catalogue.spaces(), *change.spaces)}
        gone = {space.name for space in change.dropped}
        sparse = (each for each in spaces.values() if each.kind == "sparse" and each.state == "active")
        return next((space.fingerprint for space in sparse if space.name not in gone), "")

    def _lexicon_after(self, change: Change, generation: int, superseded: int) -> _Lexicon:
        meta, sparse = self.catalogue.meta(), self._sparse_after(change)
        current, made_with = meta.get("lexicon", ""), meta.get("lexicon_sparse", "")
        dead = int(meta.get("lexical_dead", "0")) + superseded
        is_new = change.compact or change.renew_lexicon or sparse != made_with or self._is_due(current, dead)
        if not is_new:
            return _Lexicon(current, sparse, dead, is_new=False)
        return _Lexicon(f"lexicon-{generation}", sparse, 0, is_new=True, replaced=f"{current} {made_with}" if current else None)

    def _is_due(self, lexicon: str, dead: int) -> bool:
        """Whether the lexicon is missing or carries too many dead rows; a server clears those away by itself."""
        if not self._on_server and dead > max(_SMALL_LEXICON, _DEAD_SHARE_OF_LEXICON * self.catalogue.counts()[1]):
            return True
        return lexicon not in self.lexical.names()

    def _lexicon_writer(self, lexicon: _Lexicon) -> AbstractContextManager[LexicalWriter]:
        return _closing(self._lexical_of(lexicon.sparse).writer(lexicon.name))

    def _living(self, staged: Staged, sparse: str, superseded: set[int]) -> Iterator[Row]:
        """The rows that go on living."""
        vector_of = sparse_lookup(self.catalogue, self.files, staged) if sparse else None
        for vid, chunk in self.catalogue.every_chunk():
            if vid not in superseded:
                vector = vector_of(vid) if vector_of is not None else None
                yield Row(vid, self._analyser.joined(chunk.indexed_text), facets_of(chunk), day_of(chunk), vector)

    def _rows(
        self,
        chunks: Sequence[tuple[int, Chunk]],
        marks: Sequence[facets.FacetRow],
        vector_of: Callable[[int], SparseVector] | None,
    ) -> Iterator[Row]:
        """What the lexicon keeps of new chunks; ``vector_of`` takes their place in the order."""
        joined = self._analyser.joined
        for number, ((vid, chunk), (own, day)) in enumerate(zip(chunks, marks, strict=True)):
            yield Row(vid, joined(chunk.indexed_text), own, day, vector_of(number) if vector_of is not None else None)

    def _reached(self, step: str) -> None:
        self._step(self._phase + step)

    # Clearing away

    def _withdraw_after(self, error: BaseException, generation: int) -> None:
        """Tries to undo at once; where even that fails (the disk is full), the next writer's recovery does it."""
        try:
            prepared = self.catalogue.prepared()
            if generation in prepared:
                self._withdraw(generation, prepared[generation])
        except MedicalKGError as second:
            error.add_note(f"Generation {generation} will be withdrawn by the next writer: {second}")

    def _withdraw(self, generation: int, sparse: str) -> None:
        self.files.drop(*(name for name in self.files.names() if generation_of(name) == generation))
        self._lexical_of(sparse).drop(f"lexicon-{generation}")
        lexical, lexicon = self.lexical, self.catalogue.meta().get("lexicon")
        if lexicon in lexical.names():
            with _closing(lexical.writer(lexicon)) as writer:
                writer.remove_generation(generation)
                writer.commit()
        self._reached("withdraw.stores")
        self.catalogue.withdraw(generation)

    def _clean_up(self, *, everything: bool = False) -> None:
        """Does what is owed; a replaced lexicon on a server waits a little, unless ``everything`` is asked for."""
        before = time.time() - (_GRACE_SECONDS if self._on_server and not everything else 0.0)
        owed = [each for each in self.catalogue.outbox() if each.operation != "lexicon" or each.owed_at <= before]
        if not owed:
            return
        lexical, lexicon = self.lexical, self.catalogue.meta()["lexicon"]
        vids = [vid for each in owed if each.operation == "lexical" for vid in _vids(each.argument)]
        if vids and lexicon in lexical.names():
            with _closing(lexical.writer(lexicon)) as writer:
                writer.remove(vids)
                writer.commit()
        self._reached("cleanup.lexicon")
        self.files.drop(*(each.argument for each in owed if each.operation == "segment"))
        for each in owed:
            if each.operation == "lexicon":
                name, _, made_with = each.argument.partition(" ")
                self._lexical_of(made_with).drop(name)
        self._reached("cleanup.segments")
        self.catalogue.settle([each.seq for each in owed])
        self._reached("cleanup.after")


class _Lexicon(NamedTuple):
    """The lexicon after a change: ``dead`` rows stay in it; ``replaced`` is the one before, with its fingerprint."""

    name: str
    sparse: str
    dead: int
    is_new: bool
    replaced: str | None = None


@contextmanager
def open_for_writing(
    stores: IndexStores, tenant_id: str, analyser: Analyser, *, timeout_seconds: float, step: Step = nothing
) -> Iterator[TenantIndex]:
    """Takes the tenant's lock, recovers what a dead writer left, and gives the index for as long as the lock is held."""
    with stores.lock(tenant_id, timeout_seconds), stores.writing(tenant_id) as catalogue:
        index = TenantIndex(catalogue, stores, tenant_id, analyser, step)
        index.recover()
        yield index


@contextmanager
def _beside(work: Callable[[], None]) -> Iterator[None]:
    """Does ``work``, which waits for a store, on another thread meanwhile; ends when both have ended."""
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(work)
        yield
        done.result()


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


def _vids(argument: str) -> list[int]:
    vids: list[int] = msgspec.json.decode(argument, type=list[int])
    return vids
