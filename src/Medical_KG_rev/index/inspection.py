"""Whether the stores of an index agree: catalogue, segments, lexicon, row by row. It reads everything and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from Medical_KG_rev.errors import IndexMismatchError
from Medical_KG_rev.index.analysis import ANALYSER
from Medical_KG_rev.index.catalogue import Catalogue
from Medical_KG_rev.index.formats import Vids
from Medical_KG_rev.index.ports import LexicalStore, SegmentFiles
from Medical_KG_rev.index.snapshot import open_segment
from Medical_KG_rev.index.spaces import Segment, Space


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as it should be: in which store, what, and of how many rows, files or documents."""

    store: str
    problem: str
    count: int
    detail: str = ""


@dataclass
class Inspection:
    """What was found, and what a repair needs to know of it."""

    documents: int = 0
    chunks: int = 0
    findings: list[Finding] = field(default_factory=list)
    lost: list[Segment] = field(default_factory=list)
    """Segments that cannot be read."""
    missing: dict[str, Vids] = field(default_factory=dict)
    """Live vids without a row, by space."""
    is_miscounted: bool = False
    is_lexicon_wrong: bool = False
    orphaned_files: list[str] = field(default_factory=list)
    orphaned_lexicons: list[str] = field(default_factory=list)

    def note(self, store: str, problem: str, count: int, detail: str = "") -> None:
        if count:
            self.findings.append(Finding(store, problem, count, detail))


def inspect(catalogue: Catalogue, lexical: LexicalStore, files: SegmentFiles) -> Inspection:
    """Holds every store against the catalogue. Writers must wait meanwhile."""
    found = Inspection(*catalogue.counts())
    live = np.array(catalogue.live_vids(), dtype=np.int64)
    wrong = catalogue.chunk_counts()
    found.note("catalogue", "documents without all of their chunks", len(wrong), ", ".join(row[0] for row in wrong[:5]))
    found.note("catalogue", "batches of writers that died", len(catalogue.prepared()), "the next writer withdraws them")
    found.note("catalogue", "clean-up that is owed", len(catalogue.outbox()), "the next writer does it")
    segments = catalogue.segments()
    for space in catalogue.spaces():
        _inspect_space(space, [each for each in segments if each.space == space.name], live, files, found)
    owed = {each.argument for each in catalogue.outbox() if each.operation == "segment"}
    known = {segment.file for segment in segments} | owed
    found.orphaned_files = [name for name in files.names() if name not in known]
    found.note("segments", "files that belong to no batch", len(found.orphaned_files), ", ".join(found.orphaned_files[:5]))
    _inspect_lexicon(catalogue, lexical, live, found)
    return found


def _inspect_space(space: Space, segments: Sequence[Segment], live: Vids, files: SegmentFiles, found: Inspection) -> None:
    held = [np.zeros(0, dtype=np.int64)]
    for segment in segments:
        try:
            files.read(segment.file, segment.sha256)
            held.append(open_segment(files, segment).vids)
        except IndexMismatchError as error:
            found.lost.append(segment)
            found.note("segments", "files that cannot be read", 1, error.message)
    vids = np.concatenate(held)
    readable = [segment for segment in segments if segment not in found.lost]
    doubled = len(vids) - len(np.unique(vids))
    found.note("segments", f"rows that space {space.name} holds twice", doubled)
    dead, counted = len(vids) - int(np.isin(vids, live).sum()), sum(segment.dead for segment in readable)
    found.note("segments", f"superseded rows of space {space.name} that are counted wrongly", abs(dead - counted))
    found.is_miscounted |= bool(doubled) or dead != counted
    missing = np.setdiff1d(live, vids)
    if len(missing) and space.state == "active":
        found.missing[space.name] = missing
        found.note("segments", f"chunks without a row in space {space.name}", len(missing))


def _inspect_lexicon(catalogue: Catalogue, lexical: LexicalStore, live: Vids, found: Inspection) -> None:
    meta, names = catalogue.meta(), lexical.names()
    current = meta.get("lexicon")
    if current is None:
        return
    owed = {each.argument.partition(" ")[0] for each in catalogue.outbox() if each.operation == "lexicon"}
    found.orphaned_lexicons = [name for name in names if name != current and name not in owed]
    found.note("lexicon", "lexicons that belong to no batch", len(found.orphaned_lexicons), ", ".join(found.orphaned_lexicons))
    analyser = meta.get("analyser", ANALYSER)
    found.note("lexicon", "lexicons made with another analyser", int(analyser != ANALYSER), analyser)
    faults = (
        list(_lexicon_faults(current, lexical, live)) if current in names or not len(live) else [("missing lexicons", 1, current)]
    )
    for problem, count, detail in faults:
        found.note("lexicon", problem, count, detail)
    found.is_lexicon_wrong = bool(faults) or analyser != ANALYSER


def _lexicon_faults(name: str, lexical: LexicalStore, live: Vids) -> Iterator[tuple[str, int, str]]:
    if name not in lexical.names():
        return
    try:
        vids = lexical.vids(name)
    except IndexMismatchError as error:
        yield "lexicons that cannot be read", 1, error.message
        return
    unique = np.unique(vids)
    for problem, count in (
        ("rows that are there twice", len(vids) - len(unique)),
        ("chunks without a row", len(np.setdiff1d(live, unique))),
        ("rows of no chunk", len(np.setdiff1d(unique, live))),
    ):
        if count:
            yield problem, count, name


def holdings(catalogue: Catalogue, lexical: LexicalStore, files: SegmentFiles, vids: Sequence[int]) -> tuple[int, int]:
    """How many rows of the lexicon, and of all segments, have one of these vids."""
    wanted = np.asarray(vids, dtype=np.int64)
    lexicon = catalogue.meta().get("lexicon")
    lexical_rows = int(np.isin(lexical.vids(lexicon), wanted).sum()) if lexicon in lexical.names() else 0
    segment_rows = sum(int(np.isin(open_segment(files, each).vids, wanted).sum()) for each in catalogue.segments())
    return lexical_rows, segment_rows
