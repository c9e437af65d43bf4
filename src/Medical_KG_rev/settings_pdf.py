"""Settings of how PDFs are brought and read."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field, SecretStr

MEBIBYTE = 1024 * 1024


class PdfSettings(BaseModel):
    """Which engine reads PDFs, and what one file may cost."""

    engine: Literal["local", "mineru"] = Field(default="local", description="On this machine's CPU, or a MinerU server.")
    ocr: Literal["off", "rapidocr"] = Field(
        default="off", description="Whether pages that are images are read too (`local`; extra `ocr`)."
    )
    passwords: tuple[SecretStr, ...] = Field(default=(), description="Tried in turn on encrypted files; a JSON list.")
    max_bytes: int = Field(default=512 * MEBIBYTE, ge=1024, description="A larger file is not read.")
    max_pages: int = Field(default=2000, ge=1, le=100_000, description="A file of more pages is refused.")
    max_page_points: float = Field(
        default=14_400, ge=72, description="A page with a longer side (in 1/72 inch) is refused; the format itself allows this."
    )
    max_seconds: float = Field(default=600.0, gt=0, le=86_400, description="Reading of one file is ended after so long.")
    max_memory_mb: int = Field(
        default=1024, ge=256, description="Reading of one file is ended where the reader's process needs more (MiB)."
    )


class DownloadSettings(BaseModel):
    """How PDFs are brought, and when that is given up. Each request is made under ``policy``; the limits are for the whole."""

    policy: str = Field(default="polite-api", description="Resilience policy of each request.")
    max_bytes: int = Field(default=512 * MEBIBYTE, ge=1024, description="A larger file is not brought.")
    max_seconds: float = Field(
        default=540.0,
        gt=0,
        le=86_400,
        description="Per document, all its copies and retries included; less than a call may take.",
    )
    min_bytes_per_second: int = Field(default=1024, ge=0, description="A server that is slower is given up.")
    rate_window_seconds: float = Field(default=30.0, gt=0, description="Over so long the rate is measured.")
    timeout_seconds: float = Field(default=10.0, gt=0, le=600, description="Of connecting, and of each read.")
    allow_http: bool = Field(default=False, description="Without TLS too; else `http:` addresses are asked for over `https:`.")
