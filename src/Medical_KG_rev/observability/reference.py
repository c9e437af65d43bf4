"""The reference page of the metrics, made from the catalogue.

``python -m Medical_KG_rev.observability.reference docs`` writes it below a documentation folder.
"""

from __future__ import annotations

import sys
from pathlib import Path

from Medical_KG_rev.observability.catalogue import CATALOGUE, MAX_NAMES, OTHER, Label, Metric

__all__ = ["REFERENCE_FILE", "is_stale", "metrics_reference", "write_reference"]

REFERENCE_FILE = Path("reference") / "metrics.md"

_INTRODUCTION = f"""\
# Metrics

<!-- Made by `python -m Medical_KG_rev.observability.reference docs` from the catalogue; change that. -->

What the system reports of itself, in the Prometheus text format under `/metrics`; `/healthz` answers `ok`. Times are in
seconds.

A label takes the values of a bounded set: fixed ones, or names of the configuration (up to {MAX_NAMES} of a kind). Whatever else
turns up is counted under `{OTHER}`. A gauge that nothing is known about is absent, never 0. The reasons of a retry are the
codes of [the error table](errors.md).
"""


def metrics_reference() -> str:
    """The page, as Markdown."""
    lines = [_INTRODUCTION, "| Metric | Type | Meaning | Labels | Reported by |", "| --- | --- | --- | --- | --- |"]
    lines.extend(_row(metric) for metric in CATALOGUE)
    lines.extend(["", "## Buckets", "", "Upper bounds in seconds, without `+Inf`.", ""])
    with_buckets = (metric for metric in CATALOGUE if metric.buckets)
    lines.extend(f"- `{metric.name}`: {', '.join(f'{bound:g}' for bound in metric.buckets)}" for metric in with_buckets)
    return "\n".join(lines) + "\n"


def is_stale(docs: Path) -> bool:
    """Whether the page below a documentation folder differs from what would be written now."""
    page = docs / REFERENCE_FILE
    return not page.is_file() or page.read_text(encoding="utf-8") != metrics_reference()


def write_reference(docs: Path) -> Path:
    """Writes the page; where."""
    page = docs / REFERENCE_FILE
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(metrics_reference(), encoding="utf-8")
    return page


def _row(metric: Metric) -> str:
    labels = "<br>".join(f"`{label.name}`: {_values(label)}" for label in metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {metric.help} | {labels} | `{metric.owner}` |"


def _values(label: Label) -> str:
    fixed = label.meaning or ", ".join(f"`{value}`" for value in label.values)
    return ", ".join(part for part in (fixed, label.configured) if part)


if __name__ == "__main__":
    sys.stdout.write(f"{write_reference(Path(sys.argv[1]))}\n")
