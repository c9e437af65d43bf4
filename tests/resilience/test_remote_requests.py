"""From the stage down to the wire: how many requests a source really gets (ruling 24)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import respx

from Medical_KG_rev.adapters import AdapterManager, PluginIngestStage
from Medical_KG_rev.errors import CircuitOpenError, MedicalKGError, RemoteUnavailableError, RetriesExhaustedError
from Medical_KG_rev.models import AdapterRequest, Caller, StageContext
from Medical_KG_rev.orchestration.resilience import InProcessState, PolicyRunner, ResilientCaller, reason_of
from Medical_KG_rev.orchestration.topology import ResiliencePolicyConfig, ResiliencePolicyLoader
from Medical_KG_rev.settings import Settings

pytestmark = pytest.mark.component

POLICIES = ResiliencePolicyLoader(Path(__file__).parents[2] / "config" / "orchestration")
REQUEST = AdapterRequest(source="openalex", ids=("W2741809807",))


@pytest.fixture
def sleeps() -> list[float]:
    return []


@pytest.fixture
def ingest(make_settings: Callable[..., Settings], sleeps: list[float]) -> Iterator[Callable[[], object]]:
    """One call of the ingest stage under its shipped policy, its requests under the source's; nothing really waits."""

    def caller_for(policy: str) -> Caller:
        return ResilientCaller(POLICIES.load(policy), name=policy, sleep=sleeps.append, random=lambda: 0.0, clock=lambda: 0.0)

    manager = AdapterManager(make_settings(), caller_for)
    stage = PluginIngestStage(manager)
    runner = PolicyRunner(POLICIES.load("remote-slice"), "ingest", sleep=sleeps.append)
    yield lambda: runner.call(lambda: stage.execute(StageContext("default"), REQUEST))
    manager.close()


@respx.mock
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (httpx.Response(503, text="down"), "remote_unavailable"),
        (httpx.Response(429, headers={"Retry-After": "3"}, text="slow down"), "rate_limited"),
        (httpx.ConnectError("refused"), "remote_unavailable"),
        (httpx.ReadTimeout("slow"), "remote_timeout"),
    ],
    ids=["503", "429", "refused", "timeout"],
)
def test_a_request_that_keeps_failing_is_made_eleven_times_and_no_more(
    ingest: Callable[[], object], answer: httpx.Response | Exception, code: str
) -> None:
    route = respx.route(host="api.openalex.org")
    if isinstance(answer, Exception):
        route.mock(side_effect=answer)
    else:
        route.mock(return_value=answer)
    with pytest.raises(RetriesExhaustedError) as caught:
        ingest()
    assert route.call_count == POLICIES.load("polite-api").max_attempts == 11
    assert (caught.value.last_code, caught.value.attempts) == (code, 11)


@respx.mock
def test_a_refused_request_is_made_once(ingest: Callable[[], object]) -> None:
    route = respx.route(host="api.openalex.org").mock(return_value=httpx.Response(403, text="no"))
    with pytest.raises(MedicalKGError):
        ingest()
    assert route.call_count == 1


@respx.mock
def test_waits_grow_linearly_or_as_the_source_asks(ingest: Callable[[], object], sleeps: list[float]) -> None:
    respx.route(host="api.openalex.org").mock(
        side_effect=[
            httpx.Response(503),
            httpx.Response(503),
            httpx.Response(429, headers={"Retry-After": "7"}),
            httpx.Response(403, text="no"),
        ]
    )
    with pytest.raises(MedicalKGError):
        ingest()
    assert [wait for wait in sleeps if wait >= 1] == [1.0, 2.0, 7.0]


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sleeps: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now


def get() -> str:
    """One request to a remote API, its failures named as adapters name them."""
    response = httpx.get("https://api.example.org/studies")
    if response.status_code >= 500:
        raise RemoteUnavailableError("down", status=response.status_code)
    return response.text


