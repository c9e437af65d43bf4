"""Staging the segments of one generation: new rows and the live ones of folded segments, a file a space."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from Medical_KG_rev.index.catalogue import Catalogue
from Medical_KG_rev.index.changes import Change, NewRows
from Medical_KG_rev.index.formats import FORMATS, Rows, Vids, folded, kept
from Medical_KG_rev.index.ports import SegmentFiles
from Medical_KG_rev.index.snapshot import open_segment
from Medical_KG_rev.index.spaces import KINDS, Kind, Segment, Space, file_name
from Medical_KG_rev.models import SparseVector

_TIER_WIDTH = 8
"""So many segments of one order of magnitude are folded into one: a row is rewritten log8(n) times."""
_DEAD_SHARE = 0.2

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
        due = self._due(segments, dead, len(added[0]) if added else 0, change)
        parts = [self._live_part(segment) for segment in due]
        if added is not None:
            parts.append(added)
        parts = [part for part in parts if len(part[0])]
        if parts:
            vids, rows = folded(space.kind, parts) if len(parts) > 1 else parts[0]
            sha256 = self._files.write(file_name(space.name, self._generation), FORMATS[space.kind].encode(vids, rows))
            staged.segments.append(Segment(space.name, self._generation, sha256, len(vids)))
        staged.folded.extend([*due, *lost])
        rewritten = {segment.generation for segment in due}
        staged.dead.update({(space.name, old): count for old, count in dead.items() if old not in rewritten})

    def _dead_by_segment(self, segments: Sequence[Segment]) -> dict[int, int]:
        """How many rows of each segment become superseded."""
        if not len(self._superseded):
            return {}
        counts = {
            segment.generation: int(np.isin(open_segment(self._files, segment).vids, self._superseded).sum())
            for segment in segments
        }
        return {generation: count for generation, count in counts.items() if count}

    @staticmethod
    def _due(segments: Sequence[Segment], dead: Mapping[int, int], added: int, change: Change) -> list[Segment]:
        """The segments to fold into the new one."""
        if change.compact:
            return list(segments)
        after = {segment.generation: segment.dead + dead.get(segment.generation, 0) for segment in segments}
        tiers = Counter(_tier(segment.live) for segment in segments)
        if added:
            tiers[_tier(added)] += 1

        def is_due(segment: Segment) -> bool:
            return (
                tiers[_tier(segment.live)] >= _TIER_WIDTH
                or after[segment.generation] > _DEAD_SHARE * segment.rows
                or (change.purge and segment.generation in dead)
            )

        return [segment for segment in segments if is_due(segment)]

    def _live_part(self, segment: Segment) -> Part:
        """The rows of a segment that go on living, after its file has been checked as a whole."""
        self._files.read(segment.file, segment.sha256)
        vids, rows = open_segment(self._files, segment).read()
        live = self._catalogue.doc_ids(vids.tolist())
        alive = np.setdiff1d(np.fromiter(live, dtype=np.int64, count=len(live)), self._superseded)
        return kept(segment.kind, (vids, rows), alive)


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
