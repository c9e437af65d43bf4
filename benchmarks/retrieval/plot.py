"""A picture of what `evaluate.py` found: quality against latency, leg by leg and fused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot


def draw(figures: dict[str, Any], path: Path) -> None:
    """Bars of nDCG@10 and recall@100 on the left, and on the right nDCG@10 against the median milliseconds of a query."""
    rows = figures["rows"]
    matplotlib.rcParams["svg.hashsalt"] = "retrieval"
    figure, (bars, points) = pyplot.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    places = range(len(rows))
    bars.barh([place - 0.2 for place in places], [row["ndcg@10"] for row in rows], 0.4, label="nDCG@10")
    bars.barh([place + 0.2 for place in places], [row["recall@100"] for row in rows], 0.4, label="recall@100")
    bars.set_yticks(list(places), [row["name"] for row in rows])
    bars.invert_yaxis()
    bars.set_xlim(0.5, 1.0)
    bars.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    timed = [row for row in rows if "p50_ms" in row]
    points.scatter([row["p50_ms"] for row in timed], [row["ndcg@10"] for row in timed])
    for row in timed:
        points.annotate(row["name"], (row["p50_ms"], row["ndcg@10"]), xytext=(6, 4), textcoords="offset points")
    points.set_xlabel("milliseconds a query, median")
    points.set_ylabel("nDCG@10")
    points.margins(0.35, 0.25)
    points.set_title(f"{figures['queries']} queries", fontsize="medium")
    figure.savefig(path, metadata={"Date": None})
