"""Learned sparse vectors over HTTP: what is kept of them, every wrong answer found, every failure with its error."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest

from Medical_KG_rev.endpoints.gpu import EndpointGpuProbe, GpuSample
from Medical_KG_rev.errors import (
    CircuitOpenError,
    GpuNotAvailableError,
    GpuOutOfMemoryError,
    MedicalKGError,
    RateLimitedError,
    RemoteTimeoutError,
    RemoteUnavailableError,
    RequestRejectedError,
    RetriesExhaustedError,
    UnexpectedContentError,
    is_transient,
)
from Medical_KG_rev.index.impacts import ImpactSegment, impact_bytes
from Medical_KG_rev.models import Chunk, SparseVector
from Medical_KG_rev.orchestration.resilience import ResilientCaller
from Medical_KG_rev.orchestration.resilience.state import InProcessState
from Medical_KG_rev.orchestration.topology import ResiliencePolicyLoader
from Medical_KG_rev.settings import EmbeddingSettings, Settings, SparseSettings
from Medical_KG_rev.text import ExpansionSample, HaystackSparseExpander, ModelStore, open_sparse_backend
from Medical_KG_rev.text.sparse_endpoint import TeiBackend

pytestmark = pytest.mark.unit

Make = Callable[..., TeiBackend]
Rows = list[list[dict[str, Any]]]

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "orchestration"


class Devices:
    """A machine with this many GPUs."""

    def __init__(self, count: int | None) -> None:
        self._count = count

    def sample(self) -> GpuSample:
        return GpuSample("test", devices=self._count)


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def make(sparse_api: Any) -> Make:
    def build(caller: Any = None, **changes: Any) -> TeiBackend:
        parts = {name: changes.pop(name) for name in ("clock", "gpu") if name in changes}
        return TeiBackend(SparseSettings(model="http", **changes), caller, **parts)

    return build


def chunk(number: int, text: str) -> Chunk:
    return Chunk(
        chunk_id=f"local:{number}:chunk:0",
        doc_id=f"local:{number}",
        tenant_id="lab",
        source="local",
        title="Title",
        text=text,
        start=0,
        end=len(text),
    )


def posts(api: Any) -> list[list[str]]:
    return [json.loads(request.content)["inputs"] for request in api.requests if request.method == "POST"]


def test_r5_thirty_two_chunks_have_their_heaviest_terms_are_indexable_and_give_a_gpu_memory_metric(
    make: Make, sparse_api: Any, tmp_path: Path
) -> None:
    """The scenario's 400 terms are the most that are kept; a text of so many words has about 200."""
    sparse_api.metrics = lambda: 'DCGM_FI_DEV_FB_USED{gpu="0"} 2048\n'
    seen: list[ExpansionSample] = []
    backend = make()
    expander = HaystackSparseExpander(backend, gpu=EndpointGpuProbe("http://localhost:8080/metrics"), record=seen.append)
    words = [[f"word{number}-{place}" for place in range(17)] for number in range(31)]
    long = [f"long{place}" for place in range(90)]
    chunks = [chunk(number, " ".join(text)) for number, text in enumerate([*words, long])]

    matrix = expander.expand(chunks)

    assert [posted for posted in posts(sparse_api) if len(posted) > 2] == [[piece.text for piece in chunks]]
    lengths = np.diff(matrix.indptr)
    assert lengths[:31].mean() == pytest.approx(200, abs=10)
    assert lengths[31] == SparseSettings().top_terms == 400
    path = tmp_path / "segment"
    path.write_bytes(impact_bytes(np.arange(32), matrix))
    [(best, _)] = ImpactSegment(path).search(expander.expand_query(chunks[7].text), 1)
    assert best == 7
    (sample,) = seen
    assert (sample.texts, sample.terms, sample.seconds > 0) == (32, len(matrix.terms), True)
    assert sample.gpu == GpuSample("http://localhost:8080/metrics", devices=1, memory_used_bytes=2048 << 20)
    assert expander.gpu_sample == sample.gpu


def test_r6_five_failures_for_lack_of_memory_open_the_breaker_for_a_minute_and_one_probe_closes_it(
    make: Make, sparse_api: Any
) -> None:
    clock = Clock()
    caller = ResilientCaller(
        ResiliencePolicyLoader(SHIPPED).load("gpu-bound"),
        name="gpu-bound",
        sleep=clock.sleep,
        random=lambda: 0.0,
        state=InProcessState(clock=clock, sleep=clock.sleep),
    )
    backend = make(caller, clock=clock)
    backend.encode(["a text"])
    sparse_api.fail(*[httpx.Response(424, json={"error": "Backend error: CUDA error: out of memory"})] * 5)
    before = len(posts(sparse_api))
    for _ in range(2):
        with pytest.raises(RetriesExhaustedError, match="out of memory") as exhausted:
            backend.encode(["a text"])
        assert isinstance(exhausted.value.__cause__, GpuOutOfMemoryError)
    with pytest.raises(CircuitOpenError):
        backend.encode(["a text"])
    assert len(posts(sparse_api)) - before == 5

    clock.now += 59
    with pytest.raises(CircuitOpenError):
        backend.encode(["a text"])
    clock.now += 2
    assert len(backend.encode(["a text"])) == 1
    assert len(backend.encode(["a text"])) == 1


