"""The connection to OpenSearch: requests, their retries, what their failures mean, and bulk requests item by item."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from Medical_KG_rev.errors import (
    ConfigurationError,
    IndexMismatchError,
    InvalidDocumentError,
    MedicalKGError,
    PartUnavailableError,
    StorageFullError,
    StoreUnavailableError,
)
from Medical_KG_rev.models import Caller

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

T = TypeVar("T")
Body = dict[str, Any]

BULK_BYTES = 5_000_000
BULK_ITEMS = 1_000
LONG_SECONDS = 600.0
"""For requests that work through many documents."""
_CONNECTIONS = 16
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})
_FULL = "flood-stage"
_REMEDY = "Check that it runs (`medkg doctor`) and run the same command again; what was committed is kept."


class OpenSearchConnection:
    """One server or cluster, safe to use from many threads. Connects at the first request.

    Args:
        url: ``http://host:port`` or ``https://…``.
        ca_file: certificates that vouch for the server's, beside those of the system.
        timeout_seconds: of one request.
        caller: repeats requests that write; without one each is made once. Searches are never repeated: a leg that is late is
            named in the answer.

    Every request raises what :func:`translated` lists; under a caller also RetriesExhaustedError.
    """

    def __init__(
        self,
        url: str,
        *,
        user: str = "",
        password: str = "",
        ca_file: Path | None = None,
        timeout_seconds: float = 30.0,
        caller: Caller | None = None,
    ) -> None:
        self.url = url
        self._login = (user, password) if user else None
        self._ca_file = ca_file
        self._timeout = timeout_seconds
        self._caller = caller

    def __repr__(self) -> str:
        return f"OpenSearchConnection({self.url})"

    def close(self) -> None:
        """Closes the connections; the next request opens them again."""
        client = self.__dict__.pop("_client", None)
        if client is not None:
            client.close()

    def ask(self, request: Callable[[OpenSearch], T]) -> T:
        """The answer to a request, made once."""
        with translated(self.url):
            return request(self._client)

    def insist(self, request: Callable[[OpenSearch], T]) -> T:
        """The answer to a request that may be repeated, under the caller's policy."""
        return self.ask(request) if self._caller is None else self._caller.call(lambda: self.ask(request))

    def bulk(self, index: str, actions: Iterable[Body]) -> int:
        """Carries out actions on an alias, in requests of at most :data:`BULK_BYTES`, and answers how many.

        Items refused for a moment (429, 503) are sent again, and no others, as often as the policy allows. Deleting what is not
        there is no failure.

        Raises:
            InvalidDocumentError: the server refuses a document; it names which and why. Others may have been written.
            IndexMismatchError: there is no such alias.
        """
        done = 0
        remaining = iter(actions)
        while batch := list(islice(remaining, BULK_ITEMS)):
            done += len(batch)
            self._bulk(index, batch)
        return done

    def _bulk(self, index: str, pending: list[Body]) -> None:
        from opensearchpy.helpers import streaming_bulk

        def send(client: OpenSearch) -> None:
            batch = list(pending)  # an attempt that was given up may still be changing the other
            outcomes = streaming_bulk(
                client,
                batch,
                chunk_size=BULK_ITEMS,
                max_chunk_bytes=BULK_BYTES,
                raise_on_error=False,
                index=index,
                params={"require_alias": "true"},
            )
            again = [action for action, (_, item) in zip(batch, outcomes, strict=True) if self._is_refused_for_now(item)]
            pending[:] = again
            if again:
                raise _unavailable(self.url, f"it refused {len(again)} documents for now")

        self.insist(send)

    def _is_refused_for_now(self, item: Body) -> bool:
        """Whether an item is to be sent again; raises for one that never can be written."""
        ((operation, outcome),) = item.items()
        status = int(outcome["status"])
        if status < 300 or (operation == "delete" and status == 404 and outcome.get("result") == "not_found"):
            return False
        reason = _reason(outcome.get("error"))
        if _FULL in reason:
            raise _full(self.url, reason)
        if status in _RETRIED:
            return True
        if status == 404:
            raise missing(self.url, str(outcome.get("_index")))
        raise InvalidDocumentError(
            f"OpenSearch refuses the row {outcome.get('_id')} ({status}): {reason}.",
            remedy="Nothing of the batch became visible. Leave the document out, or report it as a defect.",
            row=outcome.get("_id"),
        )

    @cached_property
    def _client(self) -> OpenSearch:
        from opensearchpy import OpenSearch  # translated() has told what to do where it is not installed

        try:
            return OpenSearch(
                hosts=[self.url],
                http_auth=self._login,
                ca_certs=str(self._ca_file) if self._ca_file is not None else None,
                timeout=self._timeout,
                max_retries=0,
                retry_on_status=(),
                pool_maxsize=_CONNECTIONS,
            )
        except ValueError as error:
            raise _no_server(self.url, error) from error


