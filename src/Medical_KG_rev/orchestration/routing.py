"""Which way the records of a source go unless somebody says otherwise."""

from __future__ import annotations

DEFAULT_PIPELINE = "auto"
PDF_PIPELINE = "pdf-two-phase"

ROUTES = {
    "clinicaltrials": DEFAULT_PIPELINE,
    "openalex": DEFAULT_PIPELINE,
    "pmc-fulltext": DEFAULT_PIPELINE,
    "local": DEFAULT_PIPELINE,
    "unpaywall": PDF_PIPELINE,
    "core": PDF_PIPELINE,
}
"""Source → pipeline. ``pmc-fulltext`` has the text of open articles as XML; `--pipeline pmc-fulltext` takes their PDFs."""
MIXED = frozenset({"local"})
"""Sources whose listing may hold PDFs among other records: those go the way of PDFs, each by itself."""


def default_pipeline(source: str) -> str:
    """The pipeline of a source; that for records that need no PDF where the table does not name it."""
    return ROUTES.get(source, DEFAULT_PIPELINE)


def pdf_pipeline(source: str) -> str | None:
    """The pipeline of those records of a source that are PDFs; None where they are not told apart."""
    return PDF_PIPELINE if source in MIXED else None
