"""Takes secrets and e-mail addresses out of text that is about to be written down.

Rather too much than too little: in ``token=abc`` all up to the next blank goes, and so does what follows ``Authorization:`` on
its line.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

__all__ = ["EMAIL", "REDACTED", "Scrubber"]

REDACTED = "[redacted]"
EMAIL = "[email]"
MAX_DEPTH = 6
MIN_KNOWN_SECRET = 4
"""Shorter values are too common to be looked for everywhere."""

_ANYWHERE = "secret|password|passwd|passphrase|credential"
_AT_THE_END = (
    *("token", "pwd", "signature", "cookie", "cookies", "authorization", "apikey", "api_key", "api-key"),
    *("accesskey", "access_key", "access-key", "access_key_id", "privatekey", "private_key", "private-key"),
)
# What a name holds is looked at from where it starts, and a name is taken whole (`++`): long lines cost linear time.
_KEYED = rf"(?:(?=[\w.-]*?(?:{_ANYWHERE}))[\w.-]++|[\w.-]++(?:{'|'.join(f'(?<={end})' for end in _AT_THE_END)})|api key)"
_QUOTED = r"""(?:[bru]?"(?:\\.|[^"\\])*+(?:"|\Z)|[bru]?'(?:\\.|[^'\\])*+(?:'|\Z)|\\+"[^"]*+"?|\\+'[^']*+'?)"""
_EQUALS = r"(?:\\*[\"']?\s*(?:[:=]|%3[ad])\s*|\\*[\"']\s*,\s*|\s+(?:is|was)\s+)"

_NAME = re.compile(_KEYED, re.IGNORECASE)
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    # -----BEGIN … PRIVATE KEY----- to its end, or to the end of what is left of it
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), REDACTED),
    # scheme://user:password@host. A password may hold slashes; a port may not.
    (re.compile(r"(?<=://)[^\s/:@\"'<>]*:(?!\d+[/?#])[^\s\"'<>]{0,1024}@"), f"{REDACTED}@"),
    (re.compile(r"(?<=://)[^\s/?#\"'<>]*@"), f"{REDACTED}@"),
    # Authorization: anything, to the end of the line or of its quotes
    (
        re.compile(rf"(?<![\w-])((?:proxy-)?authorization\\*[\"']?\s*[:=,]\s*)(?:{_QUOTED}|[^\r\n]+)", re.IGNORECASE),
        rf"\1{REDACTED}",
    ),
    (re.compile(r"\b(bearer)(\s+|%20|\+)[^\s\"',;]+", re.IGNORECASE), rf"\1\2{REDACTED}"),
    # api_key=…, "password": "…", ('x-token', '…'), --secret …
    (re.compile(rf"(?<![\w.-])({_KEYED}{_EQUALS})(?!\[redacted\])(?:{_QUOTED}|[^\s&]+)", re.IGNORECASE), rf"\1{REDACTED}"),
    (re.compile(rf"(?<![\w.-])(?=--?\w)({_KEYED}\s+)(?!\[redacted\])(?:{_QUOTED}|\S+)", re.IGNORECASE), rf"\1{REDACTED}"),
    (re.compile(r"([?&]key=)[^\s&\"']+", re.IGNORECASE), rf"\1{REDACTED}"),
    # Keys that are known by their shape: AWS, JSON web tokens, and providers' prefixes
    (re.compile(r"\b(?:AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AIPA|ANPA|ANVA|AROA)[A-Z0-9]{16}\b"), REDACTED),
    (re.compile(r"(?<![\w/+=])(?=[/+A-Z0-9]*[a-z])(?=[/+a-z0-9]*[A-Z])(?=[/+A-Za-z]*\d)[\w/+]{40}(?![\w/+=])"), REDACTED),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?"), REDACTED),
    (re.compile(r"\b(?:sk|pk|rk|ghp|gho|ghs|hf|xox[abp]|glpat|github_pat)[-_][\w-]{16,}"), REDACTED),
    (re.compile(r"(?<![\w.+%-])[\w.+%-]+(?:@|%40)[\w-]+(?:\.[\w-]+)+"), EMAIL),
)


class Scrubber:
    """Scrubs text and plain data. Values of ``secrets`` are taken out wherever they stand, whatever their shape."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets if len(secret) >= MIN_KNOWN_SECRET for form in _forms(secret)}
        ordered = sorted(forms, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def text(self, text: str) -> str:
        """The text with ``[redacted]`` and ``[email]`` in the place of secrets and addresses."""
        if self._known is not None:
            text = self._known.sub(REDACTED, text)
        for pattern, replacement in _RULES:
            text = pattern.sub(replacement, text)
        return text

    def value(self, value: Any, depth: int = 0) -> Any:
        """Plain data for JSON: strings scrubbed, values under a secret's name replaced, foreign objects as text."""
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)
        if isinstance(value, Mapping) and depth < MAX_DEPTH:
            return {self.text(str(name)): self._item(str(name), item, depth) for name, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset) and depth < MAX_DEPTH:
            return [self.value(item, depth + 1) for item in value]
        return self.text(str(value))

    def _item(self, name: str, item: Any, depth: int) -> Any:
        return REDACTED if _NAME.fullmatch(name) else self.value(item, depth + 1)


def _forms(secret: str) -> tuple[str, ...]:
    """How a secret may look in URLs, JSON and Python text."""
    quoted = (quote(secret), quote(secret, safe=""), quote_plus(secret))
    return (secret, *quoted, repr(secret)[1:-1], json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
