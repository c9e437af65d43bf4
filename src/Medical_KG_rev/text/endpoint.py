"""Embeddings from an OpenAI-compatible endpoint (vLLM, TEI, llama.cpp), through Haystack's ``OpenAIDocumentEmbedder``.

The component is used without its own retries and its habit of answering a dead engine with empty vectors, and every answer is
checked: it assigns vectors by position and ignores ``index``, so an answer out of order is refused before it reads it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import numpy as np
from numpy.typing import NDArray

from Medical_KG_rev.endpoints.answers import translate
from Medical_KG_rev.endpoints.gpu import GpuProbe
from Medical_KG_rev.endpoints.liveness import PROBE_SECONDS, Liveness
from Medical_KG_rev.errors import IndexMismatchError, RequestRejectedError, UnexpectedContentError
from Medical_KG_rev.models import Caller
from Medical_KG_rev.settings import EmbeddingSettings

if TYPE_CHECKING:
    from haystack.components.embedders import OpenAIDocumentEmbedder

    from Medical_KG_rev.text.backends import Vectors

__all__ = ["HttpBackend"]

_PROBE_TEXTS = ("Metformin lowers blood glucose.", "The femur is the longest bone.")
_NORM_TOLERANCE = 1e-2
_ORDER_TOLERANCE = 1e-2
_BYTES_PER_TOKEN = 3


class _Item(msgspec.Struct):
    index: int


class _Answer(msgspec.Struct):
    data: list[_Item]


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model]


class HttpBackend:
    """A remote model. Nothing is asked of the endpoint before the first text; then it is probed, and again after a pause.

    Token counts are estimates on the high side (a token per three bytes of a word), since the tokenizer is the endpoint's.
    """

    max_tokens = 8192

    def __init__(
        self,
        settings: EmbeddingSettings,
        caller: Caller | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        gpu: GpuProbe | None = None,
        make_embedder: Callable[[EmbeddingSettings, float], OpenAIDocumentEmbedder] | None = None,
    ) -> None:
        self._settings = settings
        self._caller = caller
        self._base = _base_url(settings)
        self.name = settings.api_model
        self.dimension = settings.dimension
        self.fingerprint = _fingerprint(settings)
        make = make_embedder or _component
        self._component = make(settings, settings.timeout_seconds)
        self._prober = make(settings, min(PROBE_SECONDS, settings.timeout_seconds))
        self._liveness = Liveness(
            self._base,
            f"{self._base.removesuffix('/v1')}/health",
            section="EMBEDDING",
            require_gpu=settings.require_gpu,
            check=self._check,
            api_key=settings.api_key.get_secret_value(),
            clock=clock,
            gpu=gpu,
        )
        self._probed_order = False

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See :class:`EmbeddingBackend`.

        Raises:
            GpuNotAvailableError: no GPU behind the endpoint, or none that answers although one is required.
            RemoteError: transient or terminal, by what happened.
            IndexMismatchError: vectors of another dimension than configured.
            UnexpectedContentError: vectors missing, out of order, not finite or not of unit length.
        """
        self._liveness.ensure()
        size = self._settings.request_size
        parts = [self._call(texts[start : start + size]) for start in range(0, len(texts), size)]
        self._liveness.seen()
        return np.concatenate(parts) if parts else np.empty((0, self.dimension), np.float32)

    def encode_query(self, text: str) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = self.encode([self._settings.query_prefix + text])[0]
        return vector

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [sum(-(-len(word.encode()) // _BYTES_PER_TOKEN) for word in text.split()) for text in texts]

    def probe(self) -> None:
        """Asks whether the endpoint is alive, serves the model and answers rightly; tries nothing twice.

        Raises:
            GpuNotAvailableError: when a GPU is required and the endpoint does not answer, or its machine shows none.
            RemoteError: see :meth:`encode`.
        """
        self._liveness.probe()

    def close(self) -> None:
        self._liveness.close()
        self._component.close()
        self._prober.close()

    def _check(self) -> None:
        self._check_models()
        self._check_vectors()

    def _check_models(self) -> None:
        page = self._liveness.page(f"{self._base}/models")
        try:
            served = [model.id for model in msgspec.json.decode(page, type=_Models).data]
        except msgspec.MsgspecError as error:
            raise UnexpectedContentError(f"{self._base}/models is not a list of models: {error}.", endpoint=self._base) from error
        if self._settings.api_model not in served:
            raise RequestRejectedError(
                f"{self._base} does not serve {self._settings.api_model}; it serves {', '.join(served) or 'nothing'}.",
                remedy="Set MK_EMBEDDING__API_MODEL.",
                endpoint=self._base,
            )

    def _check_vectors(self) -> None:
        """Two different texts have different vectors, and the same ones when they come the other way round."""
        vectors = self._request(self._prober, _PROBE_TEXTS)
        if np.allclose(vectors[0], vectors[1], atol=_ORDER_TOLERANCE / 10):
            raise UnexpectedContentError(f"{self._base} gives different texts the same vector.", endpoint=self._base)
        if not self._probed_order:
            swapped = self._request(self._prober, _PROBE_TEXTS[::-1])
            if float((vectors * swapped[::-1]).sum(axis=1).min()) < 1 - _ORDER_TOLERANCE:
                raise UnexpectedContentError(f"{self._base} does not keep the order of texts.", endpoint=self._base)
            self._probed_order = True

    def _call(self, texts: Sequence[str]) -> Vectors:
        if self._caller is None:
            return self._request(self._component, texts)
        return self._caller.call(lambda: self._request(self._component, texts))

    def _request(self, embedder: OpenAIDocumentEmbedder, texts: Sequence[str]) -> Vectors:
        """One POST through Haystack's component; ids are positions, since equal ids would be sent once."""
        from haystack import Document
        from openai import OpenAIError

        documents = [Document(id=str(position), content=text) for position, text in enumerate(texts)]
        try:
            answered = embedder.run(documents=documents)["documents"]
        except OpenAIError as error:
            raise translate(error, self._base) from error
        except (ValueError, TypeError, AttributeError) as error:
            raise UnexpectedContentError(f"{self._base} gave a wrong answer: {error}.", endpoint=self._base) from error
        return self._checked([document.embedding for document in answered], len(texts))

    def _checked(self, rows: Sequence[Sequence[float] | None], count: int) -> Vectors:
        if len(rows) != count or any(not row for row in rows):
            raise UnexpectedContentError(f"{self._base} left out vectors: {count} texts were sent.", endpoint=self._base)
        found = {len(row) for row in rows if row}
        if found != {self.dimension}:
            raise IndexMismatchError(
                f"{self._base} answers with vectors of {sorted(found)} dimensions; {self.dimension} are configured.",
                remedy="Set MK_EMBEDDING__DIMENSION and embed again, or serve the model that the index was made with.",
                expected=self.dimension,
                found=sorted(found),
            )
        vectors = np.asarray(rows, np.float32)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(vectors).all() or (np.abs(norms - 1) > _NORM_TOLERANCE).any():
            raise UnexpectedContentError(
                f"{self._base} answers with vectors that are not finite or not of unit length.",
                remedy="Serve the model with normalisation.",
                endpoint=self._base,
            )
        unit: Vectors = vectors / norms
        return unit


def _component(settings: EmbeddingSettings, timeout_seconds: float) -> OpenAIDocumentEmbedder:
    from haystack.components.embedders import OpenAIDocumentEmbedder
    from haystack.utils import Secret

    return OpenAIDocumentEmbedder(
        api_key=Secret.from_token(settings.api_key.get_secret_value() or "EMPTY"),
        model=settings.api_model,
        api_base_url=_base_url(settings),
        batch_size=settings.request_size,
        progress_bar=False,
        timeout=timeout_seconds,
        max_retries=0,
        raise_on_failure=True,
        http_client_kwargs={"event_hooks": {"response": [_refuse_disorder]}},
    )


def _refuse_disorder(response: Any) -> None:
    """Raises unless the vectors of an answer are in the order of their ``index``."""
    if response.status_code != httpx.codes.OK:
        return
    try:
        answer = msgspec.json.decode(response.read(), type=_Answer)
    except msgspec.MsgspecError as error:
        raise UnexpectedContentError(f"{response.url} gave no list of embeddings: {error}.", url=str(response.url)) from error
    order = [item.index for item in answer.data]
    if order != list(range(len(order))):
        raise UnexpectedContentError(f"{response.url} gave embeddings out of order: {order[:8]}.", url=str(response.url))


def _base_url(settings: EmbeddingSettings) -> str:
    return str(settings.base_url).rstrip("/")


def _fingerprint(settings: EmbeddingSettings) -> str:
    made_of = f"{settings.api_model};{settings.dimension};{settings.query_prefix}"
    return f"http-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}"
