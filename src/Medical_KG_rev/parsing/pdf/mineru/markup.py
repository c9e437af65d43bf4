"""Plain text from what MinerU writes inside a block: inline Markdown, a few HTML tags, LaTeX between dollar signs."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from Medical_KG_rev.errors import PartUnavailableError

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token
    from pylatexenc.latex2text import LatexNodes2Text

__all__ = ["formula_text", "plain_text", "without_formulas"]

MAX_FORMULA = 4_000
"""Characters of a formula; a longer one is kept as it is written."""

_FORMULA = re.compile(r"(?<!\\)\$\$(.+?)(?<!\\)\$\$|(?<!\\)\$(?!\s*\d[\d.,]*\s[^\\^_{}$]*[a-z]{2})([^$]+?)(?<!\\)\$", re.DOTALL)
"""Between dollar signs, but for a sum of money with words after it."""
_SPACE = re.compile(r"(\\[A-Za-z]+)\s+(?=[A-Za-z])|\s+")
"""The models write a space between any two symbols; only the one that ends a command before a letter means something."""
_TAG = re.compile(r"\\tag\s*\{([^{}]*)\}")
_DELIMITERS = re.compile(r"^\s*\$\$|\$\$\s*$|^\s*\\\[|\\\]\s*$")
_SCRIPTS = str.maketrans("", "", "^_")
_KNOWN_HTML = re.compile(
    r"</?(?:sup|sub|b|i|u|s|em|strong|del|span|small|mark|a|code|br)\s*(?:\s[a-z-]+=[^>]*)?/?>", re.IGNORECASE
)
_LINE_BREAK = re.compile(r"<br\b", re.IGNORECASE)
_TEXT_TOKENS = frozenset({"text", "code_inline", "text_special"})


def plain_text(markdown: str) -> str:
    """The words of inline Markdown on one line. Superscripts and subscripts stand as they are read: ``10-4``, ``CO2``."""
    return " ".join(_rendered(without_formulas(markdown)).split()) if markdown else ""


def formula_text(latex: str) -> str:
    """A formula as it is read: ``p≤10-6``. What cannot be read as LaTeX is kept as it is written, without spaces."""
    numbered = _TAG.sub(r"~(\1)", _DELIMITERS.sub("", latex))
    squeezed = _SPACE.sub(lambda space: f"{space[1]} " if space[1] else "", numbered)
    if len(squeezed) > MAX_FORMULA:
        return squeezed
    from pylatexenc.latexwalker import LatexWalkerError

    try:
        text = _latex().latex_to_text(squeezed)
    except (LatexWalkerError, RecursionError, ValueError, IndexError):
        return squeezed
    return " ".join(text.translate(_SCRIPTS).split())


def without_formulas(text: str) -> str:
    """The text with each formula as it is read."""
    if "$" not in text:
        return text
    return _FORMULA.sub(lambda formula: formula_text(formula[1] or formula[2]), text)


def _rendered(markdown: str) -> str:
    inline = _markdown().parseInline(markdown)
    return "".join(_shown(token) for top in inline for token in top.children or ())


def _shown(token: Token) -> str:
    if token.type in _TEXT_TOKENS:
        return token.content
    if token.type == "html_inline":
        if _LINE_BREAK.match(token.content):
            return " "
        return "" if _KNOWN_HTML.fullmatch(token.content) else token.content  # `a <b and c> d` is no markup
    if token.type in ("softbreak", "hardbreak"):
        return " "
    return token.content if token.type == "image" else ""


@cache
def _markdown() -> MarkdownIt:
    try:
        from markdown_it import MarkdownIt
    except ModuleNotFoundError as error:
        raise PartUnavailableError.not_installed("markdown-it-py, which reads MinerU's texts,", "pdf") from error
    return MarkdownIt("commonmark", {"html": True})


@cache
def _latex() -> LatexNodes2Text:
    try:
        from pylatexenc.latex2text import LatexNodes2Text
    except ModuleNotFoundError as error:
        raise PartUnavailableError.not_installed("pylatexenc, which reads MinerU's formulas,", "pdf") from error
    return LatexNodes2Text(math_mode="text", keep_comments=True, strict_latex_spaces=True)
