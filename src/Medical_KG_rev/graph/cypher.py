"""Raw Cypher, read only: a query is let through only when every clause, keyword and function of it is on the list.

The text is cut into tokens; after a finished operand (a name, a literal, a closing bracket) only a listed keyword may follow,
so that a clause nobody thought of is refused like any other. What is run is not the text as typed: comments are gone and
string literals that hold anything but plain characters are handed over as parameters. The engine's reading of quotes,
escapes and comments therefore cannot differ from ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import msgspec

from Medical_KG_rev.errors import QueryRefusedError

CLAUSES = ("MATCH", "OPTIONAL MATCH", "WHERE", "WITH", "RETURN", "ORDER BY", "SKIP", "LIMIT", "UNWIND", "UNION")
"""What a query may consist of."""

MAX_CHARACTERS = 20_000
"""A longer query is refused before it is looked at."""

_OPENING = frozenset({"MATCH", "OPTIONAL", "UNWIND", "WITH", "RETURN"})
_CLAUSE_WORDS = _OPENING | frozenset({"WHERE", "ORDER", "BY", "SKIP", "LIMIT", "UNION"})
_BINARY_WORDS = frozenset(
    {"ALL", "AND", "AS", "ASC", "ASCENDING", "CONTAINS", "DESC", "DESCENDING", "ELSE", "END", "ENDS", "IN", "IS", "NOT", "NULL"}
    | {"OR", "SHORTEST", "STARTS", "THEN", "WHEN", "XOR"}
)
_OPERAND_WORDS = frozenset(
    {"ACYCLIC", "ALL", "ANY", "CASE", "COUNT", "DISTINCT", "ELSE", "EXISTS", "FALSE", "NONE", "NOT", "NULL", "SHORTEST"}
    | {"SINGLE", "THEN", "TRAIL", "TRUE", "WHEN"}
)
_KEYWORDS = _CLAUSE_WORDS | _BINARY_WORDS | _OPERAND_WORDS
_VALUES = frozenset({"NULL", "TRUE", "FALSE", "END", "ASC", "ASCENDING", "DESC", "DESCENDING"})
_REFUSED_WORDS = frozenset(
    {"ALTER", "ANALYZE", "ATTACH", "BEGIN", "CALL", "CHECKPOINT", "COMMENT", "COMMIT", "COPY", "CREATE", "DELETE", "DETACH"}
    | {"DROP", "EXPLAIN", "EXPORT", "EXTENSION", "FOREACH", "FORCE", "GLOB", "GRANT", "HEADERS", "IMPORT", "INSERT", "INSTALL"}
    | {"LOAD", "MACRO", "MERGE", "PERIODIC", "PROFILE", "PROJECT", "REMOVE", "RENAME", "REVOKE", "ROLLBACK", "SET", "SHOW"}
    | {"START", "TERMINATE", "TRANSACTION", "UNINSTALL", "UPDATE", "USE", "YIELD"}
)
FUNCTIONS = frozenset(
    {"abs", "acos", "array_contains", "asin", "atan", "avg", "cast", "ceil", "ceiling", "coalesce", "collect", "concat"}
    | {"contains", "cos", "count", "date", "date_part", "datediff", "degrees", "ends_with", "exp", "floor", "head", "id"}
    | {"ifnull", "is_acyclic", "is_trail", "keys", "label", "labels", "last", "left", "length", "levenshtein", "list_append"}
    | {"list_concat", "list_contains", "list_distinct", "list_element", "list_extract", "list_has", "list_position"}
    | {"list_reverse", "list_slice", "list_sort", "list_sum", "list_unique", "ln", "log", "log10", "lower", "lpad", "ltrim"}
    | {"max", "min", "nodes", "nullif", "offset", "pow", "prefix", "properties", "radians", "range", "regexp_extract"}
    | {"regexp_full_match", "regexp_matches", "regexp_replace", "rels", "relationships", "repeat", "reverse", "right", "round"}
    | {"rpad", "rtrim", "sign", "sin", "size", "split_part", "sqrt", "starts_with", "string_split", "substring", "suffix"}
    | {"sum", "tail", "tan", "to_float", "to_int64", "tolower", "tostring", "toupper", "trim", "type", "upper", "year"}
)
"""Functions that only compute."""

_TOKEN = re.compile(
    r"(?P<space>[ \t\r\n]+)"
    r"|(?P<comment>//[^\r\n]*|/\*.*?\*/)"
    r"|(?P<string>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
    r"|(?P<quoted>`[A-Za-z0-9_ .:-]+`)"
    r"|(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<parameter>\$[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<symbol>/(?!\*)|[-+*%^=<>!|&,.:;~()\[\]{}])",
    re.DOTALL,
)
_ESCAPES = {"\\": "\\", "'": "'", '"': '"', "n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_PLAIN_STRING = re.compile(r"[A-Za-z0-9_ .,:;/()+*%@#=<>-]*")


class ReadingQuery(msgspec.Struct, frozen=True):
    """A query that may be run, with the parameters that it needs."""

    text: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str

    @property
    def ends_operand(self) -> bool:
        """Whether only a keyword, an operator or a bracket may follow."""
        if self.kind == "word":
            return self.text.upper() not in _KEYWORDS or self.text.upper() in _VALUES
        return self.kind in ("string", "quoted", "number", "parameter") or self.text in (")", "]", "}")


def reading_query(cypher: str, parameters: Mapping[str, Any], functions: frozenset[str] = FUNCTIONS) -> ReadingQuery:
    """The query as it may be run; ``functions`` are those of the store, in lower case.

    Raises:
        QueryRefusedError: it holds anything but reading clauses, keywords and functions; ``clause`` names what.
    """
    if len(cypher) > MAX_CHARACTERS:
        _refuse("", f"The query is longer than {MAX_CHARACTERS} characters.")
    tokens = list(_tokens(cypher))
    _check(_without_end([token for token in tokens if token.kind not in ("space", "comment")]), functions)
    missing = sorted({token.text for token in tokens if token.kind == "parameter"} - {f"${name}" for name in parameters})
    if missing:
        _refuse(missing[0], f"The query's parameter {missing[0]} has no value.")
    literals: dict[str, Any] = {}
    text = "".join(_rendered(token, literals, parameters) for token in tokens).strip().rstrip(";")
    return ReadingQuery(text, {**parameters, **literals})


def _tokens(cypher: str) -> Iterator[_Token]:
    position = 0
    while position < len(cypher):
        found = _TOKEN.match(cypher, position)
        if found is None:
            where = cypher[position : position + 20]
            _refuse(where[:1], f"The query cannot be read from {where!r} on: a quote, a comment or a character is out of place.")
        yield _Token(str(found.lastgroup), found.group())
        position = found.end()


def _without_end(tokens: list[_Token]) -> list[_Token]:
    while tokens and tokens[-1].text == ";":
        tokens.pop()
    if any(token.text == ";" for token in tokens):
        _refuse(";", "Only one statement may be given.")
    if not tokens:
        _refuse("", "The query is empty.")
    return tokens


def _check(tokens: list[_Token], functions: frozenset[str]) -> None:
    if tokens[0].text.upper() not in _OPENING:
        _refuse(tokens[0].text)
    for index, token in enumerate(tokens):
        if token.kind in ("word", "string", "quoted", "parameter"):
            before = tokens[index - 1] if index else None
            after = tokens[index + 1] if index + 1 < len(tokens) else None
            _check_token(token, before, after, functions)


def _check_token(token: _Token, before: _Token | None, after: _Token | None, functions: frozenset[str]) -> None:
    word = token.text.upper() if token.kind == "word" else ""
    named = before is not None and before.text in (".", ":", "|")
    if before is not None and before.ends_operand and word not in _CLAUSE_WORDS | _BINARY_WORDS:
        _refuse(token.text)
    if word in _REFUSED_WORDS and not (named and (after is None or after.text != "(")):
        _refuse(token.text)
    calls = after is not None and after.text == "(" and token.kind in ("word", "quoted")
    if calls and word not in _KEYWORDS and (word.lower() not in functions or named):
        _refuse(token.text, f"The function {token.text} is not on the list.", functions)


def _rendered(token: _Token, literals: dict[str, Any], parameters: Mapping[str, Any]) -> str:
    if token.kind == "comment":
        return " "
    if token.kind != "string":
        return token.text
    value = _unescaped(token.text[1:-1])
    if _PLAIN_STRING.fullmatch(value):
        return f"'{value}'"
    name = f"literal_{len(literals)}"
    while name in parameters:
        name += "_"
    literals[name] = value
    return f"${name}"


def _unescaped(body: str) -> str:
    def replace(found: re.Match[str]) -> str:
        value = _ESCAPES.get(found.group(1))
        return _refuse(found.group(), f"The escape {found.group()} is not known.") if value is None else value

    return re.sub(r"\\(.)", replace, body, flags=re.DOTALL)


def _refuse(clause: str, message: str = "", valid: frozenset[str] | tuple[str, ...] = CLAUSES) -> NoReturn:
    names = sorted(valid) if isinstance(valid, frozenset) else list(valid)
    raise QueryRefusedError(
        message or f"{clause.upper()} is not allowed: queries only read.",
        remedy=f"Valid are {', '.join(names)}.",
        clause=clause.upper(),
        valid=tuple(names),
    )
