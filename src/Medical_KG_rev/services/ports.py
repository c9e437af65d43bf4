"""Free loopback ports."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable
from pathlib import Path

from Medical_KG_rev.services.recipe import HOST

__all__ = ["choose_ports", "is_free"]

_LOWEST = 15_000
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_EPHEMERAL_START = 32_768
_DRAWS = 1_000


def choose_ports(names: Iterable[str], former: dict[str, int]) -> dict[str, int]:
    """A free port for each name: the former one where it is free, so that an address survives a restart.

    Ports lie below the range from which the system takes the near end of connections. A client that keeps trying a
    stopped server inside that range would sooner or later get the server's own port, and be connected with itself.
    """
    chosen: dict[str, int] = {}
    for name in names:
        kept = former.get(name)
        chosen[name] = kept if kept is not None and is_free(kept) else _draw(set(chosen.values()) | set(former.values()))
    return chosen


def is_free(port: int) -> bool:
    """Whether nobody listens on the loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Servers set this too: connections that linger after a stop do not keep a port from being used again.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _draw(taken: set[int]) -> int:
    highest = _ephemeral_start()
    for _ in range(_DRAWS):
        port = random.randrange(_LOWEST, highest)  # noqa: S311 - not a secret
        if port not in taken and is_free(port):
            return port
    raise OSError(f"No free port between {_LOWEST} and {highest}.")


def _ephemeral_start() -> int:
    try:
        start = int(_EPHEMERAL.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        start = _EPHEMERAL_START
    return start if start > _LOWEST + _DRAWS else _EPHEMERAL_START
