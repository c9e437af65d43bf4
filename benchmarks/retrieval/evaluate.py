"""Quality and latency of every leg and fusion on a BEIR folder.

``python benchmarks/retrieval/evaluate.py FOLDER`` ingests the folder's corpus as the shipped configuration does (``--library``
names a data folder that is kept, and used again), asks every query of the split by each leg, by every fusion of a grid, and by
the shipped default; the grid's choice is cross-validated. ``--json`` writes the figures, ``--plot`` a picture of them.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from beir import Collection
from legs import leg_lists, searched
from measuring import TEST_DATA, ingest_command, need_model, open_parts, skip, table, workspace
from tuning import tune

from Medical_KG_rev.errors import UsageError
from Medical_KG_rev.index.evaluation import Judgements, Run, evaluate
from Medical_KG_rev.index.fusion import Fusion
from Medical_KG_rev.parts import PlatformParts

MEASURES = ("ndcg@10", "recall@100", "mrr")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=TEST_DATA / "beir" / "scifact", help="default: SciFact")
    parser.add_argument("--split", default="train", help="which queries and judgements (default: train)")
    parser.add_argument("--model", default="bge-small", help="dense model (default: bge-small)")
    parser.add_argument("--library", type=Path, help="data folder; one that has the corpus is used as it is")
    parser.add_argument("--json", type=Path, dest="json_file", help="where the figures go")
    parser.add_argument("--plot", type=Path, help="where the picture goes (SVG)")
    options = parser.parse_args()
    if not options.folder.is_dir():
        skip(f"{options.folder} is not there; name a BEIR folder, or point MK_TEST_DATA at the folder of real data")
    need_model(options.model)
    try:
        collection = Collection.read(options.folder, options.split)
    except UsageError as error:
        parser.error(str(error))
    with ExitStack() as stack:
        library = options.library or stack.enter_context(workspace()) / "library"
        if not library.exists():
            ingest_command(collection.corpus, data_dir=library, model=options.model)
        parts = open_parts(library, options.model)
        stack.callback(parts.close)
        figures = measured(parts, collection)
    show(figures)
    if options.json_file:
        options.json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    if options.plot:
        from plot import draw

        draw(figures, options.plot)


def measured(parts: PlatformParts, collection: Collection) -> dict[str, Any]:
    """All figures as JSON values; ``rows`` are legs, fusions and the shipped default."""
    retriever = parts.retriever()
    default_run, times = searched(retriever, collection.queries, None)
    legs = [leg for leg in times if leg != "all"]
    lists = leg_lists(retriever, collection.queries, legs, parts.settings.search.depth)
    tuned = tune(lists, collection.judgements)
    rows = [row(leg, lists.run(Fusion(), (leg,)), collection.judgements, times[leg]) for leg in legs]
    rows.append(row("rrf, k = 60", lists.run(Fusion()), collection.judgements))
    rows += [row(f"best {method}", lists.run(best), collection.judgements, fusion=best) for method, best in tuned.best.items()]
    rows.append(row("cross-validated", tuned.cross_validated, collection.judgements))
    rows.append(row("shipped default", default_run, collection.judgements, times["all"], shipped(parts)))
    retriever.close()
    return {"queries": len(collection.queries), "chosen": [fusion.fingerprint for fusion in tuned.chosen], "rows": rows}


def shipped(parts: PlatformParts) -> Fusion:
    search = parts.settings.search
    return Fusion(search.fusion, parts.settings.leg_weights, search.rrf_k)


def row(
    name: str, run: Run, judgements: Judgements, times: list[float] | None = None, fusion: Fusion | None = None
) -> dict[str, Any]:
    found = evaluate(run, judgements).measures
    latency = {f"p{share}_ms": round(float(np.percentile(times, share)), 2) for share in (50, 95)} if times else {}
    return {
        "name": name,
        **{name: round(found[name], 4) for name in MEASURES},
        **latency,
        "fusion": fusion and fusion.fingerprint,
    }


def show(figures: dict[str, Any]) -> None:
    print(f"{figures['queries']} queries; chosen by fold: {', '.join(sorted(set(figures['chosen'])))}\n")
    columns = (*MEASURES, "p50_ms", "p95_ms", "fusion")
    table(("", *columns), [(row["name"], *(str(row.get(column) or "") for column in columns)) for row in figures["rows"]])


if __name__ == "__main__":
    main()
