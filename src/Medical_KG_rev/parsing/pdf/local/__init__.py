"""The engine that reads PDFs on this machine: characters and fonts, lines, columns, reading order, roles."""

from Medical_KG_rev.parsing.pdf.local.engine import LocalPdfEngine

__all__ = ["LocalPdfEngine"]
