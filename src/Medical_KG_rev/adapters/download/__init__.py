"""Bringing PDFs: from the best open copy, or from a file of this machine, into the object store."""

from Medical_KG_rev.adapters.download.stage import PdfDownloadStage, PdfStore

__all__ = ["PdfDownloadStage", "PdfStore"]
