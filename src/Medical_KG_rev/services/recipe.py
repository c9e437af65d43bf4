"""What the room needs to know about one kind of server, and where one instance of it lives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

__all__ = ["HOST", "Place", "Recipe"]

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Place:
    """One instance: its folder, its ports and secrets by name, and the folder where downloaded programs are kept."""

    folder: Path
    cache: Path
    ports: dict[str, int]
    secrets: dict[str, str]

    @property
    def data(self) -> Path:
        """What the server keeps. Removed and made anew only if its preparation was cut off."""
        return self.folder / "data"

    @property
    def scratch(self) -> Path:
        """Where it may leave temporary files; emptied before each start."""
        return self.folder / "tmp"

    @property
    def log(self) -> Path:
        """Everything that the server writes to its standard output and standard error."""
        return self.folder / "server.log"

    def address(self, port: str) -> str:
        """``127.0.0.1:PORT`` of the port with this name."""
        return f"{HOST}:{self.ports[port]}"


class Recipe(Protocol):
    """How one kind of server is prepared, started and asked whether it is there. Implementations hold no state."""

    @property
    def name(self) -> str:
        """What users call it: ``postgres``."""

    @property
    def port_names(self) -> tuple[str, ...]:
        """Ports that it listens on; the first is the one that clients use."""

    @property
    def secret_names(self) -> tuple[str, ...]:
        """Passwords and keys that are drawn at the first start."""

    @property
    def stop_signal(self) -> int:
        """The signal on which it ends in good order without waiting for its clients."""

    @property
    def grace_seconds(self) -> float:
        """How long it may take to end after that signal; then it is killed."""

    def fetch(self, cache: Path) -> None:
        """Brings what can be downloaded into ``cache``, and finds the programs that must be installed.

        Raises:
            ServiceStartError: a program is not installed; the remedy names the command that installs it.
        """

    def prepare(self, place: Place) -> None:
        """Makes an empty data folder. Called once, before the first start."""

    def command(self, place: Place) -> list[str]:
        """The program and its arguments; writes the configuration that they name. It must not fork away."""

    def is_ready(self, place: Place) -> bool:
        """Whether the server itself answers. Takes at most a few seconds."""

    def furnish(self, place: Place) -> None:
        """Makes the database, bucket or the like that clients expect, unless it is there."""

    def tidy(self, place: Place) -> None:
        """Removes what it leaves outside its folder. Called when it has ended."""

    def environment(self, place: Place) -> dict[str, str]:
        """Settings (``MK_…``) with which the system uses this server."""
