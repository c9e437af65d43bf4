"""What the failures of an S3 server mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from Medical_KG_rev.errors import ConfigurationError, MedicalKGError, StorageFullError, StoreUnavailableError

_MISSING_OBJECT = frozenset({"NoSuchKey", "404", "NotFound"})
_DENIED = frozenset(
    {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSecurity", "InvalidToken", "401", "403", "Forbidden"}
)
_FULL = frozenset({"InsufficientStorage", "XMinioStorageFull", "QuotaExceeded", "EntityTooLarge", "507"})


class MissingBucketError(Exception):
    """The bucket is not there; the store decides whether to create it."""


@contextmanager
def translated(endpoint: str, bucket: str, key: str = "") -> Iterator[None]:
    """Gives the client's errors their place in the tree.

    Raises:
        KeyError: there is no such object.
        MissingBucketError: there is no such bucket.
        ConfigurationError: wrong keys, missing rights, or an address that cannot be one.
        StorageFullError: the server has no room.
        StoreUnavailableError: anything that may pass: no connection, no answer in time, a server's own fault.
    """
    from boto3.exceptions import S3UploadFailedError
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise _answered(error, endpoint, bucket, key) from error
    except S3UploadFailedError as error:
        cause = error.__context__
        if isinstance(cause, ClientError):
            raise _answered(cause, endpoint, bucket, key) from error
        raise unavailable(endpoint, str(error)) from error
    except ValueError as error:
        raise ConfigurationError(
            f"{endpoint!r} is not the address of an S3 server: {error}.", remedy="Write http://host:port.", endpoint=endpoint
        ) from error
    except BotoCoreError as error:
        raise unavailable(endpoint, str(error)) from error


def unavailable(endpoint: str, reason: str) -> StoreUnavailableError:
    """The error of a server that may answer later."""
    return StoreUnavailableError(
        f"The object store {endpoint} does not answer: {reason.rstrip('.')}.",
        remedy="Check that it runs (`medkg doctor`) and run the same command again; what was committed is kept.",
        endpoint=endpoint,
    )


def no_bucket(endpoint: str, bucket: str) -> ConfigurationError:
    """The error of a bucket that is missing and may not be created."""
    return ConfigurationError(
        f"The object store {endpoint} has no bucket {bucket!r}.",
        remedy=f"Create it (`aws s3 mb s3://{bucket} --endpoint-url {endpoint}`) or name one that exists.",
        endpoint=endpoint,
        bucket=bucket,
    )


def status_of(error: Any) -> int:
    """The HTTP status of a ClientError."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _answered(error: Any, endpoint: str, bucket: str, key: str) -> Exception:
    code, status = str(error.response.get("Error", {}).get("Code", "")), status_of(error)
    if code == "NoSuchBucket":
        return MissingBucketError(bucket)
    if code in _DENIED or status in (401, 403):
        return _denied(endpoint, bucket, code)
    if code in _MISSING_OBJECT or status == 404:
        return KeyError(key)
    if code in _FULL or status == 507:
        return StorageFullError(
            f"The object store {endpoint} has no room: {code}.",
            remedy="Free space there and run the same command again; what was committed is kept.",
            endpoint=endpoint,
        )
    if status >= 500 or status == 429 or code in ("SlowDown", "RequestTimeout", "RequestTimeTooSkewed"):
        return unavailable(endpoint, f"{status} {code}")
    return _refused(endpoint, bucket, f"{status} {code or error}")


def _denied(endpoint: str, bucket: str, code: str) -> MedicalKGError:
    return ConfigurationError(
        f"The object store {endpoint} refuses the access key for bucket {bucket!r}: {code}.",
        remedy="Check access key and secret key, and that they may read, write, list and delete in this bucket.",
        endpoint=endpoint,
        bucket=bucket,
    )


def _refused(endpoint: str, bucket: str, reason: str) -> MedicalKGError:
    return ConfigurationError(
        f"The object store {endpoint} does not take requests for bucket {bucket!r}: {reason}.",
        remedy="Check that this is the address of an S3 server, its region and the bucket's name.",
        endpoint=endpoint,
        bucket=bucket,
    )
