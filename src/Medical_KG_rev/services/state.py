"""The state file of one server: what must outlive the command that started it."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from Medical_KG_rev.errors import StoreCorruptError

__all__ = ["ServerState", "read_state", "write_state"]

FILE_NAME = "state.json"


class ServerState(msgspec.Struct, frozen=True, kw_only=True):
    """``pid`` is None once the server was stopped. The file is readable by its owner only: it holds the secrets."""

    name: str
    prepared: bool = False
    pid: int | None = None
    create_time: float = 0.0
    """Seconds since the epoch, as the operating system tells it: a pid alone may belong to another process by now."""
    started_at: str = ""
    """ISO 8601 in UTC."""
    ports: dict[str, int] = {}
    addresses: dict[str, str] = {}
    secrets: dict[str, str] = {}
    environment: dict[str, str] = {}
    log: str = ""


def read_state(folder: Path, name: str) -> ServerState:
    """The state in ``folder``; an empty one where there is none.

    Raises:
        StoreCorruptError: the file is not a state file.
    """
    path = folder / FILE_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=ServerState)
    except FileNotFoundError:
        return ServerState(name=name)
    except msgspec.DecodeError as error:
        raise StoreCorruptError(
            f"{path} cannot be read: {error}.", remedy=f"End the server by hand and remove {folder}.", path=str(path)
        ) from error


def write_state(folder: Path, state: ServerState) -> None:
    """Replaces the state file in one step."""
    staged = folder / f".{FILE_NAME}"
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(state), indent=2))
        file.flush()
        os.fsync(file.fileno())
    staged.replace(folder / FILE_NAME)
