"""How a conformance kit says no."""

from __future__ import annotations


class ConformanceError(AssertionError):
    """An implementation breaks what its contract promises. Says which promise, and what came instead."""


def expect(condition: object, message: str) -> None:
    """Raises ConformanceError with the message unless the condition holds."""
    if not condition:
        raise ConformanceError(message)
