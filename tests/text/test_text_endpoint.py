"""The remote model: every wrong answer is found, every failure has its error, nothing is retried behind the caller's back."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest

from Medical_KG_rev.endpoints.gpu import EndpointGpuProbe, GpuSample
from Medical_KG_rev.errors import (
    GpuNotAvailableError,
    GpuOutOfMemoryError,
    IndexMismatchError,
    MedicalKGError,
    RateLimitedError,
    RemoteTimeoutError,
    RemoteUnavailableError,
    RequestRejectedError,
    UnexpectedContentError,
    is_transient,
)
from Medical_KG_rev.models import StageContext
from Medical_KG_rev.settings import EmbeddingSettings
from Medical_KG_rev.text import EmbeddingSample, HaystackChunker, HaystackEmbedder, open_backend
from Medical_KG_rev.text.endpoint import HttpBackend
from Medical_KG_rev.text.models import ModelStore

pytestmark = pytest.mark.unit

Make = Callable[..., HttpBackend]


class Devices:
    """A machine with this many GPUs."""

    def __init__(self, count: int | None) -> None:
        self._count = count

    def sample(self) -> GpuSample:
        return GpuSample("test", devices=self._count)


class CountingCaller:
    """Makes each request once more when it fails transiently."""

    def __init__(self) -> None:
        self.calls = 0

    def call(self, request: Callable[[], Any]) -> Any:
        self.calls += 1
        try:
            return request()
        except MedicalKGError as error:
            if not is_transient(error):
                raise
            return request()


@pytest.fixture
def make(embedding_api: Any) -> Make:
    embedding_api.dimension = 512

    def build(caller: CountingCaller | None = None, **changes: Any) -> HttpBackend:
        parts = {name: changes.pop(name) for name in ("clock", "gpu", "make_embedder") if name in changes}
        return HttpBackend(EmbeddingSettings(model="http", dimension=512, **changes), caller, **parts)

    return build


def _posts(api: Any) -> list[list[str]]:
    return [json.loads(request.content)["input"] for request in api.requests if request.method == "POST"]


def test_o13_thirty_two_chunks_make_one_post_and_a_gpu_metric(make: Make, embedding_api: Any) -> None:
    embedding_api.metrics = lambda: 'vllm:kv_cache_usage_perc{engine="0"} 0.25\nDCGM_FI_DEV_FB_USED{gpu="0"} 2048\n'
    seen: list[EmbeddingSample] = []
    embedder = HaystackEmbedder(make(), gpu=EndpointGpuProbe("http://localhost:8000/metrics"), record=seen.append)
    texts = [f"chunk {number}" for number in range(32)]

    answered = embedder.run(documents=_documents(texts))["documents"]

    assert [posted for posted in _posts(embedding_api) if len(posted) > 2] == [texts]
    assert {len(document.embedding or []) for document in answered} == {512}
    np.testing.assert_allclose(answered[7].embedding, embedding_api.vector("chunk 7"), atol=1e-6)
    (sample,) = seen
    assert sample.texts == 32
    assert sample.seconds > 0
    assert sample.gpu == GpuSample("http://localhost:8000/metrics", devices=1, memory_used_bytes=2048 << 20, cache_usage=0.25)


def test_r3_sixty_four_chunks_make_two_posts(make: Make, embedding_api: Any) -> None:
    make().encode([f"chunk {number}" for number in range(64)])
    assert [len(posted) for posted in _posts(embedding_api) if len(posted) > 2] == [32, 32]


def test_the_endpoint_is_probed_before_the_first_text_and_again_after_a_pause(make: Make, embedding_api: Any) -> None:
    now = [0.0]
    backend = make(clock=lambda: now[0])
    assert embedding_api.requests == []
    backend.encode(["one"])
    assert embedding_api.paths == ["/health", "/v1/models", *["/v1/embeddings"] * 3]
    now[0] = 29.0
    backend.encode(["two"])
    now[0] = 58.0
    backend.encode(["three"])
    assert len(embedding_api.requests) == 7
    now[0] = 89.0
    backend.encode(["four"])
    assert embedding_api.paths[7:] == ["/health", "/v1/models", *["/v1/embeddings"] * 2]


def test_r4_a_missing_gpu_is_terminal_and_asked_for_once(make: Make, embedding_api: Any) -> None:
    embedding_api.fail(httpx.Response(503, text="CUDA device not available"))
    caller = CountingCaller()
    with pytest.raises(GpuNotAvailableError, match="CUDA device not available") as caught:
        make(caller).encode(["a text"])
    assert not is_transient(caught.value)
    assert caught.value.code == "gpu_unavailable"
    assert len(embedding_api.requests) == 1


def test_a_gpu_lost_later_is_terminal_too(make: Make, embedding_api: Any) -> None:
    caller = CountingCaller()
    backend = make(caller)
    backend.encode(["a text"])
    embedding_api.fail(httpx.Response(503, text="CUDA device not available"))
    with pytest.raises(GpuNotAvailableError):
        backend.encode(["a text"])
    assert caller.calls == 2
    assert len(_posts(embedding_api)) == 4


def test_a_required_gpu_makes_a_dead_endpoint_a_missing_gpu(make: Make, embedding_api: Any) -> None:
    embedding_api.fail(httpx.ConnectError("refused"))
    with pytest.raises(GpuNotAvailableError, match="A GPU is required"):
        make(require_gpu=True, gpu=Devices(1)).encode(["a text"])


@pytest.mark.parametrize("devices", [0, None])
def test_a_required_gpu_is_looked_for_on_this_machine(make: Make, embedding_api: Any, devices: int | None) -> None:
    with pytest.raises(GpuNotAvailableError, match="shows none"):
        make(require_gpu=True, gpu=Devices(devices)).encode(["a text"])
    assert embedding_api.requests == []


def test_without_the_requirement_a_dead_endpoint_is_transient(make: Make, embedding_api: Any) -> None:
    embedding_api.fail(httpx.ConnectError("refused"))
    with pytest.raises(RemoteUnavailableError, match="cannot be reached"):
        make().encode(["a text"])


FAILURES: list[tuple[Callable[[SimpleNamespace], Any], type[MedicalKGError], str]] = [
    (lambda errors: errors.vllm_engine_dead(), RemoteUnavailableError, "500"),
    (lambda errors: errors.vllm(400, "too long"), RequestRejectedError, "too long"),
    (lambda errors: errors.vllm_old(401, "no key"), RequestRejectedError, "no key"),
    (lambda errors: errors.rate_limited("7"), RateLimitedError, "rate"),
    (lambda errors: errors.html_page(), UnexpectedContentError, "no list of embeddings"),
    (lambda errors: errors.truncated_json(), UnexpectedContentError, "no list of embeddings"),
    (lambda errors: httpx.Response(500, text="torch: CUDA out of memory. Tried"), GpuOutOfMemoryError, "memory"),
    (lambda errors: httpx.ReadTimeout("slow"), RemoteTimeoutError, "in time"),
    (lambda errors: httpx.ConnectError("refused"), RemoteUnavailableError, "reached"),
]


@pytest.mark.parametrize(("answer", "kind", "says"), FAILURES)
def test_each_failure_has_its_error(
    make: Make,
    embedding_api: Any,
    api_errors: SimpleNamespace,
    answer: Callable[[SimpleNamespace], Any],
    kind: type[MedicalKGError],
    says: str,
) -> None:
    backend = make()
    backend.encode(["a text"])
    before = len(embedding_api.requests)
    embedding_api.fail(answer(api_errors))
    with pytest.raises(kind, match=says) as caught:
        backend.encode(["a text"])
    assert type(caught.value) is kind
    assert len(embedding_api.requests) == before + 1
    if kind is RateLimitedError:
        assert caught.value.retry_after_seconds == 7


def test_the_caller_alone_retries(make: Make, embedding_api: Any, api_errors: SimpleNamespace) -> None:
    caller = CountingCaller()
    backend = make(caller)
    backend.encode(["a text"])
    embedding_api.fail(api_errors.unavailable())
    np.testing.assert_allclose(backend.encode(["another"])[0], embedding_api.vector("another"), atol=1e-6)
    assert caller.calls == 2


def _swap(data: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return data[::-1]


def _swap_and_renumber(data: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**item, "index": place} for place, item in enumerate(sorted(data, key=lambda item: item["embedding"]))]


def _shorten(data: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return data[:-1]


def _blank(data: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**item, "embedding": []} for item in data]


def _scale(data: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**item, "embedding": [2 * value for value in item["embedding"]]} for item in data]


def _same(data: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**item, "embedding": data[0]["embedding"]} for item in data]


@pytest.mark.parametrize(
    ("alter", "says"),
    [
        (_swap, "out of order"),
        (_swap_and_renumber, "order"),
        (_shorten, "wrong answer"),
        (_blank, "left out"),
        (_scale, "unit length"),
        (_same, "same vector"),
    ],
)
def test_the_probe_refuses_wrong_vectors(
    make: Make, embedding_api: Any, alter: Callable[[list[dict[str, Any]]], list[dict[str, Any]]], says: str
) -> None:
    embedding_api.alter = alter
    with pytest.raises(UnexpectedContentError, match=says):
        make().encode(["a text"])


def test_vectors_out_of_order_are_refused_at_any_time(make: Make, embedding_api: Any) -> None:
    backend = make()
    backend.encode(["a text"])
    embedding_api.alter = _swap
    with pytest.raises(UnexpectedContentError, match="out of order"):
        backend.encode(["one", "two", "three"])


def test_nan_is_refused(make: Make, embedding_api: Any) -> None:
    embedding_api.vector = lambda text: [float("nan")] * 512
    with pytest.raises(UnexpectedContentError, match=r"not finite|no list"):
        make().encode(["a text"])


def test_another_dimension_is_an_index_mismatch(make: Make, embedding_api: Any) -> None:
    embedding_api.dimension = 1024
    with pytest.raises(IndexMismatchError, match="MK_EMBEDDING__DIMENSION") as caught:
        make().encode(["a text"])
    assert (caught.value.expected, caught.value.found) == (512, [1024])


def test_an_endpoint_that_serves_another_model_is_refused(make: Make, embedding_api: Any) -> None:
    embedding_api.model = "other/model"
    with pytest.raises(RequestRejectedError, match="it serves other/model"):
        make().encode(["a text"])


def test_equal_texts_each_get_their_vector(make: Make, embedding_api: Any) -> None:
    vectors = make().encode(["same", "other", "same"])
    assert vectors.shape == (3, 512)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors[0], vectors[2])
    assert ["same", "other", "same"] in _posts(embedding_api)


def test_a_query_carries_the_prefix(make: Make, embedding_api: Any) -> None:
    vector = make(query_prefix="Instruct: find\nQuery:").encode_query("statins")
    assert vector.shape == (512,)
    assert _posts(embedding_api)[-1] == ["Instruct: find\nQuery:statins"]


def test_nothing_to_embed_gives_no_rows(make: Make) -> None:
    assert make().encode([]).shape == (0, 512)


def test_tokens_are_counted_on_the_high_side_and_add_up(make: Make) -> None:
    backend = make()
    one, other, both = backend.count_tokens(["immunoglobulin G", "in serum", "immunoglobulin G in serum"])
    assert one + other == both
    assert both >= 4


def test_open_backend_hands_the_caller_on(embedding_api: Any, tmp_path: Any) -> None:
    caller = CountingCaller()
    backend = open_backend(EmbeddingSettings(model="http"), ModelStore(tmp_path), caller)
    backend.encode(["a text"])
    assert caller.calls == 1
    backend.close()


def test_the_wrapped_component_can_be_replaced(make: Make, embedding_api: Any, trial: Any, make_chunker: Any) -> None:
    class Component:
        def __init__(self, settings: EmbeddingSettings, timeout_seconds: float) -> None:
            self.batches: list[list[str]] = []

        def run(self, documents: list[Any]) -> dict[str, Any]:
            self.batches.append([document.content for document in documents])
            vectors = [embedding_api.vector(document.content) for document in documents]
            return {"documents": [SimpleNamespace(embedding=vector) for vector in vectors]}

        def close(self) -> None:
            self.batches.clear()

    made: list[Component] = []

    def make_embedder(settings: EmbeddingSettings, timeout_seconds: float) -> Component:
        made.append(Component(settings, timeout_seconds))
        return made[-1]

    chunker: HaystackChunker = make_chunker(max_tokens=32, target_tokens=18, min_tokens=1)
    chunks = chunker.execute(StageContext("lab"), trial)
    batch = HaystackEmbedder(make(make_embedder=make_embedder)).execute(StageContext("lab"), chunks)
    assert batch.dense.shape == (len(chunks), 512)
    assert made[0].batches == [[chunk.text for chunk in chunks]]
    assert _posts(embedding_api) == []


def _documents(texts: list[str]) -> list[Any]:
    from haystack import Document

    return [Document(id=f"local:x:chunk:{number}", content=text) for number, text in enumerate(texts)]
