"""Measures of retrieval quality over TREC runs and relevance judgements.

Formats: a run has ``qid Q0 doc_id rank score tag`` a line; judgements (qrels) have ``qid 0 doc_id relevance``, or BEIR's
``query-id corpus-id score`` under a header line.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import msgspec

from Medical_KG_rev.errors import UsageError

Run = dict[str, list[str]]
"""The document ids found for each query, best first, none twice."""

Judgements = dict[str, dict[str, int]]
"""The relevance of the judged documents of each query."""

_RUN_COLUMNS = 6


class Evaluation(msgspec.Struct, frozen=True):
    """Means over the queries that have a relevant document. ``unanswered`` of them are absent from the run, and count as 0."""

    queries: int
    unanswered: int
    measures: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return fields


def write_run(file: TextIO, query_id: str, hits: Iterable[tuple[str, float]], tag: str = "medkg") -> None:
    """Appends one query's (doc_id, score) pairs, best first. Scores are written in full, so that their order survives."""
    file.writelines(f"{query_id} Q0 {doc_id} {rank} {score!r} {tag}\n" for rank, (doc_id, score) in enumerate(hits, start=1))


def read_run(path: Path) -> Run:
    """The run, each query's documents by descending score (equal ones in the order of the file).

    Raises:
        UsageError: the file cannot be read, or a line is not of a run; it names the line.
    """
    scored: dict[str, list[tuple[float, str]]] = {}
    for number, line in _lines(path):
        columns = line.split()
        if len(columns) != _RUN_COLUMNS:
            raise _bad_line(path, number, "qid Q0 doc_id rank score tag")
        scored.setdefault(columns[0], []).append((_number(path, number, columns[4]), columns[2]))
    return {
        query_id: list(dict.fromkeys(doc_id for _, doc_id in sorted(hits, key=lambda hit: -hit[0])))
        for query_id, hits in scored.items()
    }


def read_judgements(path: Path) -> Judgements:
    """The judgements, in either format.

    Raises:
        UsageError: the file cannot be read, or a line is not of judgements; it names the line.
    """
    judged: Judgements = {}
    for number, line in _lines(path):
        match line.split():
            case [query_id, _, doc_id, relevance] | [query_id, doc_id, relevance]:
                if number == 1 and not _is_number(relevance):
                    continue
                judged.setdefault(query_id, {})[doc_id] = int(_number(path, number, relevance))
            case _:
                raise _bad_line(path, number, "qid 0 doc_id relevance")
    return judged


def evaluate(run: Mapping[str, Sequence[str]], judgements: Judgements, ks: Sequence[int] = (10, 100)) -> Evaluation:
    """``ndcg@k`` and ``recall@k`` for each k, and ``mrr``, averaged as ``trec_eval -c`` does.

    A document matches a judgement by its whole id or else by the part after the first colon, so that ``local:4983`` meets a
    judgement of ``4983``. A judgement is met once.

    Raises:
        UsageError: no query has a relevant document, a k is below 1, or the run and the judgements share no query.
    """
    if not ks or min(ks) < 1:
        raise UsageError(f"Depths must be 1 or more; got {list(ks)}.", remedy="For example: --k 10,100.")
    judged = {query_id: docs for query_id, docs in judgements.items() if any(value > 0 for value in docs.values())}
    if not judged:
        raise UsageError("The judgements name no relevant document.", remedy="Give a file in qrels or BEIR format.")
    if not judged.keys() & run.keys():
        raise UsageError("The run and the judgements have no query in common.", remedy="Check that both use the same query ids.")
    sums: dict[str, float] = {}
    for query_id, relevant in judged.items():
        for name, value in _measures(_gains(run.get(query_id, ()), relevant), relevant, ks).items():
            sums[name] = sums.get(name, 0.0) + value
    means = {name: total / len(judged) for name, total in sums.items()}
    return Evaluation(len(judged), len(judged.keys() - run.keys()), means)


def ndcg(gains: Sequence[int], ideal: Sequence[int], k: int) -> float:
    """DCG of ``gains`` over that of the best order, to depth ``k``: gains as they are, discount log2(rank + 1).

    Järvelin and Kekäläinen, ACM TOIS 20(4), 2002, in the form of trec_eval's ``ndcg_cut``.
    """
    best = _dcg(sorted(ideal, reverse=True)[:k])
    return _dcg(gains[:k]) / best if best else 0.0


def _measures(gains: Sequence[int], relevant: Mapping[str, int], ks: Sequence[int]) -> dict[str, float]:
    ideal = [value for value in relevant.values() if value > 0]
    first = next((rank for rank, gain in enumerate(gains, start=1) if gain), None)
    return (
        {f"ndcg@{k}": ndcg(gains, ideal, k) for k in ks}
        | {f"recall@{k}": sum(gain > 0 for gain in gains[:k]) / len(ideal) for k in ks}
        | {"mrr": 1.0 / first if first else 0.0}
    )


def _gains(found: Sequence[str], relevant: Mapping[str, int]) -> list[int]:
    gains = []
    met: set[str] = set()
    for doc_id in found:
        name = doc_id if doc_id in relevant else doc_id.partition(":")[2]
        gains.append(0 if name in met else max(relevant.get(name, 0), 0))
        met.add(name)
    return gains


def _dcg(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def _lines(path: Path) -> Iterable[tuple[int, str]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}.", remedy="Give a text file.", path=str(path)) from error
    return ((number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip())


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _number(path: Path, line: int, text: str) -> float:
    if not _is_number(text):
        raise _bad_line(path, line, f"a number where {text!r} stands")
    return float(text)


def _bad_line(path: Path, line: int, expected: str) -> UsageError:
    return UsageError(f"{path}, line {line}: expected {expected}.", remedy="Correct the file.", path=str(path), line=line)
