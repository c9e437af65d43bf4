"""The conformance kit of object stores."""

from __future__ import annotations

import io
import time
from collections.abc import Callable

from Medical_KG_rev.errors import UsageError
from Medical_KG_rev.storage import ObjectStore
from Medical_KG_rev.testing.expect import ConformanceError, expect

BAD_KEYS = (
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "../a",
    "a/../b",
    "a/./b",
    "a\\b",
    "a\0b",
    "a b",
    "a\n",
    "~a",
    "x" * 300,
    "a/" * 600 + "a",
)


def check_object_store(make: Callable[[], ObjectStore]) -> None:
    """Holds a store against its port.

    Args:
        make: gives a store of its own, empty, at each call.

    Raises:
        ConformanceError: a promise is broken; says which.
    """
    checks = (
        _whole_objects,
        _uploads,
        _ranges,
        _replacing,
        _deleting,
        _listing,
        _sizes_and_ages,
        _bad_keys,
        _keys_that_are_prefixes,
    )
    for check in checks:
        check(make())


def _whole_objects(store: ObjectStore) -> None:
    for key, content in {
        "empty": b"",
        "tenants/default/a.b_c-d:e=f@g": b"\0\xff\r\n",
        "large/object": bytes(range(256)) * 8192,
        "folder/Ünïcode": b"x",
        "ends.tmp": b"not a temporary file",
    }.items():
        store.put(key, content)
        expect(store.read(key) == content, f"{key}: what was read is not what was put")
        expect(key in set(store.keys()), f"{key}: not listed")


def _uploads(store: ObjectStore) -> None:
    for key, content in {"empty": b"", "small": b"0123456789", "large/object": bytes(range(256)) * 4 * 17 * 1024}.items():
        store.upload(key, io.BytesIO(content))
        expect(store.read(key) == content, f"{key}: what was read is not what was uploaded")
    expect(store.read("large/object", 17_000_000, 3) == bytes((17_000_000 + n) % 256 for n in range(3)), "a range of an upload")
    expect(not list(store.unfinished()), "a finished upload counts as unfinished")


def _ranges(store: ObjectStore) -> None:
    store.put("a", b"0123456789")
    for offset, length, expected in (
        (0, 4, b"0123"),
        (3, 2, b"34"),
        (8, 9, b"89"),
        (4, None, b"456789"),
        (10, 1, b""),
        (99, 1, b""),
        (2, 0, b""),
    ):
        found = store.read("a", offset, length)
        expect(found == expected, f"read(offset={offset}, length={length}) gave {found!r}, not {expected!r}")
    _expect_raises(UsageError, lambda: store.read("a", -1), "read with a negative offset")
    _expect_raises(UsageError, lambda: store.read("a", 0, -1), "read with a negative length")


def _replacing(store: ObjectStore) -> None:
    store.put("a", b"a longer first version")
    store.put("a", b"second")
    expect(store.read("a") == b"second", "put does not replace")
    expect(list(store.keys()) == ["a"], f"after two puts of one key the store lists {list(store.keys())}")


def _deleting(store: ObjectStore) -> None:
    store.put("f/a", b"1")
    expect(store.delete("f/a") is True, "delete of an object must say True")
    expect(store.delete("f/a") is False, "delete of nothing must say False")
    expect(not list(store.keys()), "a deleted object is still listed")
    _expect_raises(KeyError, lambda: store.read("f/a"), "read of a deleted object")
    store.put("f/a", b"2")
    expect(store.read("f/a") == b"2", "a deleted key cannot be put again")


def _listing(store: ObjectStore) -> None:
    names = ["t/a/1", "t/a/2", "t/ab/1", "u/1", "top"]
    for name in names:
        store.put(name, b"x")
    for prefix in ("", "t/", "t/a", "t/a/", "t/a/2", "to", "nothing/", "/", "..", "t/../u"):
        found = sorted(store.keys(prefix))
        expected = sorted(name for name in names if name.startswith(prefix))
        expect(found == expected, f"keys({prefix!r}) gave {found}, not {expected}")


def _sizes_and_ages(store: ObjectStore) -> None:
    earlier = time.time()
    store.put("f/a", b"12345")
    store.put("g", b"")
    found = {entry.key: entry for entry in store.entries()}
    sizes = {key: entry.size_bytes for key, entry in found.items()}
    expect(sizes == {"f/a": 5, "g": 0}, f"entries() gave the sizes {sizes}")
    expect([entry.key for entry in store.entries("f/")] == ["f/a"], "entries() leaves the prefix out of account")
    for key, entry in found.items():
        expect(earlier - 60 < entry.modified < time.time() + 60, f"{key}: was written just now, not at {entry.modified}")


def _bad_keys(store: ObjectStore) -> None:
    for key in BAD_KEYS:
        shown = key if len(key) < 40 else f"{key[:10]}… ({len(key)} characters)"
        _expect_raises(UsageError, lambda key=key: store.put(key, b"x"), f"put under {shown!r}")  # type: ignore[misc]
        _expect_raises(UsageError, lambda key=key: store.upload(key, io.BytesIO()), f"upload to {shown!r}")  # type: ignore[misc]
        _expect_raises(UsageError, lambda key=key: store.read(key), f"read of {shown!r}")  # type: ignore[misc]
        _expect_raises(UsageError, lambda key=key: store.delete(key), f"delete of {shown!r}")  # type: ignore[misc]
    expect(not list(store.keys()), "a refused key left something behind")


def _keys_that_are_prefixes(store: ObjectStore) -> None:
    """An object and a folder of one name cannot live side by side everywhere, so nowhere may."""
    store.put("a/b", b"1")
    _expect_raises(KeyError, lambda: store.read("a"), "read of a key that is only a prefix")
    expect(store.delete("a") is False, "delete of a key that is only a prefix must say False")
    _expect_raises(UsageError, lambda: store.put("a", b"2"), "put under a key that is a folder of others")
    _expect_raises(UsageError, lambda: store.put("a/b/c", b"2"), "put below a key that is an object")
    _expect_raises(KeyError, lambda: store.read("a/b/c"), "read below a key that is an object")
    expect(store.delete("a/b/c") is False, "delete below a key that is an object must say False")
    expect(store.read("a/b") == b"1", "a refused put changed another object")


def _expect_raises(kind: type[Exception], action: Callable[[], object], what: str) -> None:
    try:
        action()
    except kind:
        return
    except Exception as error:
        raise ConformanceError(f"{what} must raise {kind.__name__}, not {type(error).__name__}: {error}") from error
    raise ConformanceError(f"{what} must raise {kind.__name__}")
