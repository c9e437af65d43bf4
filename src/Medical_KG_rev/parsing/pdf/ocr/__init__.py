"""Pages that are images: recognised, and put into the layout that an engine has read of the others."""

from Medical_KG_rev.parsing.pdf.ocr.engine import OcrEngine

__all__ = ["OcrEngine"]
