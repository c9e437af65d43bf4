"""Settings of how texts become entities and claims."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field, HttpUrl, SecretStr

TaggerName = Literal["fast", "accurate", "none"]


class ExtractionSettings(BaseModel):
    """What becomes entities and claims, and what finds them."""

    text: bool = Field(default=True, description="Read what texts say; `false`: only what records state in structured form.")
    tagger: TaggerName = Field(default="fast", description="Finds names that the lexicon lacks; `none` leaves the lexicon alone.")


class LlmSettings(BaseModel):
    """A language model that adds claims to those that the extractor finds; off unless a server is named."""

    server: Literal["none", "openai"] = Field(
        default="none", description="`openai`: a chat endpoint with JSON schemas (vLLM, llama.cpp, …)."
    )
    base_url: HttpUrl = Field(default=HttpUrl("http://localhost:8001/v1"), description="Up to and with `/v1`.")
    api_model: str = Field(default="Qwen/Qwen3-8B", description="Name under which the endpoint serves the model.")
    version: str = Field(default="", description="Which weights serve under that name; a change asks for all answers anew.")
    api_key: SecretStr = SecretStr("")
    require_gpu: bool = Field(default=False, description="Fail where no GPU can be seen for a local endpoint.")
    passage_chars: int = Field(default=4000, ge=200, le=100_000, description="So much text is shown at once.")
    max_tokens: int = Field(default=2048, ge=64, le=65_536, description="Of one answer.")
    timeout_seconds: float = Field(default=60.0, gt=0, le=600, description="Per request; that of its policy holds too.")
    prompt_price: float = Field(default=0.0, ge=0, description="Per million tokens sent, in the currency of your account.")
    completion_price: float = Field(default=0.0, ge=0, description="Per million tokens received.")
    policy: str = Field(default="gpu-bound", description="Resilience policy of each request.")
