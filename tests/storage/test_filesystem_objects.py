"""The filesystem store: the kit of object stores, and what only files can do wrong."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev.errors import StoreUnavailableError, UsageError
from Medical_KG_rev.storage import FilesystemObjectStore, ObjectStore, StoredObject
from Medical_KG_rev.testing import ConformanceError, check_object_store

pytestmark = pytest.mark.component


def test_conformance(tmp_path: Path) -> None:
    numbers = iter(range(100))
    check_object_store(lambda: FilesystemObjectStore(tmp_path / str(next(numbers))))


FAULTS = [
    "cut",
    "no ranges",
    "no KeyError",
    "delete says yes",
    "lists nothing",
    "no prefix",
    "uploads the start",
    "no sizes",
    "no ages",
]


class Broken(FilesystemObjectStore):
    """One promise broken at a time."""

    fault = ""

    def put(self, key: str, content: bytes) -> None:
        super().put(key, content[1:] if self.fault == "cut" else content)

    def upload(self, key: str, source: BinaryIO) -> None:
        super().upload(key, io.BytesIO(source.read(100)) if self.fault == "uploads the start" else source)

    def entries(self, prefix: str = "") -> Iterator[StoredObject]:
        for entry in super().entries(prefix):
            size, age = (1 if self.fault == "no sizes" else entry.size_bytes), (1 if self.fault == "no ages" else entry.modified)
            yield StoredObject(entry.key, size, age)

    def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        if self.fault == "no ranges":
            offset, length = max(offset, 0), None
        try:
            return super().read(key, offset, length)
        except KeyError:
            if self.fault == "no KeyError":
                return b""
            raise

    def delete(self, key: str) -> bool:
        return super().delete(key) or self.fault == "delete says yes"

    def keys(self, prefix: str = "") -> object:  # type: ignore[override]
        return iter([]) if self.fault == "lists nothing" else super().keys("" if self.fault == "no prefix" else prefix)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_kit_finds_each_fault(tmp_path: Path, fault: str) -> None:
    numbers = iter(range(100))

    def make() -> ObjectStore:
        store = Broken(tmp_path / str(next(numbers)))
        store.fault = fault
        return store  # type: ignore[return-value]

    with pytest.raises(ConformanceError):
        check_object_store(make)


def test_another_process_sees_what_was_put(tmp_path: Path) -> None:
    FilesystemObjectStore(tmp_path).put("a/b", b"content")
    assert FilesystemObjectStore(tmp_path).read("a/b") == b"content"


@given(key=st.text(max_size=30) | st.text("./~ab", max_size=12))
def test_no_key_leaves_the_root(tmp_path_factory: pytest.TempPathFactory, key: str) -> None:
    base = tmp_path_factory.mktemp("keys", numbered=True)
    store = FilesystemObjectStore(base / "root")
    try:
        store.put(key, b"x")
    except UsageError:
        assert not (base / "root").exists()
    else:
        assert list(store.keys()) == [key]
    assert {path.name for path in base.iterdir()} <= {"root"}


def test_a_symlink_as_root_is_fine_and_unfinished_files_are_not_listed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    store = FilesystemObjectStore(tmp_path / "link")
    store.put("a/b", b"1")
    (tmp_path / "real" / "a" / "b~0badf00d").write_bytes(b"half")
    assert list(store.keys()) == ["a/b"]


def test_readers_see_one_version_or_the_other_never_a_mixture(tmp_path: Path) -> None:
    store = FilesystemObjectStore(tmp_path)
    versions = [bytes([number]) * 100_000 for number in range(4)]
    store.put("a", versions[0])
    done = threading.Event()
    seen: set[bytes] = set()

    def read() -> None:
        while not done.is_set():
            seen.add(store.read("a"))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(40):
        store.put("a", versions[number % 4])
    done.set()
    reader.join()
    assert seen <= set(versions)
    assert len(list(tmp_path.iterdir())) == 1


LIMITED = """
import resource, sys
from pathlib import Path
from Medical_KG_rev.errors import StorageFullError
from Medical_KG_rev.storage import FilesystemObjectStore

resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
store = FilesystemObjectStore(Path(sys.argv[1]))
store.put("a", b"first")
try:
    store.put("a", b"x" * 60_000)
except StorageFullError as error:
    print(error.code, store.read("a"), list(store.keys()))
store.put("b", b"y" * 40_000)
"""


def test_a_full_disk_keeps_what_was_there(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert answer.stdout.strip() == "storage_full b'first' ['a']"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


KILLED = """
import os, signal, sys
from pathlib import Path
from Medical_KG_rev.storage import FilesystemObjectStore

point, root = sys.argv[1], Path(sys.argv[2])
store = FilesystemObjectStore(root)

def die(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)

if point == "fsync":
    os.fsync = die
else:
    Path.replace = die
store.put("a", b"second" * 1000)
"""


@pytest.mark.parametrize("point", ["fsync", "replace"])
def test_killed_while_writing_the_old_object_stays(tmp_path: Path, point: str) -> None:
    store = FilesystemObjectStore(tmp_path)
    store.put("a", b"first")
    killed = subprocess.run([sys.executable, "-c", KILLED, point, str(tmp_path)], check=False, timeout=60)
    assert killed.returncode == -9
    assert store.read("a") == b"first"
    assert list(store.keys()) == ["a"]


def test_an_unreadable_object_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FilesystemObjectStore(tmp_path)
    store.put("a", b"x")

    def refuse(*_: object, **__: object) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(StoreUnavailableError, match=r"Cannot read .*/a: Permission denied"):
        store.read("a")
    with pytest.raises(StoreUnavailableError, match=r"Cannot write .*/a: Permission denied"):
        store.put("a", b"y")


def test_remains_of_killed_writers_are_named_with_their_age_and_can_be_discarded(tmp_path: Path) -> None:
    store = FilesystemObjectStore(tmp_path)
    store.put("a/b", b"1")
    remains = tmp_path / "a" / "b~0badf00d"
    remains.write_bytes(b"half")
    os.utime(remains, (1000, 1000))
    (found,) = store.unfinished()
    assert found == StoredObject("a/b~0badf00d", 4, 1000)
    store.discard(found)
    store.discard(found)
    store.discard(StoredObject("a/b", 1, 0))  # an object is no remains
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]
    assert not list(store.unfinished())
