"""A reranker over HTTP, as Text Embeddings Inference and vLLM serve it: both answer ``POST /rerank``, each in its own words.

::

    tei     {"query", "texts", "truncate", "raw_scores"}                 ->  [{"index", "score"}, …]
    vllm    {"model", "query", "documents", "truncate_prompt_tokens"}    ->  {"results": [{"index", "relevance_score"}, …]}
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import httpx
import msgspec

from Medical_KG_rev.errors import (
    MedicalKGError,
    RateLimitedError,
    RemoteTimeoutError,
    RemoteUnavailableError,
    RequestRejectedError,
    UnexpectedContentError,
)
from Medical_KG_rev.settings import RerankSettings

_BODY_CHARACTERS = 300


class _TeiScore(msgspec.Struct):
    index: int
    score: float


class _VllmScore(msgspec.Struct):
    index: int
    relevance_score: float


class _VllmAnswer(msgspec.Struct):
    results: list[_VllmScore]


class HttpReranker:
    """A reranker behind HTTP. Nothing is asked of it before the first query."""

    def __init__(self, settings: RerankSettings) -> None:
        self.name = settings.api_model
        self._vllm = settings.server == "vllm"
        self._size = settings.request_size
        self._url = f"{str(settings.base_url).rstrip('/')}/rerank"
        key = settings.api_key.get_secret_value()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(timeout=settings.timeout_seconds, headers=headers, trust_env=False)

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """See :class:`Reranker`.

        Raises:
            RemoteUnavailableError, RemoteTimeoutError, RateLimitedError, RequestRejectedError: by what happened.
            UnexpectedContentError: the answer has another shape, or not one finite score a text.
        """
        parts = [texts[start : start + self._size] for start in range(0, len(texts), self._size)]
        return [score for part in parts for score in self._request(query, part)]

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _request(self, query: str, texts: Sequence[str]) -> list[float]:
        body: dict[str, Any] = {"query": query, "texts": list(texts), "truncate": True, "raw_scores": False}
        if self._vllm:
            body = {"model": self.name, "query": query, "documents": list(texts), "truncate_prompt_tokens": -1}
        try:
            response = self._client.post(self._url, json=body)
        except httpx.TimeoutException as error:
            raise RemoteTimeoutError(f"The reranker {self._url} did not answer in time.", endpoint=self._url) from error
        except httpx.TransportError as error:
            raise RemoteUnavailableError(f"The reranker {self._url} cannot be reached: {error}.", endpoint=self._url) from error
        if response.status_code != httpx.codes.OK:
            raise self._refusal(response)
        return self._read(response.content, len(texts))

    def _read(self, content: bytes, count: int) -> list[float]:
        try:
            if self._vllm:
                results = msgspec.json.decode(content, type=_VllmAnswer).results
                scores = {result.index: result.relevance_score for result in results}
            else:
                scores = {result.index: result.score for result in msgspec.json.decode(content, type=list[_TeiScore])}
        except msgspec.MsgspecError as error:
            raise UnexpectedContentError(f"The reranker {self._url} gave a wrong answer: {error}.", endpoint=self._url) from error
        if scores.keys() != set(range(count)) or not all(map(isfinite, scores.values())):
            raise UnexpectedContentError(
                f"The reranker {self._url} did not give each of {count} passages a finite score.", endpoint=self._url
            )
        return [scores[index] for index in range(count)]

    def _refusal(self, response: httpx.Response) -> MedicalKGError:
        status, start = response.status_code, response.text[:_BODY_CHARACTERS]
        message = f"The reranker {self._url} answered {status}: {start}"
        if status == httpx.codes.TOO_MANY_REQUESTS:
            return RateLimitedError(message, endpoint=self._url, status=status)
        if status >= httpx.codes.INTERNAL_SERVER_ERROR:
            return RemoteUnavailableError(message, endpoint=self._url, status=status)
        return RequestRejectedError(message, remedy="Check the settings MK_RERANK__….", endpoint=self._url, status=status)
