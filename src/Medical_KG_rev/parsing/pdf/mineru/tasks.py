"""One file's task on a server: submitted, asked after until it is done, submitted again if the server loses it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from Medical_KG_rev.errors import (
    CircuitOpenError,
    PdfEngineUnavailableError,
    PdfLimitError,
    RecordNotFoundError,
    RemoteError,
    RetriesExhaustedError,
    TransientError,
    UnexpectedContentError,
    WorkerStoppedError,
)
from Medical_KG_rev.parsing.pdf.mineru.api import Failed, MineruApi, Pending, Upload
from Medical_KG_rev.parsing.pdf.mineru.reading import Reading

__all__ = ["Patience", "TaskRunner", "is_passing"]

FIRST_PAUSE_SECONDS = 0.25
GROWTH = 1.5
SUBMISSIONS = 2


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long is waited: in the server's queue, for the reading itself, for a server that is away, and between two questions."""

    queue_seconds: float
    reading_seconds: float
    away_seconds: float
    poll_seconds: float


def is_passing(error: BaseException) -> bool:
    """Whether what went wrong may pass by itself: a transient error, also one at which a policy gave up."""
    if isinstance(error, RetriesExhaustedError):
        return error.__cause__ is None or is_passing(error.__cause__)
    return isinstance(error, TransientError | CircuitOpenError)


class TaskRunner:
    """Runs tasks of one API, for any number of threads.

    Args:
        api: the server's.
        patience: how long is waited for what.
        endpoint: the server, for messages.
        clock: seconds, monotonic.
        wait: waits so many seconds; True where the engine was closed meanwhile.
    """

    def __init__(
        self,
        api: MineruApi,
        patience: Patience,
        endpoint: str,
        *,
        clock: Callable[[], float],
        wait: Callable[[float], bool],
    ) -> None:
        self._api = api
        self._patience = patience
        self._endpoint = endpoint
        self._clock = clock
        self._wait = wait

    def run(self, upload: Upload) -> Reading:
        """What the server reads. Where nobody waits for a task any longer, it is cancelled.

        Raises:
            PdfEngineUnavailableError: the server lost the task twice, or has no time for it.
            WorkerStoppedError: the engine was closed.
            PdfLimitError: reading took longer than it may.
            RemoteError, PayloadError: by what happened.
        """
        for _ in range(SUBMISSIONS):
            task = self._api.submit(upload)
            if isinstance(task, Reading):
                return task
            outcome = self._finished(task, upload)
            if isinstance(outcome, Failed):
                raise outcome.error
            if outcome is not None:
                return outcome
        raise PdfEngineUnavailableError(
            f"MinerU at {self._endpoint} has lost a task, and the same file's again.",
            remedy="See whether it keeps restarting; several servers behind one address need sticky sessions.",
            endpoint=self._endpoint,
        )

    def _finished(self, task: str, upload: Upload) -> Reading | Failed | None:
        """What has become of the task at last; None where the server has lost it."""
        try:
            return self._awaited(task, upload)
        except BaseException:
            self._cancel(task)
            raise

    def _awaited(self, task: str, upload: Upload) -> Reading | Failed | None:
        watch = _Watch(self._patience, self._clock, upload, self._endpoint)
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                state = self._api.poll(task, upload)
            except RecordNotFoundError:
                return None
            except RemoteError as error:
                watch.failed(error)
            else:
                if not isinstance(state, Pending):
                    return state
                watch.saw(state)
            if self._wait(pause):
                raise WorkerStoppedError(f"MinerU at {self._endpoint} was reading {upload.path.name} when the engine was closed.")
            pause = min(pause * GROWTH, self._patience.poll_seconds)

    def _cancel(self, task: str) -> None:
        """Spares the server work that nobody waits for. It may be away: then its own retention ends the task."""
        try:
            self._api.cancel(task)
        except RemoteError:
            return


class _Watch:
    """How long one task has been waited for."""

    def __init__(self, patience: Patience, clock: Callable[[], float], upload: Upload, endpoint: str) -> None:
        self._patience = patience
        self._clock = clock
        self._upload = upload
        self._endpoint = endpoint
        self._submitted = self._heard = clock()
        self._begun: float | None = None

    def saw(self, state: Pending) -> None:
        """The server has told how far the task is.

        Raises:
            PdfEngineUnavailableError: it has waited in the queue for too long.
            PdfLimitError: reading takes too long.
        """
        now = self._heard = self._clock()
        if self._begun is None and not state.queued:
            self._begun = now
        if self._begun is not None and now - self._begun > self._patience.reading_seconds:
            raise PdfLimitError(
                f"{self._upload.path.name} was not read by MinerU within {self._patience.reading_seconds:g} s.",
                remedy="If the file is right, raise MK_PDF__MAX_SECONDS.",
                path=str(self._upload.path),
                limit="max_seconds",
            )
        if self._begun is None and now - self._submitted > self._patience.queue_seconds:
            raise PdfEngineUnavailableError(
                f"MinerU at {self._endpoint} has had no time for a file within {self._patience.queue_seconds:g} s.",
                remedy="Start more servers, or fewer workers.",
                endpoint=self._endpoint,
            )

    def failed(self, error: RemoteError) -> None:
        """A question was not answered, or with nonsense. Raises the error again where that is final, or lasts for too long."""
        if not (is_passing(error) or isinstance(error, UnexpectedContentError)):
            raise error
        if self._clock() - self._heard > self._patience.away_seconds:
            raise error
