"""One real server: started, stopped, killed and looked at."""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from Medical_KG_rev.errors import ServiceStartError
from Medical_KG_rev.services import process
from Medical_KG_rev.services.credentials import draw_secrets
from Medical_KG_rev.services.ports import choose_ports
from Medical_KG_rev.services.recipe import Place, Recipe
from Medical_KG_rev.services.state import ServerState, read_state, write_state

__all__ = ["Server", "ServerStatus"]

START_SECONDS = 90.0
"""For a cold start on two busy cores; an idle machine needs 1 to 20 s."""
_POLL_SECONDS = 0.1
_LOG_TAIL_LINES = 12


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """What `medkg services status` shows. ``ready``: the server answers; ``crashed``: it ended without being stopped."""

    name: str
    status: Literal["running", "stopped", "crashed"]
    ready: bool
    pid: int | None
    started_at: str
    addresses: dict[str, str]
    rss_bytes: int
    log: str


class Server:
    """A server whose folder tells everything about it, so that any process may look at it, stop it or start it again.

    Starting and stopping wait for each other, over processes too.
    """

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        cache: Path,
        *,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.recipe = recipe
        self.folder = folder.absolute()
        self._cache = cache
        self._sleep = sleep
        self._monotonic = monotonic

    @property
    def name(self) -> str:
        """What users call this server."""
        return self.recipe.name

    @property
    def state(self) -> ServerState:
        """The state file as it is now."""
        return read_state(self.folder, self.name)

    @property
    def addresses(self) -> dict[str, str]:
        """``127.0.0.1:PORT`` by the name of the port."""
        return self.state.addresses

    @property
    def environment(self) -> dict[str, str]:
        """The ``MK_…`` settings with which the system uses this server."""
        return self.state.environment

    @property
    def pid(self) -> int | None:
        """The process that serves, if it runs."""
        found = self._process(self.state)
        return found.pid if found else None

    def start(self, timeout_seconds: float = START_SECONDS) -> ServerState:
        """Starts the server unless it runs, on its former ports and data, and returns when it answers.

        Raises:
            ServiceStartError: a program is missing, or the server ended or did not answer; it is not left running.
        """
        with self._locked():
            state = self.state
            if self._process(state) is None or not self._becomes_ready(state, timeout_seconds):
                self.recipe.fetch(self._cache)
                state = self._spawn(self._prepared(state))
                if not self._becomes_ready(state, timeout_seconds):
                    raise self._failure("ended instead of starting")
            self.recipe.furnish(self._place(state))
            return state

    def stop(self) -> bool:
        """Ends the server in good order, with force when that takes too long; whether it ran. Its data is kept."""
        with self._locked():
            return self._end(self.state)

    def kill(self) -> bool:
        """Ends the server and its children as a crash would (SIGKILL); whether it ran. `start` brings it back."""
        with self._locked():
            state = self.state
            found = self._process(state)
            if found is not None:
                process.kill(found)
                self.recipe.tidy(self._place(state))
            return found is not None

    def remove(self) -> None:
        """Stops the server and removes its data, ports and secrets."""
        with self._locked():
            self._end(self.state)
            shutil.rmtree(self.folder)

    def status(self) -> ServerStatus:
        """How the server is; asks it when it runs."""
        state = self.state
        found = self._process(state)
        if found is None:
            status: Literal["stopped", "crashed"] = "stopped" if state.pid is None else "crashed"
            return ServerStatus(self.name, status, False, None, state.started_at, state.addresses, 0, state.log)
        ready = self.recipe.is_ready(self._place(state))
        memory = process.resident_bytes(found)
        return ServerStatus(self.name, "running", ready, found.pid, state.started_at, state.addresses, memory, state.log)

    def _process(self, state: ServerState) -> process.Running | None:
        return process.find(state.pid, state.create_time)

    def _place(self, state: ServerState) -> Place:
        return Place(self.folder, self._cache, state.ports, state.secrets)

    def _prepared(self, state: ServerState) -> ServerState:
        """Ports, secrets and a data folder; what a preparation that was cut off has left is removed."""
        ports = choose_ports(self.recipe.port_names, state.ports)
        secrets = state.secrets or draw_secrets(self.recipe.secret_names)
        state = msgspec.structs.replace(state, ports=ports, secrets=secrets)
        place = self._place(state)
        state = msgspec.structs.replace(
            state,
            log=str(place.log),
            addresses={name: place.address(name) for name in ports},
            environment=self.recipe.environment(place),
        )
        if not state.prepared:
            shutil.rmtree(place.data, ignore_errors=True)
            self.recipe.prepare(place)
            state = msgspec.structs.replace(state, prepared=True)
        write_state(self.folder, state)
        return state

    def _spawn(self, state: ServerState) -> ServerState:
        place = self._place(state)
        shutil.rmtree(place.scratch, ignore_errors=True)
        place.scratch.mkdir()
        pid = process.spawn(self.recipe.command(place), self.folder, place.log)
        started = datetime.now(UTC).isoformat(timespec="seconds")
        state = msgspec.structs.replace(state, pid=pid, create_time=process.create_time(pid), started_at=started)
        write_state(self.folder, state)
        return state

    def _becomes_ready(self, state: ServerState, timeout_seconds: float) -> bool:
        """Waits until the server answers; False if it ends before it does."""
        deadline = self._monotonic() + timeout_seconds
        while not self.recipe.is_ready(self._place(state)):
            if self._process(state) is None:
                return False
            if self._monotonic() > deadline:
                self._end(state)
                raise self._failure(f"did not answer within {timeout_seconds:.0f} s and was stopped")
            self._sleep(_POLL_SECONDS)
        return True

    def _end(self, state: ServerState) -> bool:
        found = self._process(state)
        if found is not None:
            process.end(found, self.recipe.stop_signal, self.recipe.grace_seconds)
            self.recipe.tidy(self._place(state))
        if state.pid is not None:
            write_state(self.folder, msgspec.structs.replace(state, pid=None))
        return found is not None

    def _failure(self, what: str) -> ServiceStartError:
        log = self._place(self.state).log
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_TAIL_LINES:] if log.exists() else []
        tail = "\n".join(f"  {line}" for line in lines if line.strip()) or "  (it wrote nothing)"
        return ServiceStartError(
            f"{self.name} {what}. The end of its log:\n{tail}", remedy=f"Its log: {log}.", service=self.name, log=str(log)
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One start or stop at a time. The lock lies beside the folder, which `remove` takes away."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder.parent / f".{self.folder.name}.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            self.folder.mkdir(exist_ok=True)
            yield
