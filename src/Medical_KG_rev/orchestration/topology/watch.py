"""Sees within seconds that configuration has changed, and takes what is valid into use."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from Medical_KG_rev.errors import DagsterPipelineConfigError
from Medical_KG_rev.orchestration.topology.document import MAX_BYTES
from Medical_KG_rev.orchestration.topology.loader import PipelineLoader
from Medical_KG_rev.orchestration.topology.policies import ResiliencePolicyLoader
from Medical_KG_rev.orchestration.topology.problems import file_error

OnReload = Callable[[str, str, str | None, str | None], None]
"""Told what is in use from now on: ``pipeline`` or ``policies``, its name, the version before and the one now (None: none)."""
OnRejected = Callable[[Path, DagsterPipelineConfigError], None]
"""Told of a file that is not taken, once for each content and reason; the last good content stays in use."""


class ConfigWatch:
    """Looks at ``resilience.yaml`` and ``pipelines/*.yaml`` now and then. One thread calls :meth:`check`.

    Files are compared by content, so that neither a clock nor a copied file time hides a change. What runs keeps what it
    pinned: it asks the loaders for its own version. A file that is not taken for a reason that lies in another (a policy that
    is not there yet) is tried again when that one changes.

    Args:
        pipelines: what is in use changes here.
        policies: and here.
        on_reload: told of each new version, not of a change that means nothing (a comment).
        on_rejected: told of what is wrong.
        required_policies: policies that something else than pipelines names (settings), so that they cannot be left out.
        interval_seconds: how often the files are looked at.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        pipelines: PipelineLoader,
        policies: ResiliencePolicyLoader,
        *,
        on_reload: OnReload,
        on_rejected: OnRejected,
        required_policies: Collection[str] = (),
        interval_seconds: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.interval_seconds = interval_seconds
        self._pipelines = pipelines
        self._policies = policies
        self._on_reload = on_reload
        self._on_rejected = on_rejected
        self._required = dict.fromkeys(required_policies, "the settings")
        self._clock = clock
        self._next_check = clock()
        self._seen: dict[Path, str] = {}
        self._first = True
        self._refused: dict[Path, str] = {}

    def check(self) -> bool:
        """Looks at the files if it is time; whether something new is in use.

        The first call takes the files as the state to start from; it tells what is wrong, and what changed since it was loaded.
        """
        now = self._clock()
        if now < self._next_check:
            return False
        self._next_check = now + self.interval_seconds
        found = {path: _content(path) for path in (self._policies.path, *sorted(self._pipelines.pipelines.glob("*.yaml")))}
        changed = [path for path in {**found, **self._seen} if found.get(path) != self._seen.get(path)]
        self._seen = found
        reloaded = self._take(dict.fromkeys([*changed, *self._refused])) if changed else False
        self._first = False
        return reloaded

    def _take(self, paths: Iterable[Path]) -> bool:
        """Takes what is valid, again and again while that makes more of it valid."""
        waiting = sorted(paths, key=lambda path: (path != self._policies.path, path))
        reloaded = False
        refusals: dict[Path, DagsterPipelineConfigError] = {}
        progress = True
        while progress:
            refusals = {}
            for path in waiting:
                try:
                    reloaded |= self._reload(path)
                except DagsterPipelineConfigError as error:
                    refusals[path] = error
            progress = 0 < len(refusals) < len(waiting)
            waiting = list(refusals)
        for path, refusal in refusals.items():
            if self._refused.get(path) != str(refusal):
                self._on_rejected(path, refusal)
        self._refused = {path: str(refusal) for path, refusal in refusals.items()}
        return reloaded

    def _reload(self, path: Path) -> bool:
        if path == self._policies.path:
            kind, (before, after) = "policies", self._reload_policies()
        else:
            kind, (before, after) = "pipeline", self._pipelines.reload(path.stem)
        is_start = self._first and before is None
        if before == after or is_start:
            return False
        self._on_reload(kind, path.stem, before, after)
        return True

    def _reload_policies(self) -> tuple[str | None, str | None]:
        new = self._policies.read()
        for name, user in {**self._required, **self._pipelines.used_policies()}.items():
            if name not in new.policies:
                raise file_error(
                    self._policies.path,
                    f"there is no policy '{name}', which {user} names",
                    remedy="Put it back, or let its users name another one first.",
                    valid=new.names(),
                )
        before = self._policies.policies_digest
        return before, self._policies.use(new).digest


class WatchThread:
    """Calls a watch's :meth:`~ConfigWatch.check` beside the work, until closed. For processes without a loop of their own."""

    def __init__(self, watch: ConfigWatch) -> None:
        self._watch = watch
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="config-watch", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the thread."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._watch.check()
            self._stop.wait(self._watch.interval_seconds)


def _content(path: Path) -> str:
    """The digest of a file's content, or why it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.sha256(file.read(MAX_BYTES + 1)).hexdigest()
    except OSError as error:
        return f"unreadable: {error.errno}"
