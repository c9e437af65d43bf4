"""RDF as N-Quads (https://www.w3.org/TR/n-quads/): one statement a line, so that it is written and read as a stream."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import BinaryIO

from Medical_KG_rev.graph.exports.outputs import Tally
from Medical_KG_rev.graph.exports.quads import Literal, Quad, quads
from Medical_KG_rev.graph.results import GraphRecord, MentionRecord

_SPECIAL = re.compile(r'["\\\x00-\x1f\x7f]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


def write(records: Iterable[GraphRecord], files: Sequence[BinaryIO], tally: Tally) -> None:
    """All but mentions, which the annotations of claims do not need."""
    (file,) = files
    for record in records:
        if isinstance(record, MentionRecord):
            tally.left("mentions")
            continue
        lines = [line(quad) for quad in quads(record)]
        file.write("".join(lines).encode())
        tally.wrote("quads", len(lines))


def line(quad: Quad) -> str:
    """One statement in canonical form, with its line end."""
    graph = f" <{quad.graph}>" if quad.graph else ""
    return f"<{quad.subject}> <{quad.predicate}> {_object(quad.object)}{graph} .\n"


def _object(value: str | Literal) -> str:
    if isinstance(value, str):
        return f"<{value}>"
    quoted = f'"{_SPECIAL.sub(_escape, value.value)}"'
    return f"{quoted}^^<{value.datatype}>" if value.datatype else quoted


def _escape(found: re.Match[str]) -> str:
    character = found.group()
    return _SHORT.get(character) or f"\\u{ord(character):04X}"