@respx.mock
def test_i2_polite_api_and_429_retry_at_about_1_s_telling_each_and_fail_at_the_end(
    make_settings: Callable[..., Settings],
) -> None:
    time, told = Time(), []
    policy = POLICIES.load("polite-api")

    def caller_for(name: str) -> Caller:
        return ResilientCaller(
            POLICIES.load(name),
            name=name,
            sleep=time.sleep,
            clock=time.clock,
            on_retry=lambda attempt, wait, error: told.append((attempt, wait, reason_of(error))),
        )

    route = respx.route(host="api.openalex.org").mock(return_value=httpx.Response(429, text="slow down"))
    manager = AdapterManager(make_settings(), caller_for)
    with pytest.raises(RetriesExhaustedError) as caught:
        PluginIngestStage(manager).execute(StageContext("default"), REQUEST)
    manager.close()

    assert route.call_count == policy.max_attempts == 11
    assert told == [(attempt, float(attempt), "rate_limited") for attempt in range(1, 11)]
    assert caught.value.last_code == "rate_limited"


@respx.mock
@pytest.mark.parametrize("name", POLICIES.names())
def test_a_request_under_any_shipped_policy_is_made_as_often_as_it_says_and_no_more(name: str) -> None:
    time, policy = Time(), POLICIES.load(name)
    route = respx.get("https://api.example.org/studies").respond(503)
    with pytest.raises(RetriesExhaustedError):
        ResilientCaller(policy, name=name, sleep=time.sleep, clock=time.clock).call(get)
    assert route.call_count == policy.max_attempts


@respx.mock
def test_o7_a_503_is_tried_again_at_1_2_4_s_with_jitter() -> None:
    time = Time()
    respx.get("https://api.example.org/studies").mock(
        side_effect=[httpx.Response(503), httpx.Response(502), httpx.Response(500), httpx.Response(200, text="studies")]
    )
    runner = PolicyRunner(POLICIES.load("default"), "parse", sleep=time.sleep, random=lambda: 0.5)
    assert runner.call(get) == "studies"
    assert time.sleeps == [1.5, 2.5, 4.5]
    assert runner.retries == 3


@respx.mock
def test_o9_breaker_opens_after_five_failed_requests_and_a_probe_after_60_s_closes_it() -> None:
    time, states = Time(), []
    config = ResiliencePolicyConfig.model_validate(
        {
            "max_attempts": 11,
            "backoff_strategy": "none",
            "timeout_seconds": 10.0,
            "circuit_breaker": {"failure_threshold": 5, "reset_seconds": 60.0},
        }
    )
    state = InProcessState(clock=time.clock, sleep=time.sleep, on_state=lambda name, word: states.append(word))
    remote = ResilientCaller(config, name="ingest", state=state, sleep=time.sleep)
    route = respx.get("https://api.example.org/studies").respond(503)

    for _ in range(3):
        with pytest.raises(CircuitOpenError, match="breaker of policy 'ingest' is open after 5 failures"):
            remote.call(get)
    assert route.call_count == 5

    route.respond(200, text="studies")
    time.now = 59.9
    with pytest.raises(CircuitOpenError):
        remote.call(get)
    time.now = 60
    assert [remote.call(get), remote.call(get)] == ["studies", "studies"]
    assert route.call_count == 7
    assert states == ["open", "half_open", "closed"]


@respx.mock
def test_a_rate_limit_delays_requests() -> None:
    time, starts, waits = Time(), [], []
    remote = ResilientCaller(POLICIES.load("polite-api"), name="x", sleep=time.sleep, clock=time.clock, on_wait=waits.append)

    def answer(request: httpx.Request) -> httpx.Response:
        starts.append(time.now)
        return httpx.Response(200, text="studies")

    respx.get("https://api.example.org/studies").mock(side_effect=answer)
    for _ in range(11):
        remote.call(get)
    assert starts == [pytest.approx(0.2 * number) for number in range(11)]
    assert sum(waits) == pytest.approx(2.0)
