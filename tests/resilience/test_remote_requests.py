"""From the stage down to the wire: how many requests a source really gets (ruling 24)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import respx

from Medical_KG_rev.adapters import AdapterManager, PluginIngestStage
from Medical_KG_rev.errors import MedicalKGError, RetriesExhaustedError
from Medical_KG_rev.models import AdapterRequest, Caller, StageContext
from Medical_KG_rev.orchestration.resilience import PolicyRunner, ResilientCaller
from Medical_KG_rev.orchestration.topology import ResiliencePolicyLoader
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
