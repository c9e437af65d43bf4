"""What a power cut takes away: everything that was not synced, names in folders as well as the content of files.

:class:`Disk` stands between the index and its folder. The folder itself plays the memory of the operating system, in which all
writes are seen at once; the layer keeps apart what a disk would have by now. Content lasts from ``fsync`` of a file on, and a
name that was given, changed or removed lasts from ``fsync`` of its folder on. :meth:`Disk.cut` makes the folder what was kept: a
file whose content was never synced is empty, one whose name was never synced is gone, a removed one is back.

Two libraries sync for themselves, beneath Python, and what they have committed is taken for kept:

- SQLite, in its write-ahead log with ``synchronous=FULL``, syncs the log before ``COMMIT`` returns, and the folder when it makes
  the log. The setting is asserted here.
- tantivy syncs the files of its segments, then ``meta.json``, then the lexicon's folder, before ``commit`` returns. The folder's
  own name in the folder above is ours to sync.

The order in which the three follow each other is asserted as well: content and names of segments are synced, then the lexicon
commits, then the catalogue does.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from Medical_KG_rev.errors import IndexMismatchError
from Medical_KG_rev.index import HaystackIndexWriter, Retriever
from Medical_KG_rev.index.catalogue import Catalogue
from Medical_KG_rev.index.lexical import TantivyWriter
from Medical_KG_rev.index.maintenance import IndexMaintenance
from Medical_KG_rev.index.stores import EmbeddedStores
from Medical_KG_rev.index.tenant import TenantIndex

pytestmark = pytest.mark.chaos

OLD = {f"local:{n}": [f"common first {n}"] for n in (*range(7), 10, 11, 12)}
NEW = {
    "local:0": ["common second 0", "common second too"],
    "local:1": [],
    "local:2": ["common second 2"],
    "local:8": ["common 8"],
}
GROUPS = ((0, 10), (1, 11), (2, 12), (3,), (4,), (5,), (6,))
"""Seven segments; those of documents 0, 1 and 2 keep another row, so that the next write has clean-up to do and then a fold."""


class PowerCut(BaseException):
    """Nothing handles it."""


class Disk:
    """The layer under a folder. ``events`` are the paths that were synced, relative to it, and what tests add to them.

    Args:
        before_sync: is told the number of each sync that is about to happen.
    """

    def __init__(self, root, monkeypatch, before_sync=lambda _: None):
        self.root = root
        self.events = []
        self._before_sync = before_sync
        self._contents = {}
        """Synced content by inode."""
        self._names = {}
        """Synced names by folder: the inode of a file, None of a folder."""
        self._held = []
        """Open descriptors, so that no inode is given to another file."""
        monkeypatch.setattr(os, "fsync", self.fsync)
        monkeypatch.setattr(TenantIndex, "_withdraw_after", lambda *_: None)  # without power nobody undoes anything

    def fsync(self, descriptor):
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if not path.is_relative_to(self.root):
            return
        self._before_sync(len(self.events))
        self.events.append(str(path.relative_to(self.root)))
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            self._keep_names(path)
        else:
            self._keep_content(path, status.st_ino)

    def keep_everything(self):
        """All that is there now was synced long ago."""
        for folder, _, files in os.walk(self.root):
            self._keep_names(Path(folder))
            for name in files:
                path = Path(folder, name)
                self._keep_content(path, path.stat().st_ino)

    def cut(self):
        """Leaves what was synced; from now on there is power."""
        self._before_sync = lambda _: None
        self._restore(self.root)

    def close(self):
        for descriptor in self._held:
            os.close(descriptor)
        self._held.clear()

    def _keep_names(self, folder):
        self._names[folder] = {entry.name: entry.inode() if entry.is_file() else None for entry in os.scandir(folder)}

    def _keep_content(self, path, inode):
        self._held.append(os.open(path, os.O_RDONLY))
        self._contents[inode] = path.read_bytes()

    def _restore(self, folder):
        kept = self._names.get(folder, {})
        for path in folder.iterdir():
            if path.name not in kept and not syncs_itself(path):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name, inode in kept.items():
            path = folder / name
            if inode is None:
                path.mkdir(exist_ok=True)
                if path.parent.name != "lexicons":
                    self._restore(path)
            elif not syncs_itself(path):
                path.unlink(missing_ok=True)
                path.write_bytes(self._contents.get(inode, b""))


def syncs_itself(path):
    return path.name.startswith("catalogue.db")


@pytest.fixture(scope="module")
def base(tmp_path_factory, corpus):
    root = tmp_path_factory.mktemp("base") / "index"
    for group in GROUPS:
        corpus.write(HaystackIndexWriter(root), {f"local:{n}": OLD[f"local:{n}"] for n in group})
    return root


@pytest.fixture
def disk_of(monkeypatch):
    """Makes the layer under a copy of a folder, or under a new one."""
    disks = []

    def make(root, base=None, before_sync=lambda _: None):
        disks.append(Disk(root, monkeypatch, before_sync))
        if base is None:
            root.mkdir()
        else:
            shutil.copytree(base, root)
            disks[-1].keep_everything()
        return disks[-1]

    yield make
    for disk in disks:
        disk.close()


def texts(documents):
    return sorted(text for chunks in documents.values() for text in chunks)


def visible(root, corpus):
    """What each leg finds, by a reader that has never seen the index before."""
    opened = Retriever(root, corpus.vector_of, expand_query=lambda _: corpus.sparse_of(["common"], "test-sparse").row(0))
    legs = [
        sorted(hit.text for hit in opened.search("default", "common", k=1000, legs=[leg]).hits)
        for leg in ("bm25", "sparse", "dense")
    ]
    opened.close()
    assert legs[0] == legs[1] == legs[2]
    return legs[0]


def steps_of(disk, corpus):
    """The steps of a write of NEW, and how many syncs it makes."""
    steps = []
    corpus.write(HaystackIndexWriter(disk.root, step=steps.append), NEW, "v2")
    return steps, len(disk.events)


def assert_whole(root, corpus, before):
    """The index answers with the old batch or the new one, and the next write makes all stores agree."""
    found = visible(root, corpus) if (root.exists() and any(root.rglob("catalogue.db"))) else []
    after = texts(({} if before is None else OLD) | NEW)
    assert found in (texts(before or {}), after)
    assert corpus.write(HaystackIndexWriter(root), NEW, "v2").chunks == 4
    assert visible(root, corpus) == after
    stores = EmbeddedStores(root)
    assert IndexMaintenance(stores, None).verify("default").findings == ()
    stores.close()
    return found


def test_power_cuts_at_each_step(base, tmp_path, disk_of, corpus):
    steps, _ = steps_of(disk_of(tmp_path / "whole", base), corpus)
    assert "fold.commit.after" in steps
    for number, step in enumerate(steps):
        root = tmp_path / f"{number}"
        disk = disk_of(root, base)

        def fail(name, step=step):
            if name == step:
                raise PowerCut

        with pytest.raises(PowerCut):
            corpus.write(HaystackIndexWriter(root, step=fail), NEW, "v2")
        disk.cut()
        found = assert_whole(root, corpus, OLD)
        is_visible = number >= steps.index("commit.after")
        assert found == (texts(OLD | NEW) if is_visible else texts(OLD)), f"cut at {step}"


@pytest.mark.parametrize("is_first", [True, False])
def test_power_cuts_before_each_sync(is_first, base, tmp_path, disk_of, corpus):
    """Clean-up and folds included: nothing that was removed comes back to stay."""
    before, start = (None, None) if is_first else (OLD, base)
    _, syncs = steps_of(disk_of(tmp_path / "whole", start), corpus)
    assert syncs > 10
    for number in range(syncs):
        root = tmp_path / f"{number}"

        def fail(reached, number=number):
            if reached == number:
                raise PowerCut

        disk = disk_of(root, start, fail)
        with pytest.raises(PowerCut):
            corpus.write(HaystackIndexWriter(root), NEW, "v2")
        disk.cut()
        assert_whole(root, corpus, before)


def test_power_cuts_before_each_sync_of_a_compaction(base, tmp_path, disk_of, corpus):
    """The lexicon that was replaced is gone for good as well."""
    whole = disk_of(tmp_path / "whole", base)
    HaystackIndexWriter(whole.root).compact("default")
    for number in range(len(whole.events)):
        root = tmp_path / f"{number}"

        def fail(reached, number=number):
            if reached == number:
                raise PowerCut

        disk = disk_of(root, base, fail)
        with pytest.raises(PowerCut):
            HaystackIndexWriter(root).compact("default")
        disk.cut()
        assert visible(root, corpus) == texts(OLD)
        assert_whole(root, corpus, OLD)


def test_the_layer_loses_what_nobody_syncs(base, tmp_path, disk_of, corpus, monkeypatch):
    """So that the tests above could fail: an index that did not sync its segments would be broken after a power cut."""
    disk = disk_of(tmp_path / "index", base)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    corpus.write(HaystackIndexWriter(disk.root), NEW, "v2")
    assert visible(disk.root, corpus) == texts(OLD | NEW)
    disk.cut()
    opened = Retriever(disk.root, corpus.vector_of)
    with pytest.raises(IndexMismatchError, match="damaged"):
        opened.search("default", "common", legs=["dense"])
    opened.close()


def test_segments_are_synced_before_the_lexicon_commits_and_that_before_the_catalogue(
    base, tmp_path, disk_of, corpus, monkeypatch
):
    disk = disk_of(tmp_path / "index", base)
    for owner, name in ((TantivyWriter, "lexicon"), (Catalogue, "catalogue")):

        def commit(self, *arguments, original=owner.commit, name=name):
            original(self, *arguments)
            disk.events.append(name)

        monkeypatch.setattr(owner, "commit", commit)
    corpus.write(HaystackIndexWriter(disk.root), NEW, "v2")
    events = [event.partition("/")[2] or event for event in disk.events]
    kinds = [
        f"segments/8-{kind}-1.{suffix}.tmp" for kind, suffix in (("dense", "faiss"), ("sparse", "impacts"), ("facets", "facets"))
    ]
    written = [event for kind in kinds for event in (kind, "segments")]
    assert events[:8] == [*written, "lexicon", "catalogue"]
    fold = events.index(kinds[0].replace("8-", "9-"))
    assert events[fold:] == [*(event.replace("8-", "9-") for event in written), "catalogue", "segments"]
    with EmbeddedStores(disk.root).writing("default") as catalogue:
        assert catalogue._db.rows("PRAGMA synchronous") == [(2,)]
        assert catalogue._db.rows("PRAGMA journal_mode") == [("wal",)]