def complete(answer: Body, url: str) -> Body:
    """The answer, if it is whole.

    Raises:
        StoreUnavailableError: time ran out or shards failed, so that the answer leaves something out.
    """
    shards = answer.get("_shards", {})
    if answer.get("timed_out") or shards.get("failed") or answer.get("failures"):
        failures = shards.get("failures") or answer.get("failures") or [{}]
        cause = "time ran out" if answer.get("timed_out") else _reason(failures[0].get("reason") or failures[0].get("cause"))
        raise _unavailable(url, f"its answer is not complete: {cause}")
    return answer


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Gives the client's errors their place in the tree.

    Raises:
        StoreUnavailableError: what may pass: no connection, no answer in time, too much to do, a server's own fault.
        StorageFullError: the server has run out of disk.
        ConfigurationError: a wrong login, missing rights, a certificate nobody vouches for, or an address that is none.
        IndexMismatchError: an index is missing or has another form.
        PartUnavailableError: the client library is not installed.
    """
    try:
        from opensearchpy import ConnectionError as NoConnectionError
        from opensearchpy import OpenSearchException, SSLError, TransportError
    except ImportError as error:
        raise PartUnavailableError.not_installed("The client of OpenSearch", "opensearch") from error
    try:
        yield
    except SSLError as error:
        raise ConfigurationError(
            f"OpenSearch at {url} cannot be trusted: {error.error}.",
            remedy="Name the file with its certificate authority: MK_OPENSEARCH__CA_FILE.",
            endpoint=url,
        ) from error
    except NoConnectionError as error:
        raise _unavailable(url, str(error.error)) from error
    except TransportError as error:
        raise _answered(error, url) from error
    except OpenSearchException as error:
        raise _no_server(url, error) from error


def missing(url: str, index: str) -> IndexMismatchError:
    """The error of an index that is not there."""
    return IndexMismatchError(
        f"OpenSearch at {url} has no index {index}.",
        remedy="Build it anew from the catalogue: `medkg index repair`.",
        found=index,
    )


def _no_server(url: str, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"{url!r} is not the address of an OpenSearch server: {error}.", remedy="Write http://host:port.", endpoint=url
    )


def _unavailable(url: str, reason: str) -> StoreUnavailableError:
    return StoreUnavailableError(
        f"OpenSearch at {url} does not answer: {reason.rstrip('.')}.", remedy=_REMEDY, endpoint=url, store="opensearch"
    )


def _full(url: str, reason: str) -> StorageFullError:
    return StorageFullError(
        f"OpenSearch at {url} has no room: {reason}.",
        remedy="Free space there and run the same command again; what was committed is kept.",
        endpoint=url,
    )


def _answered(error: Any, url: str) -> MedicalKGError:
    status = error.status_code if isinstance(error.status_code, int) else 0
    reason = _reason(error.info.get("error") if isinstance(error.info, dict) else None) or str(error.error)
    if _FULL in reason or status == 507:
        return _full(url, reason)
    if status in (401, 403):
        return ConfigurationError(
            f"OpenSearch at {url} refuses the login ({status}): {reason}.",
            remedy="Check MK_OPENSEARCH__USER and MK_OPENSEARCH__PASSWORD, and that they may make, write and search indexes.",
            endpoint=url,
        )
    if status in _RETRIED:
        return _unavailable(url, f"{status} {reason}")
    if status == 404:
        return missing(url, reason)
    return IndexMismatchError(
        f"OpenSearch at {url} does not take the request ({status}): {reason}.",
        remedy="Its index has another form, or its version is none that this system knows (2.x): `medkg doctor`.",
        found=reason,
    )


def _reason(error: Any) -> str:
    """The innermost reason that an answer gives."""
    if not isinstance(error, dict):
        return str(error or "")
    cause = error.get("caused_by") or next(iter(error.get("root_cause") or ()), None)
    inner = _reason(cause) if cause else ""
    return inner or f"{error.get('type', '')}: {error.get('reason', '')}".strip(": ")
