"""Objects in an S3 bucket."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from functools import cached_property
from importlib.util import find_spec
from typing import Any, BinaryIO, TypeVar

from Medical_KG_rev.errors import PartUnavailableError
from Medical_KG_rev.storage.keys import is_key, key_clash, require_key, require_range
from Medical_KG_rev.storage.port import StoredObject
from Medical_KG_rev.storage.s3_errors import MissingBucketError, no_bucket, status_of, translated
from Medical_KG_rev.storage.s3_format import OBJECTS_STAMP, check_bucket

Answer = TypeVar("Answer")

PART_BYTES = 16 * 1024 * 1024
"""Larger objects travel in parts of this size; S3 asks for at least 5 MiB."""
_NOT_SATISFIABLE = 416
_UPLOAD_ID = "~"
"""Between key and upload id in the name of an unfinished upload; stands in no key."""


class S3ObjectStore:
    """Objects below ``prefix`` of one bucket, by path addressing and signature version 4. Safe to use from many threads.

    Args:
        endpoint_url: ``http://host:port``.
        create_bucket: make the bucket when the first request finds none.
        attempts: tries a request makes, the first included. It is the only place where requests to the store are repeated; the
            second one is for a kept connection that the server has closed meanwhile.

    Raises PartUnavailableError where boto3 is not installed.

    Every method raises what :func:`~Medical_KG_rev.storage.s3_errors.translated` lists, and ConfigurationError for a bucket
    that is missing and may not be created. The first request is preceded by a look at the bucket's format, and raises what
    :func:`~Medical_KG_rev.storage.s3_format.check_bucket` lists.
    """

    def __init__(
        self,
        *,
        endpoint_url: str,
        bucket: str,
        access_key: str,
        secret_key: str,
        region: str = "us-east-1",
        prefix: str = "",
        create_bucket: bool = False,
        connect_timeout_seconds: float = 5.0,
        read_timeout_seconds: float = 30.0,
        attempts: int = 2,
    ) -> None:
        if find_spec("boto3") is None:
            raise PartUnavailableError.not_installed("The S3 client boto3", "s3")
        self._endpoint, self._bucket, self._region = endpoint_url, bucket, region
        self._access_key, self._secret_key = access_key, secret_key
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._create_bucket = create_bucket
        self._timeouts = (connect_timeout_seconds, read_timeout_seconds)
        self._attempts = attempts
        self._guard = threading.Lock()
        self._folders: set[str] = set()
        self._format_guard = threading.Lock()
        self._is_checked = False

    def __repr__(self) -> str:
        return f"S3ObjectStore({self._endpoint}, s3://{self._bucket}/{self._prefix})"

    def put(self, key: str, content: bytes) -> None:
        """Stores the object, complete and durable, replacing one of the same key; raises UsageError for no key."""
        self._require_free(key)
        if len(content) > PART_BYTES:
            self._upload(key, io.BytesIO(content))
        else:
            self._ask(key, lambda: self._client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=content))

    def upload(self, key: str, source: BinaryIO) -> None:
        """As :meth:`put`; at most a few parts of the content are in memory at a time."""
        self._require_free(key)
        self._upload(key, source)

    def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """The object's bytes, or ``length`` of them from ``offset``; fewer where it ends before. Raises KeyError, UsageError."""
        require_key(key)
        require_range(key, offset, length)
        if length == 0:
            self._ask(key, lambda: self._head(key))
            return b""
        end = "" if length is None else offset + length - 1
        wanted = {} if offset == 0 and length is None else {"Range": f"bytes={offset}-{end}"}
        return self._ask(key, lambda: self._get(key, wanted))

    def delete(self, key: str) -> bool:
        """Removes the object; whether there was one."""
        require_key(key)
        if not self._exists(key):
            return False
        self._ask(key, lambda: self._client.delete_object(Bucket=self._bucket, Key=self._prefix + key))
        return True

    def keys(self, prefix: str = "") -> Iterator[str]:
        """The keys that start with ``prefix``."""
        return (entry.key for entry in self.entries(prefix))

    def entries(self, prefix: str = "") -> Iterator[StoredObject]:
        """The objects whose keys start with ``prefix``, listed a thousand a request."""
        folder = prefix.rpartition("/")[0]
        if folder and not is_key(folder):
            return
        for item in self._pages("list_objects_v2", "Contents", Prefix=self._prefix + prefix):
            key = item["Key"].removeprefix(self._prefix)
            if key.startswith(prefix) and is_key(key):
                yield StoredObject(key, item["Size"], _seconds(item["LastModified"]))

    def unfinished(self) -> Iterator[StoredObject]:
        """Uploads in parts that were neither completed nor given up. Their size is not known: 0."""
        for item in self._pages("list_multipart_uploads", "Uploads", Prefix=self._prefix):
            name = f"{item['Key'].removeprefix(self._prefix)}{_UPLOAD_ID}{item['UploadId']}"
            yield StoredObject(name, 0, _seconds(item["Initiated"]))

    def discard(self, remains: StoredObject) -> None:
        """Gives an upload up; the server frees its parts."""
        key, _, upload = remains.key.partition(_UPLOAD_ID)
        try:
            self._ask(
                key,
                lambda: self._client.abort_multipart_upload(Bucket=self._bucket, Key=self._prefix + key, UploadId=upload),
            )
        except KeyError:
            return

    def require_bucket(self) -> None:
        """Asks for the bucket, and creates it where that is allowed: a round trip for health checks."""
        self._ask("", lambda: self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1))

    # --- requests ----------------------------------------------------------------------------------------------------

    @cached_property
    def _client(self) -> Any:
        from boto3.session import Session
        from botocore.config import Config

        connect, read = self._timeouts
        return Session().client(
            "s3",
            endpoint_url=self._endpoint,
            region_name=self._region,
            aws_access_key_id=self._access_key,
            aws_secret_access_key=self._secret_key,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                connect_timeout=connect,
                read_timeout=read,
                retries={"total_max_attempts": self._attempts, "mode": "standard"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                ignore_configured_endpoint_urls=True,
            ),
        )

    def _ask(self, key: str, request: Callable[[], Answer]) -> Answer:
        with self._format_guard:
            if not self._is_checked:
                check_bucket(f"s3://{self._bucket}/{self._prefix}", self._stamp, self._top_level, self._put_stamp)
                self._is_checked = True
        return self._request(key, request)

    def _stamp(self) -> bytes | None:
        try:
            return self._request(OBJECTS_STAMP, lambda: self._get(OBJECTS_STAMP, {}))
        except KeyError:
            return None

    def _top_level(self) -> list[str]:
        found = self._request(
            "", lambda: self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, Delimiter="/", MaxKeys=20)
        )
        names = [each["Key"] for each in found.get("Contents", ())] + [each["Prefix"] for each in found.get("CommonPrefixes", ())]
        return [name.removeprefix(self._prefix) for name in names]

    def _put_stamp(self, content: bytes) -> None:
        self._request(
            OBJECTS_STAMP,
            lambda: self._client.put_object(Bucket=self._bucket, Key=self._prefix + OBJECTS_STAMP, Body=content),
        )

    def _request(self, key: str, request: Callable[[], Answer]) -> Answer:
        try:
            with translated(self._endpoint, self._bucket, key):
                return request()
        except MissingBucketError as error:
            if not self._create_bucket:
                raise no_bucket(self._endpoint, self._bucket) from error
        self._make_bucket()
        with translated(self._endpoint, self._bucket, key):
            return request()

    def _make_bucket(self) -> None:
        with translated(self._endpoint, self._bucket):
            try:
                self._client.create_bucket(Bucket=self._bucket)
            except (self._client.exceptions.BucketAlreadyExists, self._client.exceptions.BucketAlreadyOwnedByYou):
                return

    def _get(self, key: str, wanted: dict[str, str]) -> bytes:
        from botocore.exceptions import ClientError

        try:
            with closing(self._client.get_object(Bucket=self._bucket, Key=self._prefix + key, **wanted)["Body"]) as body:
                content: bytes = body.read()
                return content
        except ClientError as error:
            if status_of(error) == _NOT_SATISFIABLE:
                return b""
            raise

    def _head(self, key: str) -> Any:
        return self._client.head_object(Bucket=self._bucket, Key=self._prefix + key)

    def _exists(self, key: str) -> bool:
        try:
            self._ask(key, lambda: self._head(key))
        except KeyError:
            return False
        return True

    def _upload(self, key: str, source: BinaryIO) -> None:
        from boto3.s3.transfer import TransferConfig

        config = TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=2)
        self._ask(key, lambda: self._client.upload_fileobj(source, self._bucket, self._prefix + key, Config=config))

    def _pages(self, operation: str, field: str, **request: Any) -> Iterator[Any]:
        pages = iter(self._client.get_paginator(operation).paginate(Bucket=self._bucket, **request))
        while True:
            page = self._ask("", lambda: next(pages, None))
            if page is None:
                return
            yield from page.get(field, ())

    def _require_free(self, key: str) -> None:
        """An object and a folder of one name cannot live side by side everywhere, so nowhere may."""
        require_key(key)
        parts = key.split("/")
        folders = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
        with self._guard:
            unknown = [folder for folder in folders if folder not in self._folders]
        if any(self._exists(folder) for folder in unknown) or next(self.keys(f"{key}/"), None) is not None:
            raise key_clash(key)
        with self._guard:
            self._folders.update(unknown)


def _seconds(moment: datetime) -> float:
    return moment.timestamp()
