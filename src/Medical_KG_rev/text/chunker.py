"""The chunker: a Haystack component and a chunk stage over the same code."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import msgspec
from haystack import Document as HaystackDocument
from haystack import component
from haystack.components.preprocessors import DocumentSplitter

from Medical_KG_rev.models import Block, BoundingBox, Chunk, Document, SectionKind, StageContext
from Medical_KG_rev.sentences import split_units
from Medical_KG_rev.settings import ChunkingSettings
from Medical_KG_rev.text.cohesion import METHOD, Cohesion
from Medical_KG_rev.text.facets import document_facets
from Medical_KG_rev.text.packing import Packer
from Medical_KG_rev.text.passages import Passage, TokenCounter, Unit, paragraphs, passages_of, units_of
from Medical_KG_rev.text.standalone import Run, context_of, runs

__all__ = ["HaystackChunker"]

_VERSION = "3"
_CONTEXT_SHARE = 3
"""A table's caption and head are repeated where they take at most this fraction of a chunk: a third."""

Pieces = list[list[tuple[int, str]]]
"""For each passage, its pieces with their offsets in it."""


class _Source(msgspec.Struct, frozen=True):
    """What all chunks of a document share."""

    tenant_id: str
    doc_id: str
    source: str
    title: str
    facets: Mapping[str, tuple[str, ...]] = {}


