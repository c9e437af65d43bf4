"""The S3 store on a real SeaweedFS: the kit of object stores, and what only a server can do wrong."""

from __future__ import annotations

import io
import itertools
import json
import secrets
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from real_servers import RunningServer

from Medical_KG_rev import __version__
from Medical_KG_rev.errors import (
    ConfigurationError,
    FormatVersionError,
    StoreUnavailableError,
    TerminalError,
    TransientError,
    UsageError,
)
from Medical_KG_rev.storage import S3ObjectStore
from Medical_KG_rev.storage.formats import CURRENT, OBJECTS_STAMP
from Medical_KG_rev.storage.s3 import PART_BYTES
from Medical_KG_rev.testing import check_object_store

pytestmark = pytest.mark.service

MakeStore = Callable[..., S3ObjectStore]


@pytest.fixture
def make(s3_server: RunningServer, s3_bucket: str) -> MakeStore:
    """Stores in a bucket of the test's own."""
    environment = s3_server.environment

    def store(**changes: Any) -> S3ObjectStore:
        options = {
            "endpoint_url": environment["MK_OBJECT_STORE__ENDPOINT_URL"],
            "bucket": s3_bucket,
            "access_key": environment["MK_OBJECT_STORE__ACCESS_KEY"],
            "secret_key": environment["MK_OBJECT_STORE__SECRET_KEY"],
            "connect_timeout_seconds": 2.0,
            "read_timeout_seconds": 10.0,
        }
        return S3ObjectStore(**{**options, **changes})

    return store


def test_conformance(make: MakeStore) -> None:
    numbers = itertools.count()
    check_object_store(lambda: make(prefix=f"kit/{next(numbers)}"))


def test_prefixes_keep_stores_apart(make: MakeStore) -> None:
    one, other = make(prefix="one"), make(prefix="/other/")
    one.put("a", b"1")
    assert list(other.keys()) == []
    assert [item["Key"] for item in one._client.list_objects_v2(Bucket=one._bucket)["Contents"]] == [
        "one/a",
        "one/~FORMAT",
        "other/~FORMAT",
    ]
    assert one.read("a") == b"1"


def test_a_bucket_is_made_only_where_that_is_allowed(make: MakeStore) -> None:
    bucket = f"mk-{secrets.token_hex(4)}"
    for ask in (lambda store: store.put("a", b"x"), lambda store: list(store.keys()), lambda store: store.require_bucket()):
        with pytest.raises(ConfigurationError, match="has no bucket") as caught:
            ask(make(bucket=bucket))
        assert "aws s3 mb" in caught.value.remedy
    make(bucket=bucket, create_bucket=True).require_bucket()
    make(bucket=bucket).require_bucket()
    client = make()._client
    client.delete_object(Bucket=bucket, Key=OBJECTS_STAMP)
    client.delete_bucket(Bucket=bucket)


def test_a_bucket_is_stamped_at_its_first_use_and_the_stamp_is_no_object(make: MakeStore) -> None:
    store = make(prefix="new")
    assert list(store.keys()) == [], "an empty one, by whichever request"
    stamp = store._client.get_object(Bucket=store._bucket, Key=f"new/{OBJECTS_STAMP}")["Body"].read()
    assert json.loads(stamp) == {"version": CURRENT["objects"], "created_by": __version__}
    assert list(store.keys()) == list(store.unfinished()) == []
    old = make(prefix="old")
    old._client.put_object(Bucket=old._bucket, Key="old/tenants/t/artifacts/a", Body=b"of the first release")
    assert old.read("tenants/t/artifacts/a") == b"of the first release"
    assert json.loads(old._client.get_object(Bucket=old._bucket, Key=f"old/{OBJECTS_STAMP}")["Body"].read())["version"] == 1


def test_a_bucket_of_somebody_else_or_of_a_newer_release_is_refused_and_left_alone(make: MakeStore) -> None:
    store = make()
    store._client.put_object(Bucket=store._bucket, Key="holiday/photo.jpg", Body=b"x")
    for ask in (lambda: store.put("a", b"x"), lambda: list(store.keys()), lambda: store.delete("a")):
        with pytest.raises(ConfigurationError, match=r"somebody else, such as 'holiday/'") as foreign:
            ask()
        assert "MK_OBJECT_STORE__PREFIX" in foreign.value.remedy
    assert [item["Key"] for item in store._client.list_objects_v2(Bucket=store._bucket)["Contents"]] == ["holiday/photo.jpg"]
    mine = make(prefix="mine")
    mine.put("a", b"x")
    newer = json.dumps({"version": CURRENT["objects"] + 1}).encode()
    mine._client.put_object(Bucket=mine._bucket, Key=f"mine/{OBJECTS_STAMP}", Body=newer)
    assert mine.read("a") == b"x", "it was looked at already"
    with pytest.raises(FormatVersionError, match=rf"s3://{mine._bucket}/mine/ was written by a newer release"):
        make(prefix="mine").read("a")
    mine._client.put_object(Bucket=mine._bucket, Key=f"mine/{OBJECTS_STAMP}", Body=b"{")
    with pytest.raises(FormatVersionError, match="damaged"):
        make(prefix="mine").put("a", b"y")
    assert mine.read("a") == b"x"


