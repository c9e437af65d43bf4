"""PDFs read by a MinerU server."""

from Medical_KG_rev.parsing.pdf.mineru.engine import MineruEngine

__all__ = ["MineruEngine"]
