r"""The registry's markdown: paragraphs, `*` and numbered lists, backslash escapes (`\>`, `\[`).

Source: https://clinicaltrials.gov/data-api/about-api/study-data-structure (fields of type markup).
"""

from __future__ import annotations

import re

from Medical_KG_rev.parsing.builder import DocumentBuilder

_ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+\-.!<>~|^&=@$:;,?/\"'%])")
_BULLET = re.compile(r"[*\-•·◦▪‣]\s+")
_NUMBERED = re.compile(r"\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,4})[.)]\s+")
_CRITERIA = re.compile(
    r"(?:[*•-]\s*)?((?:[a-z]+ ){0,2}(?:inclusion|exclusion)(?: criteria(?: for [\w -]{1,60})?\s*:?|\s*:))", re.IGNORECASE
)


def unescape(text: str) -> str:
    """Text without markdown's backslashes."""
    return _ESCAPE.sub(r"\1", text) if "\\" in text else text


def prose(builder: DocumentBuilder, text: str) -> None:
    """Adds the text's paragraphs and lists. Bullets are dropped; numbers stay, since texts refer to them."""
    items: list[str] = []
    for line in map(str.strip, unescape(text).splitlines()):
        bullet = _BULLET.match(line)
        if bullet:
            items.append(line[bullet.end() :])
        elif _NUMBERED.match(line):
            items.append(line)
        elif line:
            builder.items(items)
            items = []
            builder.block(line)
    builder.items(items)


def criteria(builder: DocumentBuilder, text: str) -> None:
    """Eligibility criteria: what follows a line "Inclusion Criteria" or "Exclusion Criteria" becomes a section of that name."""
    title, lines = "", list[str]()
    for line in text.splitlines():
        heading = _CRITERIA.fullmatch(line.strip())
        if heading:
            _part(builder, title, lines)
            title, lines = heading[1].rstrip(" :"), []
        else:
            lines.append(line)
    _part(builder, title, lines)


def _part(builder: DocumentBuilder, title: str, lines: list[str]) -> None:
    if title:
        with builder.section(title):
            prose(builder, "\n".join(lines))
    else:
        prose(builder, "\n".join(lines))
