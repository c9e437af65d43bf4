"""A folder in BEIR's layout: ``corpus.jsonl``, queries as JSON Lines and judgements by split under ``qrels/``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from Medical_KG_rev.errors import UsageError
from Medical_KG_rev.index.evaluation import Judgements, read_judgements


@dataclass(frozen=True)
class Collection:
    """``queries`` are those of one split that have a relevant document, as (id, text)."""

    corpus: Path
    queries: list[tuple[str, str]]
    judgements: Judgements

    @classmethod
    def read(cls, folder: Path, split: str) -> Collection:
        """The collection in ``folder``; queries in ``queries_<split>.jsonl``, or else in ``queries.jsonl``.

        Raises:
            UsageError: a file is missing or no query of the split is judged.
        """
        corpus, own = folder / "corpus.jsonl", folder / f"queries_{split}.jsonl"
        queries, qrels = own if own.exists() else folder / "queries.jsonl", folder / "qrels" / f"{split}.tsv"
        for path in (corpus, queries, qrels):
            if not path.is_file():
                raise UsageError(f"{path} is not there.", remedy="Give a folder in BEIR's layout and one of its splits.")
        judgements = read_judgements(qrels)
        judged = {query_id for query_id, relevant in judgements.items() if any(value > 0 for value in relevant.values())}
        with queries.open(encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines if line.strip()]
        wanted = [(str(row["_id"]), str(row["text"])) for row in rows if str(row["_id"]) in judged]
        if not wanted:
            raise UsageError(f"{qrels} judges none of the queries in {queries}.", remedy="Check that both are of one split.")
        return cls(corpus, wanted, {query_id: judgements[query_id] for query_id, _ in wanted})
