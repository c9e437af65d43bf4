"""Settings of the MinerU server that reads PDFs."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, Field, FilePath, SecretStr, model_validator

MEBIBYTE = 1024 * 1024


class MineruSettings(BaseModel):
    """Where MinerU is served, and what is asked of it. `MK_PDF__MAX_…` bound its files too."""

    url: str = Field(default="", description="`http://host:port` or `https://host:port`.")
    api_key: SecretStr = SecretStr("")
    ca_file: FilePath | None = Field(default=None, description="Certificate authority of the server, where the system has none.")
    api: Literal["auto", "4", "3", "2"] = Field(default="auto", description="Major version of its API; by default it is asked.")
    tier: Literal["flash", "basic", "standard", "advanced"] | None = Field(
        default=None, description="Of a 4.x server. Default: the best that it offers."
    )
    ocr: Literal["auto", "txt", "ocr"] | None = Field(
        default=None, description="Whether it reads images of text. Default: `auto`, but `txt` (never) for the tier `flash`."
    )
    backend: str = Field(default="pipeline", description="Of a 3.x or 2.x server.")
    language: str = Field(default="en", description="For the text recognition of a 3.x or 2.x server.")
    answer: Literal["zip", "json"] = Field(default="zip", description="How it hands over what it has read.")
    accept_partial: bool = Field(
        default=False, description="Take an answer in which pages are missing, with a warning; else the job fails."
    )
    max_answer_bytes: int = Field(default=256 * MEBIBYTE, ge=1024, description="A larger answer is refused.")
    max_unpacked_bytes: int = Field(default=512 * MEBIBYTE, ge=1024, description="An archive that unpacks to more is refused.")
    timeout_seconds: float = Field(default=120.0, gt=0, le=3600, description="Per request; that of its policy holds too.")
    poll_seconds: float = Field(default=5.0, gt=0, le=600, description="The longest pause between two questions after a task.")
    queue_seconds: float = Field(default=3600.0, gt=0, description="How long a task may wait in the server's queue.")
    away_seconds: float = Field(default=120.0, ge=0, description="How long a server may be silent about a task that it has.")
    policy: str = Field(default="pdf-engine", description="Resilience policy of each request.")

    @model_validator(mode="after")
    def _is_address(self) -> Self:
        if self.url and not self.url.startswith(("http://", "https://")):
            raise ValueError("the address of MinerU begins with http:// or https://")
        return self