def test_wrong_keys_are_said_at_once_and_for_good(make: MakeStore) -> None:
    make().put("a", b"x")
    for wrong in ({"access_key": "nobody"}, {"secret_key": "wrong"}):
        store = make(**wrong)
        for ask in (
            lambda store=store: store.put("b", b"x"),
            lambda store=store: store.read("a"),
            lambda store=store: list(store.keys()),
        ):
            with pytest.raises(ConfigurationError, match="refuses the access key") as caught:
                ask(store)
            assert isinstance(caught.value, TerminalError)
            assert "wrong" not in str(caught.value)


def test_a_server_that_is_not_there_is_named_and_may_come_back(make: MakeStore) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    started = time.monotonic()
    with pytest.raises(StoreUnavailableError, match=address) as caught:
        make(endpoint_url=address).put("a", b"x")
    assert isinstance(caught.value, TransientError)
    assert time.monotonic() - started < 10


def test_no_address_is_a_configuration_error(make: MakeStore) -> None:
    with pytest.raises(ConfigurationError, match="not the address"):
        make(endpoint_url="no address").read("a")


class Deaf:
    """Takes connections and requests, and answers none, or every one with ``answer``."""

    def __init__(self, answer: bytes = b"") -> None:
        self.answer = answer
        self.requests = 0
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.server.getsockname()[1]}"
        self.open: list[socket.socket] = []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            connection.recv(65536)
            self.requests += 1
            if self.answer:
                connection.sendall(self.answer)
                connection.close()
            else:
                self.open.append(connection)

    def close(self) -> None:
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        for connection in self.open:
            connection.close()
        self.thread.join(timeout=5)


def test_a_silent_server_costs_the_time_limit_times_the_attempts(make: MakeStore) -> None:
    deaf = Deaf()
    try:
        store = make(endpoint_url=deaf.address, read_timeout_seconds=0.5, attempts=2)
        started = time.monotonic()
        with pytest.raises(StoreUnavailableError):
            store.read("a")
        assert time.monotonic() - started < 6
        assert deaf.requests == 2, "requests are repeated in one place, as often as it says"
    finally:
        deaf.close()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", StoreUnavailableError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nhalf", StoreUnavailableError),
        (b"garbage\r\n\r\n", StoreUnavailableError),
    ],
)
def test_faults_of_a_server_are_transient(make: MakeStore, answer: bytes, expected: type[Exception]) -> None:
    server = Deaf(answer)
    try:
        with pytest.raises(expected, match=server.address):
            make(endpoint_url=server.address, attempts=1).read("a")
        assert server.requests == 1
    finally:
        server.close()


class Endless(io.RawIOBase):
    """A source that breaks off in the middle."""

    def __init__(self, good: int) -> None:
        self.left = good

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self.left <= 0:
            raise OSError(5, "the disk is gone")
        given = min(self.left, size if size > 0 else self.left)
        self.left -= given
        return b"x" * given


def test_an_upload_that_breaks_off_leaves_no_object_and_no_parts(make: MakeStore) -> None:
    store = make()
    store.put("a", b"first")
    with pytest.raises(OSError, match="the disk is gone"):
        store.upload("a", Endless(PART_BYTES + 5_000_000))  # type: ignore[arg-type]
    assert store.read("a") == b"first"
    assert not list(store.unfinished())


def test_uploads_of_killed_writers_are_found_and_given_up(make: MakeStore) -> None:
    store = make()
    store.require_bucket()
    client = store._client
    client.create_multipart_upload(Bucket=store._bucket, Key=f"{store._prefix}b/c")
    (found,) = store.unfinished()
    assert found.key.startswith("b/c~")
    assert abs(found.modified - time.time()) < 60
    store.discard(found)
    store.discard(found)
    assert not list(store.unfinished())
    assert not list(store.keys())


def test_more_objects_than_one_page_are_listed(make: MakeStore) -> None:
    store = make(prefix="many")
    names = {f"f/{number:04}" for number in range(1005)}
    threads = [
        threading.Thread(target=lambda part=part: [store.put(name, b"x") for name in part])
        for part in (sorted(names)[::2], sorted(names)[1::2])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(store.keys("f/")) == names


def test_a_key_is_refused_before_the_server_is_asked(make: MakeStore) -> None:
    with pytest.raises(UsageError):
        make(endpoint_url="http://127.0.0.1:1").put("../a", b"x")