@component
class HaystackChunker:
    """Cuts documents into passages within a token budget, at the borders that the text itself has.

    Sections are never mixed unless they are small siblings; a header goes with what follows; inside a section the cut
    falls where structure or vocabulary changes. A table or a figure's caption never shares a chunk with other text, and each
    further piece of a table has its caption and head as ``context``. Every chunk is an exact range of its document, and no word
    is lost.

    Args:
        settings: token budget and excluded section kinds.
        count_tokens: the embedding model's own count, additive over words (see ``EmbeddingBackend.count_tokens``).
        max_tokens: what the model can read; caps the budget of the settings.
        model_fingerprint: part of the chunker's own, since another tokenizer cuts elsewhere.
    """

    def __init__(
        self,
        settings: ChunkingSettings,
        count_tokens: Callable[[Sequence[str]], list[int]],
        max_tokens: int,
        model_fingerprint: str,
    ) -> None:
        self._excluded = frozenset(settings.excluded_section_kinds)
        self._max_tokens = min(settings.max_tokens, max_tokens)
        self._target = min(settings.target_tokens, self._max_tokens)
        self._min_tokens = settings.min_tokens
        self._packer = self._packer_beside(0)
        self._counter = TokenCounter(count_tokens)
        self._splitter = DocumentSplitter(split_by="function", splitting_function=split_units, split_length=1)
        made_of = f"{_VERSION};{settings.model_dump_json()};{self._max_tokens};{model_fingerprint}"
        self.fingerprint = f"chunker-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}"

    def execute(self, ctx: StageContext, document: Document) -> list[Chunk]:
        """Chunks in reading order; none only where the document has no text to index."""
        passages = passages_of(document, tuple(self._excluded))
        pieces = [_with_offsets(split_units(passage.text)) for passage in passages]
        source = _Source(ctx.tenant_id, document.doc_id, document.source, document.title, document_facets(document))
        return list(self._chunks(source, passages, pieces))

    def to_haystack(self, ctx: StageContext, document: Document) -> list[HaystackDocument]:
        """The document as Haystack documents, one a section, as :meth:`run` takes them."""
        shared = {
            "tenant_id": ctx.tenant_id,
            "doc_id": document.doc_id,
            "source": document.source,
            "title": document.title,
            "facets": {field: list(values) for field, values in document_facets(document).items()},
        }
        return [
            HaystackDocument(
                id=f"{document.doc_id}:section:{number}",
                content=passage.text,
                meta={
                    **shared,
                    "section": passage.title,
                    "section_path": list(passage.path),
                    "section_kind": str(passage.kind),
                    "start": passage.start,
                    "blocks": msgspec.to_builtins(passage.blocks),
                },
            )
            for number, passage in enumerate(passages_of(document, tuple(self._excluded)))
        ]

    @component.output_types(documents=list[HaystackDocument])
    def run(self, documents: list[HaystackDocument]) -> dict[str, list[HaystackDocument]]:
        """Chunks as Haystack documents whose meta has the fields of :class:`Chunk`; the id is the chunk's.

        Consecutive documents with the same ``doc_id`` in their meta are sections of one document. A document without such
        meta stands for itself: its id is the document's, its blank lines separate blocks.
        """
        chunks: list[Chunk] = []
        for source, members in groupby(documents, key=_source_of):
            sections = list(members)
            passages = _passages_from(sections)
            chunks += self._chunks(source, passages, [self._split(section) for section in sections])
        return {"documents": [_to_haystack_chunk(chunk) for chunk in chunks]}

    def _split(self, document: HaystackDocument) -> list[tuple[int, str]]:
        bare = HaystackDocument(id=document.id, content=document.content)
        pieces = self._splitter.run(documents=[bare])["documents"]
        return [(piece.meta["split_idx_start"], piece.content or "") for piece in pieces]

    def _chunks(self, source: _Source, passages: Sequence[Passage], pieces: Pieces) -> Iterator[Chunk]:
        units = units_of(passages, pieces, self._counter, self._max_tokens)
        if not units:
            return
        cohesion = Cohesion([_quote(passages[unit.passage], unit.start, unit.end) for unit in units])
        similarity = cohesion.similarity.tolist()
        starts: list[int] = []
        contexts: list[str] = []
        for first, last in self._groups(passages, units):
            for run in runs(passages, units, first, last, self._min_tokens):
                context, tokens = self._context(passages, units, run)
                cuts = (self._packer_beside(tokens) if context else self._packer).cut(
                    units[run.first : run.last], similarity[run.first : run.last]
                )
                starts += [run.first + cut for cut in cuts]
                contexts += ["", *[context] * (len(cuts) - 1)]
        ends = [*starts[1:], len(units)]
        scores = cohesion.coherence(starts, ends).tolist()
        for number, (first, last, score, context) in enumerate(zip(starts, ends, scores, contexts, strict=True)):
            depth = cohesion.depth(last) if last < len(units) else None
            yield self._chunk(source, number, passages, units[first:last], context, score, depth)

    def _packer_beside(self, tokens: int) -> Packer:
        """Fills what a context of so many tokens leaves."""
        return Packer(minimum=self._min_tokens, target=max(1, self._target - tokens), maximum=self._max_tokens - tokens)

    def _context(self, passages: Sequence[Passage], units: Sequence[Unit], run: Run) -> tuple[str, int]:
        """What further pieces of a table repeat, and its tokens; none where it would leave too little room, or all fits."""
        home = passages[units[run.last - 1].passage]
        if run.alone is None or sum(unit.tokens for unit in units[run.first : run.last]) <= self._target:
            return "", 0
        context = context_of(run.alone, home)
        words = context.split()
        known = self._counter.learn(words)
        tokens = sum(known[word] for word in words)
        fits = tokens * _CONTEXT_SHARE <= self._max_tokens and all(
            unit.tokens <= self._max_tokens - tokens for unit in units[run.first : run.last]
        )
        return (context, tokens) if fits else ("", 0)

    def _groups(self, passages: Sequence[Passage], units: Sequence[Unit]) -> Iterator[tuple[int, int]]:
        """Ranges of units that may share chunks: one section, or small siblings, with bare headings before them."""
        sizes = [0] * len(passages)
        for unit in units:
            sizes[unit.passage] += unit.tokens
        first = 0
        for index in range(1, len(units)):
            left, right = units[index - 1].passage, units[index].passage
            if left != right and not self._may_share(passages, sizes, left, right):
                yield first, index
                first = index
        yield first, len(units)

    def _may_share(self, passages: Sequence[Passage], sizes: Sequence[int], left: int, right: int) -> bool:
        one, other = passages[left], passages[right]
        if one.end != other.start:
            return False
        if one.is_heading:
            return True
        if other.is_heading:
            return right == len(passages) - 1 or passages[right + 1].start != other.end
        small = max(sizes[left], sizes[right]) <= self._target
        return small and one.kind is other.kind and _are_related(one.path, other.path)

    def _chunk(
        self,
        source: _Source,
        number: int,
        passages: Sequence[Passage],
        units: Sequence[Unit],
        context: str,
        coherence: float,
        boundary_depth: float | None,
    ) -> Chunk:
        used = passages[units[0].passage : units[-1].passage + 1]
        home = next((passage for passage in used if not passage.is_heading), used[0])
        blocks = [passages[index].blocks[block] for index, block in dict.fromkeys((unit.passage, unit.block) for unit in units)]
        page, box = _place(blocks)
        start, end = units[0].start, units[-1].end
        return Chunk(
            chunk_id=f"{source.doc_id}:chunk:{number}",
            doc_id=source.doc_id,
            tenant_id=source.tenant_id,
            source=source.source,
            title=source.title,
            text="".join([_quote(passage, start, end) for passage in used]),
            start=start,
            end=end,
            section=home.title,
            section_path=home.path,
            section_kind=home.kind,
            block_ids=tuple(block.id for block in blocks),
            page=page,
            bbox=box,
            n_tokens=sum(unit.tokens for unit in units),
            context=context,
            coherence=coherence,
            coherence_method=METHOD,
            boundary_depth=boundary_depth,
            chunker=self.fingerprint,
            facets=source.facets,
        )


