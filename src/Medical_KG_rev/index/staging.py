"""Staging the segments of one generation, a file a space: of new rows, or of the live rows of segments that are folded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from Medical_KG_rev.index.catalogue import Catalogue
from Medical_KG_rev.index.changes import Change, NewRows
from Medical_KG_rev.index.formats import FORMATS, Rows, Vids
from Medical_KG_rev.index.ports import SegmentFiles
from Medical_KG_rev.index.snapshot import open_segment
from Medical_KG_rev.index.spaces import KINDS, Kind, Segment, Space, file_name
from Medical_KG_rev.models import SparseVector

_TIER_WIDTH = 8
"""So many segments of one order of magnitude are folded into one: a row is rewritten log8(n) times, until its segment is full."""
_FULL = 32_768
"""Segments of so many live rows are folded no further: larger ones are hardly faster to search, and dear to rewrite."""
_DEAD_SHARE = 0.2
_FEW_DEAD = 256
"""Segments with more dead rows, and a larger share of them, are rewritten; small ones are folded anyway before long."""

Part = tuple[Vids, Rows]


@dataclass
class Staged:
    """What the commit has to record of spaces and segments."""

    spaces: list[Space] = field(default_factory=list)
    dropped: list[Space] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    folded: list[Segment] = field(default_factory=list)
    dead: dict[tuple[str, int], int] = field(default_factory=dict)


class SegmentStaging:
    """Writes the segments of one generation.

    Args:
        superseded: vids that the generation takes away.
    """

    def __init__(self, catalogue: Catalogue, files: SegmentFiles, generation: int, superseded: Sequence[int]) -> None:
        self._catalogue = catalogue
        self._files = files
        self._generation = generation
        self._superseded = np.asarray(superseded, dtype=np.int64)
        self._segments: dict[str, list[Segment]] = {}
        for segment in catalogue.segments():
            self._segments.setdefault(segment.space, []).append(segment)

    def stage(self, change: Change, vectors: Mapping[Kind, NewRows], vids: Sequence[int]) -> Staged:
        """All spaces of the index after ``change``, of which ``vectors`` are the new rows by kind."""
        staged = Staged(list(change.spaces), list(change.dropped))
        spaces = {space.name: space for space in (*self._catalogue.spaces(), *change.spaces)}
        added: dict[str, Part] = {each.space.name: (each.vids, each.rows) for each in change.additions}
        for kind, new in vectors.items():
            if len(vids) or not any(space.kind == kind for space in spaces.values()):
                space = self._target(kind, new, spaces, staged)
                added[space.name] = (np.asarray(vids, dtype=np.int64), new.rows)
        gone = {space.name for space in staged.dropped}
        staged.folded.extend(segment for name in gone for segment in self._segments.get(name, ()))
        for space in sorted(spaces.values(), key=lambda space: (KINDS.index(space.kind), space.name)):
            if space.name not in gone:
                self._stage_space(space, added.get(space.name), change, staged)
        return staged

    def _target(self, kind: Kind, new: NewRows, spaces: dict[str, Space], staged: Staged) -> Space:
        """The active space of the kind; a new one where it was made by another model, which it then replaces."""
        active = [space for space in spaces.values() if space.kind == kind and space.state == "active"]
        for space in active:
            if space.fingerprint == new.fingerprint and space.dimension == new.dimension:
                return space
        staged.dropped.extend(active)
        space = Space(f"{kind}-{self._generation}", kind, new.model, new.fingerprint, new.dimension)
        spaces[space.name] = space
        staged.spaces.append(space)
        return space

    def _stage_space(self, space: Space, added: Part | None, change: Change, staged: Staged) -> None:
        lost = [each for each in self._segments.get(space.name, ()) if (each.space, each.generation) in change.lost]
        segments = [each for each in self._segments.get(space.name, ()) if each not in lost]
        dead = self._dead_by_segment(segments)
        gone = [segment for segment in segments if self._is_all_dead(segment, dead.get(segment.generation, 0))]
        due: list[Segment] = []
        if added is not None and len(added[0]):
            self._write(space, FORMATS[space.kind].encode(*added), len(added[0]), staged)
        else:
            due = [segment for segment in self._due(segments, dead, change) if segment not in gone]
            self._fold(space, due, staged)
        staged.folded.extend([*gone, *due, *lost])
        rewritten = {segment.generation for segment in (*gone, *due)}
        staged.dead.update({(space.name, old): count for old, count in dead.items() if old not in rewritten})

    def _dead_by_segment(self, segments: Sequence[Segment]) -> dict[int, int]:
        """How many rows of each segment become superseded."""
        if not len(self._superseded):
            return {}
        counts = {segment.generation: _held(open_segment(self._files, segment).vids, self._superseded) for segment in segments}
        return {generation: count for generation, count in counts.items() if count}

    @staticmethod
    def _due(segments: Sequence[Segment], dead: Mapping[int, int], change: Change) -> list[Segment]:
        """The segments to rewrite as one."""
        if change.compact:
            return list(segments)
        if change.purge:
            return [segment for segment in segments if segment.generation in dead]
        return due_for_folding(segments) if change.fold else []

    def _is_all_dead(self, segment: Segment, more: int) -> bool:
        """Whether none of the rows goes on living: by the count, and then by the catalogue, because its file goes."""
        if segment.dead + more < segment.rows:
            return False
        return not len(self._live_rows(open_segment(self._files, segment).vids))

    def _fold(self, space: Space, due: Sequence[Segment], staged: Staged) -> None:
        """One file of the rows that go on living, after each segment has been checked as a whole."""
        parts = []
        for segment in due:
            self._files.read(segment.file, segment.sha256)
            opened = open_segment(self._files, segment)
            if len(rows := self._live_rows(opened.vids)):
                parts.append((opened, rows))
        if parts:
            parts.sort(key=lambda part: int(part[0].vids[part[1][0]]))
            self._write(space, FORMATS[space.kind].merge(parts), sum(len(rows) for _, rows in parts), staged)

    def _live_rows(self, vids: Vids) -> Vids:
        """The numbers of the rows that go on living; vids ascend in every segment."""
        if not len(vids):
            return vids
        live = np.array(self._catalogue.live_vids(int(vids[0]), int(vids[-1])), dtype=np.int64)
        return np.flatnonzero(np.isin(vids, live) & ~np.isin(vids, self._superseded))

    def _write(self, space: Space, content: bytes, rows: int, staged: Staged) -> None:
        sha256 = self._files.write(file_name(space.name, self._generation), content)
        staged.segments.append(Segment(space.name, self._generation, sha256, rows))


def _held(vids: Vids, wanted: Vids) -> int:
    """How many of ``wanted`` are among ``vids``, which ascend."""
    return int((np.searchsorted(vids, wanted, "right") - np.searchsorted(vids, wanted, "left")).sum())


def due_for_folding(segments: Sequence[Segment]) -> list[Segment]:
    """Segments of which there are many of one order of magnitude in their space, and those with many dead rows."""
    tiers = Counter((segment.space, _tier(segment.live)) for segment in segments if segment.live < _FULL)

    def is_due(segment: Segment) -> bool:
        many = segment.live < _FULL and tiers[segment.space, _tier(segment.live)] >= _TIER_WIDTH
        return many or segment.dead > max(_FEW_DEAD, _DEAD_SHARE * segment.rows)

    return [segment for segment in segments if is_due(segment)]


def sparse_lookup(catalogue: Catalogue, files: SegmentFiles, staged: Staged) -> Callable[[int], SparseVector]:
    """The sparse vector of a chunk by its vid, as the active sparse space has it once ``staged`` is committed."""
    spaces = {space.name: space for space in (*catalogue.spaces(), *staged.spaces)}
    gone = {space.name for space in staged.dropped}
    names = {each.name for each in spaces.values() if each.kind == "sparse" and each.state == "active"} - gone
    folded = {(each.space, each.generation) for each in staged.folded}
    segments = [each for each in (*catalogue.segments(), *staged.segments) if each.space in names]
    parts = [open_segment(files, each).read() for each in segments if (each.space, each.generation) not in folded]
    place = {vid: (matrix, row) for vids, matrix in parts for row, vid in enumerate(vids.tolist())}

    def vector_of(vid: int) -> SparseVector:
        matrix, row = place[vid]
        found: SparseVector = matrix.row(row)
        return found

    return vector_of


def _tier(rows: int) -> int:
    """The order of magnitude to the base of :data:`_TIER_WIDTH`: three bits make eight."""
    return (max(rows, 1).bit_length() - 1) // 3