def test_what_is_kept_are_the_heaviest_words_ascending_as_16_bit_floats(make: Make, sparse_api: Any) -> None:
    weights = {101: 9.0, 5: 0.5, 2000: 1.0 + 2**-12, 7: 0.5, 6: 0.5, 3: 1e-9, 4: 0.0}
    backend = make(top_terms=3, query_terms=2)
    backend.encode(["a text"])
    sparse_api.alter = lambda rows: [[{"index": term, "value": value} for term, value in weights.items()] for _ in rows]
    row = backend.encode(["a text"]).row(0)
    assert (row.terms.tolist(), row.weights.tolist()) == ([5, 6, 2000], [0.5, 0.5, 1.0])
    query = backend.encode_query("a text")
    assert (query.terms.tolist(), query.weights.dtype) == ([5, 2000], np.float32)


def test_rows_come_in_order_whatever_the_size_of_requests(make: Make, sparse_api: Any) -> None:
    texts = [f"text {number} of many" for number in range(70)]
    sparse_api.max_client_batch_size = 20
    matrix = make(request_size=64).encode(texts)
    assert [len(posted) for posted in posts(sparse_api)[2:]] == [20, 20, 20, 10]
    for number in (0, 19, 20, 69):
        expected = {term: value for term, value in sparse_api.weights(texts[number]).items() if term != 101}
        row = matrix.row(number)
        assert dict(zip(row.terms.tolist(), row.weights.tolist(), strict=True)) == expected
    assert all(json.loads(r.content)["truncate"] for r in sparse_api.requests if r.method == "POST")


def test_nothing_to_expand_gives_no_rows_and_an_empty_answer_an_empty_row(make: Make, sparse_api: Any) -> None:
    backend = make()
    assert len(backend.encode([])) == 0
    sparse_api.alter = lambda rows: [[] for _ in rows]
    assert len(backend.encode(["\x00"]).row(0).terms) == 0


def test_the_endpoint_is_probed_before_the_first_text_and_again_after_a_pause(make: Make, sparse_api: Any) -> None:
    clock = Clock()
    backend = make(clock=clock)
    assert sparse_api.requests == []
    backend.encode(["one"])
    assert sparse_api.paths == ["/health", "/info", *["/embed_sparse"] * 3]
    clock.now = 29
    backend.encode_query("two")
    clock.now = 60
    backend.encode(["three"])
    assert sparse_api.paths[6:] == ["/health", "/info", *["/embed_sparse"] * 2]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.ConnectError("refused"), GpuNotAvailableError),
        (httpx.ConnectTimeout("silence"), GpuNotAvailableError),
        (httpx.Response(503, json={"error": "unhealthy", "error_type": "Unhealthy"}), GpuNotAvailableError),
        (httpx.Response(424, text="Backend error: no CUDA-capable device is detected"), GpuNotAvailableError),
        (httpx.Response(429, json={"error": "Model is overloaded", "error_type": "Overloaded"}), RateLimitedError),
    ],
)
def test_a_required_gpu_that_does_not_answer_is_a_missing_gpu(
    make: Make, sparse_api: Any, answer: Any, kind: type[MedicalKGError]
) -> None:
    sparse_api.fail(answer)
    with pytest.raises(kind) as caught:
        make(require_gpu=True, gpu=Devices(1)).encode(["a text"])
    assert len(sparse_api.requests) == 1
    assert is_transient(caught.value) is (kind is RateLimitedError)


def test_a_required_gpu_is_looked_for_on_this_machine(make: Make, sparse_api: Any) -> None:
    with pytest.raises(GpuNotAvailableError, match="shows none") as caught:
        make(require_gpu=True, gpu=Devices(0)).encode(["a text"])
    assert "MK_SPARSE__REQUIRE_GPU" in caught.value.remedy
    assert sparse_api.requests == []


def test_a_missing_gpu_is_terminal_and_asked_for_once(make: Make, sparse_api: Any) -> None:
    sparse_api.fail(httpx.Response(503, text="CUDA device not available"))
    with pytest.raises(GpuNotAvailableError, match="CUDA device not available") as caught:
        make().encode(["a text"])
    assert not is_transient(caught.value)
    assert len(sparse_api.requests) == 1


