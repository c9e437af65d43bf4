r"""The registry's markdown: paragraphs, `*` and numbered lists, backslash escapes (`\>`, `\[`).

Source: https://clinicaltrials.gov/data-api/about-api/study-data-structure (fields of type markup).
"""

from __future__ import annotations

import re

from Medical_KG_rev.parsing.builder import DocumentBuilder

_ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+\-.!<>~|^&=@$:;,?/\"'%])")
BULLET = re.compile(r"[*\-•·◦▪‣]\s+")
NUMBERED = re.compile(r"\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,4})[.)]\s+")


def unescape(text: str) -> str:
    """Text without markdown's backslashes."""
    return _ESCAPE.sub(r"\1", text) if "\\" in text else text


def prose(builder: DocumentBuilder, text: str) -> None:
    """Adds the text's paragraphs and lists. Bullets are dropped; numbers stay, since texts refer to them."""
    items: list[str] = []
    for line in map(str.strip, unescape(text).splitlines()):
        bullet = BULLET.match(line)
        if bullet:
            items.append(line[bullet.end() :])
        elif NUMBERED.match(line):
            items.append(line)
        elif line:
            builder.items(items)
            items = []
            builder.block(line)
    builder.items(items)
