"""Segment files in a folder and in an object store: complete or absent, durable, and never another one's."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from Medical_KG_rev.errors import IndexMismatchError, StorageFullError
from Medical_KG_rev.index import disk
from Medical_KG_rev.index.segment_files import FolderFiles, ObjectFiles
from Medical_KG_rev.storage import FilesystemObjectStore

pytestmark = pytest.mark.component

NAME = "7-dense-1.faiss"


@pytest.fixture
def objects(tmp_path):
    return FilesystemObjectStore(tmp_path / "bucket")


@pytest.fixture(params=["folder", "objects"])
def make(request, tmp_path, objects):
    if request.param == "folder":
        return lambda: FolderFiles(tmp_path / "segments")
    return lambda: ObjectFiles(objects, "tenants/default/index/", tmp_path / "cache")


def test_what_was_written_is_mapped_and_read_elsewhere(make):
    sha256 = make().write(NAME, b"vectors")
    assert make().open(NAME, sha256).read_bytes() == b"vectors"
    assert make().read(NAME, sha256) == b"vectors"
    assert make().names() == [NAME]


def test_a_file_is_overwritten_as_a_whole(make):
    make().write(NAME, b"first")
    sha256 = make().write(NAME, b"second")
    assert make().open(NAME, sha256).read_bytes() == b"second"
    assert make().read(NAME, sha256) == b"second"


def test_dropping_leaves_nothing_and_none_is_no_error(make):
    sha256 = make().write(NAME, b"vectors")
    make().drop(NAME)
    make().drop(NAME)
    assert make().names() == []
    with pytest.raises(IndexMismatchError, match="medkg index repair"):
        make().open(NAME, sha256)
    with pytest.raises(IndexMismatchError):
        make().read(NAME, sha256)


def test_another_content_is_refused(make):
    make().write(NAME, b"vectors")
    with pytest.raises(IndexMismatchError, match="sha256"):
        make().read(NAME, "0" * 64)


def test_what_is_left_of_a_write_is_named_and_dropped(tmp_path):
    class StopError(Exception):
        pass

    def stop(step):
        if step == "faiss.unnamed":
            raise StopError

    files = FolderFiles(tmp_path, stop)
    with pytest.raises(StopError):
        files.write(NAME, b"vectors")
    assert [path.name for path in tmp_path.iterdir()] == [f"{NAME}.tmp"]
    assert files.names() == [NAME]
    files.drop(NAME)
    assert list(tmp_path.iterdir()) == []


def test_content_is_synced_before_it_has_its_name_and_the_name_after(tmp_path, monkeypatch):
    order = []
    real = os.fsync

    def fsync(descriptor):
        order.append(f"fsync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        real(descriptor)

    monkeypatch.setattr(disk.os, "fsync", fsync)
    FolderFiles(tmp_path / "segments", order.append).write(NAME, b"vectors")
    assert order[0] == f"fsync {tmp_path.name}", "the new folder's own name"
    assert order[1:] == ["faiss.unsynced", f"fsync {NAME}.tmp", "faiss.unnamed", "faiss.named", "fsync segments"]


def test_an_object_is_stored_before_it_is_spoken_of(tmp_path, objects):
    order = []
    files = ObjectFiles(objects, "i/", tmp_path / "cache", lambda step: order.append((step, list(objects.keys("i/")))))
    files.write(NAME, b"vectors")
    assert order == [("faiss.unstored", []), ("faiss.stored", [f"i/{NAME}"])]


def test_a_copy_is_brought_once_and_checked(tmp_path, objects):
    sha256 = ObjectFiles(objects, "i/", tmp_path / "one").write(NAME, b"vectors")
    other = ObjectFiles(objects, "i/", tmp_path / "two")
    assert other.open(NAME, sha256).read_bytes() == b"vectors"
    objects.put(f"i/{NAME}", b"flipped")
    assert other.open(NAME, sha256).read_bytes() == b"vectors"
    with pytest.raises(IndexMismatchError, match="sha256"):
        ObjectFiles(objects, "i/", tmp_path / "three").open(NAME, sha256)
    assert list((tmp_path / "three").glob("*")) == []


def test_a_copy_of_an_older_index_is_never_taken_for_the_new_one(tmp_path, objects):
    files = ObjectFiles(objects, "i/", tmp_path / "cache")
    files.write(NAME, b"of an index that is gone")
    sha256 = ObjectFiles(objects, "i/", tmp_path / "elsewhere").write(NAME, b"of its successor")
    assert files.open(NAME, sha256).read_bytes() == b"of its successor"


def test_copies_that_nobody_uses_leave_the_cache(tmp_path, objects):
    files = ObjectFiles(objects, "i/", tmp_path / "cache")
    old, new = files.write("1-dense-1.faiss", b"old"), files.write("2-dense-1.faiss", b"new")
    long_ago = time.time() - 30 * 86_400
    for path in (tmp_path / "cache").iterdir():
        os.utime(path, (long_ago, long_ago))
    files.open("2-dense-1.faiss", new)
    third = ObjectFiles(objects, "i/", tmp_path / "other").write("3-dense-1.faiss", b"third")
    files.open("3-dense-1.faiss", third)
    assert sorted(path.name.partition("-")[2] for path in (tmp_path / "cache").iterdir()) == [
        "2-dense-1.faiss",
        "3-dense-1.faiss",
    ]
    assert files.open("1-dense-1.faiss", old).read_bytes() == b"old"


def test_a_full_disk_has_its_name(tmp_path, monkeypatch):
    def no_room(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk.os, "fsync", no_room)
    with pytest.raises(StorageFullError, match="No room"):
        FolderFiles(tmp_path).write(NAME, b"vectors")