FAILURES: list[tuple[Callable[[SimpleNamespace], Any], type[MedicalKGError], str]] = [
    (lambda errors: errors.tei(413, "batch size 64 > maximum allowed batch size 32", "Validation"), RequestRejectedError, "413"),
    (lambda errors: errors.tei(422, "Tokenizer error: bad input", "Tokenizer"), RequestRejectedError, "Tokenizer"),
    (
        lambda errors: errors.tei(424, "Backend error: Model is not an embedding model with SPLADE pooling"),
        RequestRejectedError,
        "SPLADE pooling",
    ),
    (lambda errors: errors.tei(424, "Backend error: CUDA out of memory"), GpuOutOfMemoryError, "memory"),
    (lambda errors: errors.tei(424, "Backend error: CUDA driver version is insufficient"), GpuNotAvailableError, "no GPU"),
    (lambda errors: errors.tei(429, "Model is overloaded", "Overloaded"), RateLimitedError, "rate"),
    (lambda errors: errors.tei(503, "unhealthy", "Unhealthy"), RemoteUnavailableError, "503"),
    (lambda errors: errors.html_page(), UnexpectedContentError, "no list of sparse vectors"),
    (lambda errors: errors.truncated_json(), UnexpectedContentError, "no list of sparse vectors"),
    (lambda errors: errors.lost_connection(), RemoteUnavailableError, "reached"),
    (lambda errors: httpx.ReadTimeout("slow"), RemoteTimeoutError, "in time"),
    (lambda errors: httpx.ConnectError("refused"), RemoteUnavailableError, "reached"),
]


@pytest.mark.parametrize(("answer", "kind", "says"), FAILURES)
def test_each_failure_has_its_error(
    make: Make,
    sparse_api: Any,
    api_errors: SimpleNamespace,
    answer: Callable[[SimpleNamespace], Any],
    kind: type[MedicalKGError],
    says: str,
) -> None:
    backend = make()
    backend.encode(["a text"])
    before = len(sparse_api.requests)
    sparse_api.fail(answer(api_errors))
    with pytest.raises(kind, match=says) as caught:
        backend.encode(["a text"])
    assert type(caught.value) is kind
    assert len(sparse_api.requests) == before + 1
    if kind is GpuOutOfMemoryError:
        assert caught.value.remedy == "Lower MK_SPARSE__REQUEST_SIZE."


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model": "BAAI/bge-small-en-v1.5"}, "serves BAAI/bge-small-en-v1.5, not prithivida"),
        ({"pooling": "cls"}, "without SPLADE pooling"),
    ],
)
def test_a_server_of_another_model_or_pooling_is_refused(make: Make, sparse_api: Any, change: dict[str, str], says: str) -> None:
    vars(sparse_api).update(change)
    with pytest.raises(RequestRejectedError, match=says):
        make().encode(["a text"])
    assert posts(sparse_api) == []


def _row(*weights: tuple[int, float]) -> Callable[[Rows], Rows]:
    return lambda rows: [[{"index": term, "value": value} for term, value in weights] for _ in rows]


@pytest.mark.parametrize(
    ("alter", "says"),
    [
        (lambda rows: rows[:-1], "0 sparse vectors for 1 texts"),
        (_row((30_522, 1.0)), "the term 30522"),
        (_row((-1, 1.0)), "vocabulary"),
        (_row((7, 1.0), (7, 2.0)), "twice"),
        (_row((7, 70_000.0)), "not finite"),
        (lambda rows: [[{"term": "aspirin", "value": 1.0}] for _ in rows], "no list of sparse vectors"),
    ],
)
def test_wrong_answers_are_refused(make: Make, sparse_api: Any, alter: Callable[[Rows], Rows], says: str) -> None:
    backend = make()
    backend.encode(["a text"])
    sparse_api.alter = alter
    with pytest.raises(UnexpectedContentError, match=says):
        backend.encode(["a text"])


@pytest.mark.parametrize(
    ("alter", "says"),
    [(lambda rows: rows[:1] * len(rows), "same terms"), (lambda rows: sorted(rows, key=str), "order of texts")],
)
def test_the_probe_refuses_vectors_that_belong_to_other_texts(
    make: Make, sparse_api: Any, alter: Callable[[Rows], Rows], says: str
) -> None:
    sparse_api.alter = alter
    with pytest.raises(UnexpectedContentError, match=says):
        make().encode(["a text"])


def test_the_fingerprint_covers_model_vocabulary_and_pruning_but_not_queries(make: Make, sparse_api: Any) -> None:
    changes = {"api_model": "other", "vocabulary": 50_000, "special_terms": (0,), "top_terms": 256}
    changed = {make(**{name: value}).fingerprint for name, value in changes.items()}
    assert len(changed - {make().fingerprint}) == len(changes)
    assert make(query_terms=10, request_size=8).fingerprint == make().fingerprint


def test_the_model_of_sparse_vectors_follows_the_dense_one_unless_named(tmp_path: Path) -> None:
    assert Settings().sparse_model == "splade-tiny"
    assert Settings(embedding=EmbeddingSettings(model="static")).sparse_model == "none"
    named = Settings(embedding=EmbeddingSettings(model="static"), sparse=SparseSettings(model="http"))
    assert named.sparse_model == "http"
    backend = open_sparse_backend(named, ModelStore(tmp_path))
    assert isinstance(backend, TeiBackend)
    assert open_sparse_backend(Settings(sparse=SparseSettings(model="none")), ModelStore(tmp_path)) is None
    backend.close()


def test_a_key_is_sent_with_every_request(make: Make, sparse_api: Any) -> None:
    vector: SparseVector = make(api_key="secret").encode_query("a text")
    assert len(vector.terms) > 0
    assert {request.headers.get("authorization") for request in sparse_api.requests} == {"Bearer secret"}
