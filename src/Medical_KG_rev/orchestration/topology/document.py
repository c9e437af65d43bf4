"""YAML that may be hostile, read into plain values that remember their lines.

Only mappings with unique text keys, lists and scalars are taken. Tags, anchors, aliases (and with them alias bombs), several
documents, deep nesting and large files are refused: a configuration needs none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from Medical_KG_rev.orchestration.topology.problems import Location, file_error

MAX_BYTES = 256 * 1024
MAX_DEPTH = 16


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """A file's values, the line (from 1) on which each stands, and the text that they were read from."""

    path: Path
    value: Any
    lines: Mapping[Location, int]
    text: str = ""

    def line_of(self, location: Location) -> int:
        """The line of what stands there, or of the nearest thing around it."""
        for length in range(len(location), 0, -1):
            line = self.lines.get(location[:length])
            if line is not None:
                return line
        return 1


class _RefusedError(yaml.MarkedYAMLError):
    """Valid YAML that is not taken here."""


def _refused(problem: str, mark: Any) -> _RefusedError:
    return _RefusedError(problem=problem, problem_mark=mark)


class _PlainLoader(yaml.SafeLoader):
    """Composes nodes only while they are plain and shallow, so that nothing large is ever built."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _refused("anchors and aliases are not allowed", event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise _refused(f"the tag {event.tag!r} is not allowed", event.start_mark)
        if self.depth >= MAX_DEPTH:
            raise _refused(f"nested deeper than {MAX_DEPTH} levels", event.start_mark)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def read_yaml(path: Path) -> YamlDocument:
    """Reads a configuration file.

    Raises:
        DagsterPipelineConfigError: it cannot be read, is too large, is not UTF-8 or not plain YAML; names file and line.
    """
    return parse_yaml(_read_text(path), path)


def parse_yaml(text: str, path: Path) -> YamlDocument:
    """Reads a configuration's text; ``path`` says in errors where it comes from. Raises as :func:`read_yaml`."""
    try:
        loader = _PlainLoader(text)
        node = loader.get_single_node()
        if node is None:
            raise file_error(path, "the file is empty")
        lines: dict[Location, int] = {}
        return YamlDocument(path, _plain(loader, node, (), lines), lines, text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise file_error(path, error.problem or "not valid YAML", line=line) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise file_error(path, f"the character U+{ord(text[error.position]):04X} is not allowed", line=line) from error


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise file_error(path, f"cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise file_error(path, f"larger than {MAX_BYTES // 1024} KiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise file_error(path, f"not UTF-8 at byte {error.start}", line=line, remedy="Save the file as UTF-8.") from error


def _plain(loader: _PlainLoader, node: yaml.Node, location: Location, lines: dict[Location, int]) -> Any:
    lines.setdefault(location, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return _plain_mapping(loader, node, location, lines)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(loader, item, (*location, index), lines) for index, item in enumerate(node.value)]
    try:
        return loader.construct_object(node)
    except ValueError as error:  # 2026-99-99, 0x_
        raise _refused(f"{node.value[:40]!r} is not a value: {error}", node.start_mark) from error


def _plain_mapping(
    loader: _PlainLoader, node: yaml.MappingNode, location: Location, lines: dict[Location, int]
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = key_node.value
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != "tag:yaml.org,2002:str":
            raise _refused("a key must be text; put it in quotes", key_node.start_mark)
        at = (*location, key)
        if key in result:
            raise _refused(f"the key {key!r} stands twice, first on line {lines[at]}", key_node.start_mark)
        lines[at] = key_node.start_mark.line + 1
        result[key] = _plain(loader, value_node, at, lines)
    return result
