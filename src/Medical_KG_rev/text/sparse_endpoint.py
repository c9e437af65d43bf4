"""Learned sparse vectors from Text Embeddings Inference, started with ``--pooling splade``: ``POST /embed_sparse``.

The server says at ``/info`` which model it serves, how it pools and how many texts a request may hold. It cuts texts at the
model's length by itself and does not say which.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence

import httpx
import msgspec
import numpy as np

from Medical_KG_rev.endpoints.answers import error_for_status
from Medical_KG_rev.endpoints.gpu import GpuProbe
from Medical_KG_rev.endpoints.liveness import PROBE_SECONDS, Liveness
from Medical_KG_rev.errors import RemoteTimeoutError, RemoteUnavailableError, RequestRejectedError, UnexpectedContentError
from Medical_KG_rev.models import Caller, SparseMatrix, SparseVector
from Medical_KG_rev.settings import SparseSettings
from Medical_KG_rev.text.sparse import HEAVIEST, matrix_of, prune

__all__ = ["TeiBackend"]

_PROBE_TEXTS = ("Metformin lowers blood glucose.", "The femur is the longest bone.")


class _Weight(msgspec.Struct):
    index: int
    value: float


class _Embedding(msgspec.Struct):
    pooling: str = ""


class _ModelType(msgspec.Struct):
    embedding: _Embedding | None = None


class _Info(msgspec.Struct):
    model_id: str
    model_type: _ModelType
    max_client_batch_size: int


_answer = msgspec.json.Decoder(list[list[_Weight]])


class TeiBackend:
    """A remote model. Nothing is asked of the endpoint before the first text; then it is probed, and again after a pause."""

    max_tokens = 510
    truncated = 0

    def __init__(
        self,
        settings: SparseSettings,
        caller: Caller | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        gpu: GpuProbe | None = None,
    ) -> None:
        self._settings = settings
        self._caller = caller
        self._base = str(settings.base_url).rstrip("/")
        self._special = np.array(settings.special_terms, np.int32)
        self.name = settings.api_model
        self.fingerprint = _fingerprint(settings)
        key = settings.api_key.get_secret_value()
        self._client = httpx.Client(timeout=settings.timeout_seconds, headers={"Authorization": f"Bearer {key}"} if key else {})
        self._liveness = Liveness(
            self._base,
            f"{self._base}/health",
            section="SPARSE",
            require_gpu=settings.require_gpu,
            check=self._check,
            api_key=key,
            clock=clock,
            gpu=gpu,
        )
        self._request_size = settings.request_size
        self._probed_order = False

    def encode(self, texts: Sequence[str]) -> SparseMatrix:
        """See :class:`SparseBackend`.

        Raises:
            GpuNotAvailableError: no GPU behind the endpoint, or none that answers although one is required.
            GpuOutOfMemoryError: the GPU's memory is full.
            RemoteError: transient or terminal, by what happened.
            UnexpectedContentError: vectors missing, terms outside the vocabulary, weights that are no weights.
        """
        self._liveness.ensure()
        rows: list[SparseVector] = []
        for start in range(0, len(texts), self._request_size):
            rows += self._call(texts[start : start + self._request_size], self._settings.top_terms)
        self._liveness.seen()
        return matrix_of(rows, self.name, self.fingerprint)

    def encode_query(self, text: str) -> SparseVector:
        """See :class:`SparseBackend`. Raises as :meth:`encode` does."""
        self._liveness.ensure()
        (vector,) = self._call([text], self._settings.query_terms)
        self._liveness.seen()
        return vector

    def probe(self) -> None:
        """Asks whether the endpoint is alive, serves the model and answers rightly; tries nothing twice.

        Raises:
            GpuNotAvailableError: when a GPU is required and the endpoint does not answer, or its machine shows none.
            RemoteError: see :meth:`encode`.
        """
        self._liveness.probe()

    def close(self) -> None:
        self._liveness.close()
        self._client.close()

    def _check(self) -> None:
        self._check_info()
        self._check_vectors()

    def _check_info(self) -> None:
        page = self._liveness.page(f"{self._base}/info")
        try:
            info = msgspec.json.decode(page, type=_Info)
        except msgspec.MsgspecError as error:
            raise UnexpectedContentError(f"{self._base}/info does not describe a model: {error}.", endpoint=self._base) from error
        if info.model_id != self._settings.api_model:
            raise RequestRejectedError(
                f"{self._base} serves {info.model_id}, not {self._settings.api_model}.",
                remedy="Set MK_SPARSE__API_MODEL.",
                endpoint=self._base,
            )
        if info.model_type.embedding is None or info.model_type.embedding.pooling != "splade":
            raise RequestRejectedError(
                f"{self._base} serves {info.model_id} without SPLADE pooling.",
                remedy="Start the server with `--pooling splade`.",
                endpoint=self._base,
            )
        self._request_size = max(1, min(self._settings.request_size, info.max_client_batch_size))

    def _check_vectors(self) -> None:
        """Two different texts have different vectors, and the same ones when they come the other way round."""
        first, second = self._request(_PROBE_TEXTS, self._settings.top_terms, PROBE_SECONDS)
        if np.array_equal(first.terms, second.terms):
            raise UnexpectedContentError(f"{self._base} gives different texts the same terms.", endpoint=self._base)
        if not self._probed_order:
            swapped = self._request(_PROBE_TEXTS[::-1], self._settings.top_terms, PROBE_SECONDS)
            if _overlap(first, swapped[1]) <= _overlap(first, swapped[0]):
                raise UnexpectedContentError(f"{self._base} does not keep the order of texts.", endpoint=self._base)
            self._probed_order = True

    def _call(self, texts: Sequence[str], limit: int) -> list[SparseVector]:
        if self._caller is None:
            return self._request(texts, limit)
        return self._caller.call(lambda: self._request(texts, limit))

    def _request(self, texts: Sequence[str], limit: int, seconds: float | None = None) -> list[SparseVector]:
        timeout = min(seconds or self._settings.timeout_seconds, self._settings.timeout_seconds)
        asked = {"inputs": list(texts), "truncate": True}
        try:
            answer = self._client.post(f"{self._base}/embed_sparse", json=asked, timeout=timeout)
        except httpx.TimeoutException as error:
            raise RemoteTimeoutError(f"{self._base} did not answer in time.", endpoint=self._base) from error
        except httpx.HTTPError as error:
            raise RemoteUnavailableError(f"{self._base} cannot be reached: {error}.", endpoint=self._base) from error
        if answer.status_code != httpx.codes.OK:
            raise error_for_status(
                answer.status_code,
                answer.text,
                self._base,
                retry_after=answer.headers.get("retry-after"),
                section="SPARSE",
            )
        try:
            rows = _answer.decode(answer.content)
        except msgspec.MsgspecError as error:
            raise UnexpectedContentError(f"{self._base} gave no list of sparse vectors: {error}.", endpoint=self._base) from error
        if len(rows) != len(texts):
            raise UnexpectedContentError(
                f"{self._base} gave {len(rows)} sparse vectors for {len(texts)} texts.", endpoint=self._base
            )
        return [self._vector(row, limit) for row in rows]

    def _vector(self, row: Sequence[_Weight], limit: int) -> SparseVector:
        terms = np.array([weight.index for weight in row], np.int64)
        weights = np.array([weight.value for weight in row], np.float64)
        if len(terms) and (terms.min() < 0 or terms.max() >= self._settings.vocabulary):
            raise UnexpectedContentError(
                f"{self._base} gave the term {int(terms.max())}; the vocabulary is set to have {self._settings.vocabulary}.",
                remedy="Set MK_SPARSE__VOCABULARY to that of the model.",
                endpoint=self._base,
            )
        if len(np.unique(terms)) != len(terms) or not (np.abs(weights) <= HEAVIEST).all():
            raise UnexpectedContentError(f"{self._base} gave a term twice, or a weight that is not finite.", endpoint=self._base)
        return prune(terms.astype(np.int32), weights.astype(np.float32), limit, self._special)


def _overlap(one: SparseVector, other: SparseVector) -> float:
    """The share of terms that two vectors have in common."""
    shared = len(np.intersect1d(one.terms, other.terms))
    return shared / max(1, len(one.terms) + len(other.terms) - shared)


def _fingerprint(settings: SparseSettings) -> str:
    special = ",".join(map(str, settings.special_terms))
    made_of = f"{settings.api_model};{settings.vocabulary};{special}"
    return f"tei-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}-top{settings.top_terms}"
