"""The legs of one query: each in a thread of its own, each with the same time budget, none able to hold up the others.

A leg that fails or is late is an outcome like any other: it is named, with what kept it, and the others count. A thread cannot be
ended from outside, so that of a late leg goes on by itself; nobody waits for it, not even the end of the process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future, wait
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import count
from queue import Empty, SimpleQueue

from Medical_KG_rev.errors import (
    ConfigurationError,
    IndexMismatchError,
    MedicalKGError,
    ModelCorruptError,
    ModelNotInstalledError,
    PartUnavailableError,
    StoreUnavailableError,
)
from Medical_KG_rev.index.ports import Scored
from Medical_KG_rev.index.results import LegReport

LEGS = ("bm25", "sparse", "dense")
"""The legs there are, in the order in which ties are decided."""

AT_ONCE = 64
"""Calls of one leg that may run at a time: a store that hangs must not take all threads there are."""

IDLE_SECONDS = 10.0
"""A thread that has had nothing to do for so long ends."""

_NOT_A_FAILING_LEG = (ConfigurationError, IndexMismatchError, ModelNotInstalledError, ModelCorruptError)
"""What no retry mends and the next query would meet again: it ends the search, and is not an answer with a leg less."""

Wait = Callable[[Collection["Future[LegOutcome]"], float], object]
"""Returns when all of the futures are done, or after so many seconds."""


@dataclass(frozen=True, slots=True)
class LegOutcome:
    """What one leg gave: vids with its own scores, best first. With an ``error`` it may have given less than it has."""

    scored: Scored
    took_ms: float = 0.0
    error: MedicalKGError | None = None

    def report(self, waited_ms: float | None = None) -> LegReport:
        """What an answer says of it; ``waited_ms`` of its time it waited for its turn."""
        error = {"code": self.error.code, "message": str(self.error)} if self.error is not None else None
        return LegReport(self.took_ms, len(self.scored), error, waited_ms)


def wait_for_all(futures: Collection[Future[LegOutcome]], seconds: float) -> None:
    """Waits for one after the other: a fraction of what :func:`concurrent.futures.wait` costs a query of a millisecond."""
    deadline = time.monotonic() + seconds
    for future in futures:
        try:
            future.exception(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            return


class Threads:
    """Runs the calls of legs. A thread serves one call after another; the process does not wait for those that are at one."""

    def __init__(self, legs: Iterable[str] = LEGS, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._places = {leg: threading.BoundedSemaphore(at_once) for leg in legs}
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._started = count(1)

    def start(self, leg: str, call: Callable[[], LegOutcome]) -> Future[LegOutcome]:
        """Runs ``call`` in a thread; where too many calls of that leg are still running, fails at once."""
        future: Future[LegOutcome] = Future()
        places = self._places[leg]
        if not places.acquire(blocking=False):
            future.set_exception(
                StoreUnavailableError(
                    f"{self._at_once} searches of the leg {leg} are still running.", remedy="Try again later.", leg=leg
                )
            )
            return future

        def run() -> None:
            try:
                outcome = call()
            except BaseException as error:  # noqa: BLE001  (handed to who waits for the future)
                finished = partial(future.set_exception, error)
            else:
                finished = partial(future.set_result, outcome)
            places.release()
            self._idle.release()
            finished()

        if not self._idle.acquire(blocking=False):
            threading.Thread(target=self._serve, name=f"search-leg-{next(self._started)}", daemon=True).start()
        self._calls.put(run)
        return future

    def close(self) -> None:
        """Ends the threads that have nothing to do."""
        while self._idle.acquire(blocking=False):
            self._calls.put(None)

    def _serve(self) -> None:
        while True:
            try:
                call = self._calls.get(timeout=IDLE_SECONDS)
            except Empty:
                if self._idle.acquire(blocking=False):
                    return
                continue  # a call for this thread is on its way
            if call is None:
                return
            call()


class LegRun:
    """The legs of one query. Called with a depth, runs them side by side and answers the best so many of each.

    Called again with a greater depth, it goes on within the same budget, and a leg that failed is not asked again: what it gave
    before still counts.

    Args:
        searches: what each leg does, from a depth to its hits.
        threads: where they run.
        timeout_seconds: the budget of each leg for the whole query.
        clock: monotonic, in seconds.
        wait_for: see :data:`Wait`.
    """

    def __init__(
        self,
        searches: Mapping[str, Callable[[int], Scored]],
        threads: Threads,
        timeout_seconds: float,
        clock: Callable[[], float],
        wait_for: Wait = wait_for_all,
    ) -> None:
        self._searches = searches
        self._threads = threads
        self._timeout = timeout_seconds
        self._clock = clock
        self._wait_for = wait_for
        self._started = clock()
        self._late: list[Future[LegOutcome]] = []
        self.outcomes = {leg: LegOutcome([]) for leg in searches}

    def __call__(self, depth: int) -> dict[str, LegOutcome]:
        """The outcome of every leg.

        Raises:
            PartUnavailableError: no leg could answer; where one alone was asked for, its own error.
            ConfigurationError, IndexMismatchError, ModelNotInstalledError, ModelCorruptError: as a leg raised it.
        """
        asked = [leg for leg, outcome in self.outcomes.items() if outcome.error is None]
        futures = {leg: self._threads.start(leg, self._timed(leg, depth)) for leg in asked}
        self._wait_for(list(futures.values()), max(0.0, self._started + self._timeout - self._clock()))
        late = {leg: future for leg, future in futures.items() if not future.done()}
        self._late += late.values()
        for leg, future in futures.items():
            self.outcomes[leg] = self._given_up(leg, self._lateness(leg)) if leg in late else self._answered(leg, future)
        failed = [outcome.error for outcome in self.outcomes.values() if outcome.error is not None]
        if failed and len(failed) == len(self.outcomes) and not any(outcome.scored for outcome in self.outcomes.values()):
            raise _no_leg_answered(self.outcomes)
        return self.outcomes

    def is_exhausted(self, depth: int) -> bool:
        """Whether no leg has more to give than it gave at this depth."""
        return all(outcome.error is not None or len(outcome.scored) < depth for outcome in self.outcomes.values())

    def close_after(self, resources: ExitStack) -> None:
        """Leaves ``resources`` open until late legs are done with them; closing is theirs to do when there are any."""
        late = [future for future in self._late if not future.done()]
        if late:
            kept = resources.pop_all()

            def close() -> None:
                wait(late)
                kept.close()

            threading.Thread(target=close, name="search-late", daemon=True).start()

    def _timed(self, leg: str, depth: int) -> Callable[[], LegOutcome]:
        def call() -> LegOutcome:
            started = self._clock()
            scored = self._searches[leg](depth)
            return LegOutcome(scored, self.outcomes[leg].took_ms + self._milliseconds_since(started))

        return call

    def _answered(self, leg: str, future: Future[LegOutcome]) -> LegOutcome:
        try:
            return future.result()
        except _NOT_A_FAILING_LEG:
            raise
        except MedicalKGError as error:
            return self._given_up(leg, error)

    def _given_up(self, leg: str, error: MedicalKGError) -> LegOutcome:
        return LegOutcome(self.outcomes[leg].scored, self._milliseconds_since(self._started), error)

    def _lateness(self, leg: str) -> StoreUnavailableError:
        return StoreUnavailableError(
            f"The leg {leg} did not answer within {self._timeout:g} s.",
            remedy="Try again, or allow more time by MK_SEARCH__LEG_TIMEOUT_SECONDS.",
            leg=leg,
        )

    def _milliseconds_since(self, started: float) -> float:
        return round((self._clock() - started) * 1000, 3)


def _no_leg_answered(outcomes: Mapping[str, LegOutcome]) -> MedicalKGError:
    errors = {leg: outcome.error for leg, outcome in outcomes.items() if outcome.error is not None}
    first = next(iter(errors.values()))
    if len(errors) == 1:
        return first
    return PartUnavailableError(
        f"No leg could answer. {' '.join(f'{leg}: {error}' for leg, error in errors.items())}",
        remedy="`medkg doctor` checks every part.",
        legs=list(errors),
    )