def _with_offsets(pieces: Sequence[str]) -> list[tuple[int, str]]:
    placed, offset = [], 0
    for piece in pieces:
        placed.append((offset, piece))
        offset += len(piece)
    return placed


def _quote(passage: Passage, start: int, end: int) -> str:
    return passage.text[max(0, start - passage.start) : max(0, end - passage.start)]


def _are_related(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Siblings, or one inside the other."""
    shorter = min(len(one), len(other))
    return one[:-1] == other[:-1] or one[:shorter] == other[:shorter]


def _place(blocks: Sequence[Block]) -> tuple[int | None, BoundingBox | None]:
    """The first page that is known, and the box around the blocks on it."""
    page = next((block.page for block in blocks if block.page is not None), None)
    boxes = [block.bbox for block in blocks if block.bbox is not None and block.page == page]
    if not boxes:
        return page, None
    left, top, right, bottom = zip(*boxes, strict=True)
    return page, (min(left), min(top), max(right), max(bottom))


def _source_of(document: HaystackDocument) -> _Source:
    meta = document.meta
    return _Source(
        str(meta.get("tenant_id", "")),
        str(meta.get("doc_id", document.id)),
        str(meta.get("source", "")),
        str(meta.get("title", "")),
        msgspec.convert(meta.get("facets", {}), dict[str, tuple[str, ...]]),
    )


def _passages_from(documents: Sequence[HaystackDocument]) -> list[Passage]:
    passages, offset = [], 0
    for document in documents:
        text, meta = document.content or "", document.meta
        start = int(meta.get("start", offset))
        blocks = msgspec.convert(meta.get("blocks", []), tuple[Block, ...]) or paragraphs(text, start)
        kind = SectionKind(meta.get("section_kind", SectionKind.BODY))
        passages.append(Passage(text, start, str(meta.get("section", "")), tuple(meta.get("section_path", ())), kind, blocks))
        offset = start + len(text)
    return passages


def _to_haystack_chunk(chunk: Chunk) -> HaystackDocument:
    meta: dict[str, Any] = msgspec.to_builtins(chunk)
    return HaystackDocument(id=chunk.chunk_id, content=meta.pop("text"), meta=meta)
