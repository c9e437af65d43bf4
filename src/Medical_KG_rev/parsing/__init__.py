"""From payloads to documents: one parser per format behind one stage, and the check that follows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from Medical_KG_rev.parsing.parser import FORMATS, IrParser
    from Medical_KG_rev.parsing.validation import IrValidator

__all__ = ["FORMATS", "IrParser", "IrValidator"]

_HOMES = {"FORMATS": "parser", "IrParser": "parser", "IrValidator": "validation"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(name)
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
