"""The protocol by which a batch becomes visible in one tenant's index.

::

    1 intent     one catalogue commit: the generation and its vids are given out
    2 segments   a file a space (dense and sparse vectors, facets): complete and durable, named by the generation
    3 lexicon    rows added and committed there
    4 commit     one catalogue commit: new rows in, superseded rows out, clean-up owed. The only point of visibility
    5 clean-up   superseded rows leave the lexicon, folded segments leave the files

A writer that dies before 4 leaves a prepared generation: whoever next takes the lock withdraws it from the stores. One that
dies after 4 leaves clean-up owed, which the next one does. Both can be repeated, so dying in recovery is no different.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from Medical_KG_rev.errors import MedicalKGError
from Medical_KG_rev.index import facets
from Medical_KG_rev.index.analysis import Analyser
from Medical_KG_rev.index.catalogue import Catalogue, Commit, StoredDocument
from Medical_KG_rev.index.changes import Change, NewRows
from Medical_KG_rev.index.filters import day_of, facets_of
from Medical_KG_rev.index.ports import LexicalStore, LexicalWriter, Row, SegmentFiles
from Medical_KG_rev.index.spaces import generation_of
from Medical_KG_rev.index.staging import SegmentStaging
from Medical_KG_rev.index.stores import IndexStores, Step, nothing
from Medical_KG_rev.models import Chunk

_DEAD_SHARE_OF_LEXICON = 0.25
_SMALL_LEXICON = 256


class TenantIndex:
    """The writing side of one tenant's index; exists while its lock is held.

    Args:
        grace_seconds: so long superseded rows stay in the lexicon after a commit.
        step: is told each step of the protocol by name; a test stops the process there.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        lexical: LexicalStore,
        files: SegmentFiles,
        analyser: Analyser,
        *,
        grace_seconds: float = 0.0,
        step: Step = nothing,
    ) -> None:
        self.catalogue = catalogue
        self.lexical = lexical
        self.files = files
        self._analyser = analyser
        self._grace = grace_seconds
        self._step = step

    def apply(self, change: Change) -> int:
        """Makes ``change`` visible as one generation, and answers which. On any error nothing of it is visible.

        Raises:
            IndexWriterFencedError: another writer has taken over.
        """
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
        self._clean_up(everything=change.purge or change.compact)
        return generation

    def recover(self) -> None:
        """Takes over from every writer before; undoes what a dead one had begun and does what it still owed."""
        self.catalogue.take_over()
        for generation in self.catalogue.prepared():
            self._withdraw(generation)
        self._clean_up()

    # Staging

    def _stage(self, change: Change, generation: int, chunks: list[tuple[int, Chunk]]) -> Commit:
        superseded = self.catalogue.vids_of(change.replaced)
        rows = list(self._rows(chunks))
        vectors = {**change.vectors, "facets": NewRows("", facets.FINGERPRINT, 0, [(row.facets, row.day) for row in rows])}
        staging = SegmentStaging(self.catalogue, self.files, generation, superseded)
        staged = staging.stage(change, vectors, [vid for vid, _ in chunks])
        meta = self.catalogue.meta()
        current = meta.get("lexicon", "")
        dead = int(meta.get("lexical_dead", "0")) + len(superseded)
        renewed = change.compact or change.renew_lexicon or self._is_due(current, dead)
        lexicon = f"lexicon-{generation}" if renewed else current
        self._stage_lexicon(lexicon, generation, rows, renewed, set(superseded))
        return Commit(
            generation=generation,
            documents=[StoredDocument(d.doc_id, d.version, d.digest, len(d.chunks)) for d in change.documents],
            chunks=chunks,
            removed=change.removed,
            spaces=staged.spaces,
            dropped=staged.dropped,
            segments=staged.segments,
            folded=staged.folded,
            dead=staged.dead,
            meta={
                "analyser": self._analyser.fingerprint,
                **change.meta,
                "lexicon": lexicon,
                "lexical_dead": "0" if renewed else str(dead),
            },
            lexical=() if renewed else superseded,
            dropped_lexicon=current if renewed and current else None,
        )

    def _is_due(self, lexicon: str, dead: int) -> bool:
        """Whether the lexicon is missing or carries too many dead rows."""
        if dead > _SMALL_LEXICON and dead > _DEAD_SHARE_OF_LEXICON * self.catalogue.counts()[1]:
            return True
        return lexicon not in self.lexical.names()

    def _stage_lexicon(self, lexicon: str, generation: int, rows: Sequence[Row], renewed: bool, superseded: set[int]) -> None:
        """Adds the rows to the lexicon; to a new one after all that goes on living."""
        if not renewed and not rows:
            return
        with _closing(self.lexical.writer(lexicon)) as writer:
            if renewed:
                living = (item for item in self.catalogue.every_chunk() if item[0] not in superseded)
                writer.add(generation, self._rows(living))
            writer.add(generation, rows)
            self._step("lexicon.uncommitted")
            writer.commit()
            self._step("lexicon.committed")

    def _rows(self, chunks: Iterable[tuple[int, Chunk]]) -> Iterator[Row]:
        joined = self._analyser.joined
        return (Row(vid, joined(chunk.text), facets_of(chunk), day_of(chunk)) for vid, chunk in chunks)

    # Clearing away

    def _withdraw_after(self, error: BaseException, generation: int) -> None:
        """Tries to undo at once; where even that fails (the disk is full), the next writer's recovery does it."""
        try:
            if generation in self.catalogue.prepared():
                self._withdraw(generation)
        except MedicalKGError as second:
            error.add_note(f"Generation {generation} will be withdrawn by the next writer: {second}")

    def _withdraw(self, generation: int) -> None:
        for name in self.files.names():
            if generation_of(name) == generation:
                self.files.drop(name)
        lexicon = self.catalogue.meta().get("lexicon")
        self.lexical.drop(f"lexicon-{generation}")
        if lexicon in self.lexical.names():
            with _closing(self.lexical.writer(lexicon)) as writer:
                writer.remove_generation(generation)
                writer.commit()
        self._step("withdraw.stores")
        self.catalogue.withdraw(generation)

    def _clean_up(self, *, everything: bool = False) -> None:
        """Does what is owed. In the lexicon it waits for readers of the generation before, unless ``everything`` is asked for."""
        before = time.time() - self._grace
        owed = [each for each in self.catalogue.outbox() if everything or each.operation == "segment" or each.owed_at <= before]
        if not owed:
            return
        lexicon = self.catalogue.meta()["lexicon"]
        vids = [vid for each in owed if each.operation == "lexical" for vid in _vids(each.argument)]
        if vids and lexicon in self.lexical.names():
            with _closing(self.lexical.writer(lexicon)) as writer:
                writer.remove(vids)
                writer.commit()
        self._step("cleanup.lexicon")
        for each in owed:
            if each.operation == "segment":
                self.files.drop(each.argument)
            elif each.operation == "lexicon":
                self.lexical.drop(each.argument)
        self._step("cleanup.segments")
        self.catalogue.settle([each.seq for each in owed])
        self._step("cleanup.after")


@contextmanager
def open_for_writing(
    stores: IndexStores, tenant_id: str, analyser: Analyser, *, timeout_seconds: float, step: Step = nothing
) -> Iterator[TenantIndex]:
    """Takes the tenant's lock, recovers what a dead writer left, and gives the index for as long as the lock is held."""
    with stores.lock(tenant_id, timeout_seconds), stores.writing(tenant_id) as catalogue:
        index = TenantIndex(
            catalogue,
            stores.lexical(tenant_id),
            stores.files(tenant_id, step),
            analyser,
            grace_seconds=stores.grace_seconds,
            step=step,
        )
        index.recover()
        yield index


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
