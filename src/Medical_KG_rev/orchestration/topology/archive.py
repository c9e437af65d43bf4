"""Where pinned configuration is kept, so that any process finds it again after the files have changed."""

from __future__ import annotations

from typing import Protocol


class TopologyArchive(Protocol):
    """Texts by what they are and by their pin. Never overwritten: a pin names one content."""

    def put(self, name: str, pin: str, text: str) -> None:
        """Keeps a text. Does nothing where that pin is kept already."""
        ...

    def get(self, name: str, pin: str) -> str | None:
        """The text of a pin; None where it was never put."""
        ...
