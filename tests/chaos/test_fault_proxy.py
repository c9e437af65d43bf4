"""Every HTTP dependency answers late, not at all, half or with garbage in the middle of an ingest: only who must pay does.

The object store's part is in test_fault_proxy_store.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from event_story import faults
from fault_proxy import MODES, Asked, FaultProxy, Mode, serving, spoiling
from ingests_here import Ingests
from lineage_receiver import receiving
from remote_apis import ClinicalTrialsApi, EmbeddingApi, EuropePmcApi, OpenAlexApi, SparseApi
from shipped_medkg import Medkg, write_study

from Medical_KG_rev.errors import RemoteError
from Medical_KG_rev.orchestration.lineage.emitter import OpenLineageEmitter
from Medical_KG_rev.orchestration.lineage.transports import LineageTarget, open_transport
from Medical_KG_rev.settings import AdapterSettings, BatchSettings, EmbeddingSettings, RemoteSource, SparseSettings

pytestmark = [pytest.mark.chaos, pytest.mark.component]

SLOW: tuple[Mode, ...] = ("silent", "drip")
PROMPT = tuple(mode for mode in MODES if mode not in SLOW)
IMPATIENT_SECONDS, PATIENT_SECONDS = 0.5, 10.0
"""How long a client waits for an answer that is slow by intent, and for one that is not: machines may be busy."""
ATTEMPTS = 3
CODES: dict[Mode, str] = {
    "silent": "remote_timeout",
    "drip": "remote_timeout",
    "reset": "remote_unavailable",
    "half": "remote_unavailable",
    "noise": "remote_unavailable",
    "unavailable": "remote_unavailable",
}
"""What one attempt meets. A ``garbled`` answer arrived whole: asked again, the remote would say the same; it is not retried."""
DONE = ("completed", "", "")


def is_about(word: str, asked: Asked) -> bool:
    """Whether a request has the word in its address or body."""
    return word in asked.target or word.encode() in asked.body


# --- sources -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Remote:
    """A played source behind the proxy, and what ingests from it."""

    name: str
    api: Any
    proxy: FaultProxy
    ingests: dict[bool, Ingests]
    """An impatient one and a patient one."""
    new_id: Callable[[int], str]

    def records(self, first: int, count: int = 3, word: str = "invented") -> list[str]:
        """New records' ids. Each has its own, and the word, in its text."""
        made = [self.new_id(first + number) for number in range(count)]
        for source_id in made:
            self.api.add(source_id, f"A record named {source_id}, {word}")
        return made

    def doc_id(self, source_id: str) -> str:
        return f"{self.name}:{source_id}"


SOURCES: dict[str, tuple[type, Callable[[int], str]]] = {
    "clinicaltrials": (ClinicalTrialsApi, lambda number: f"NCT{number:08d}"),
    "openalex": (OpenAlexApi, lambda number: f"W{77000000 + number}"),
    "pmc-fulltext": (EuropePmcApi, lambda number: f"PMC{880000 + number}"),
}


@pytest.fixture(scope="module", params=SOURCES)
def remote(request: pytest.FixtureRequest, open_ingests: Callable[..., Ingests]) -> Iterator[Remote]:
    kind, new_id = SOURCES[request.param]
    api = kind()
    with serving(api) as url, spoiling(url, seconds=2.0) as proxy:

        def ingests(timeout_seconds: float) -> Ingests:
            source = RemoteSource(base_url=proxy.url, timeout_seconds=timeout_seconds, page_size=2)  # type: ignore[arg-type]
            return open_ingests(adapters=AdapterSettings(**{request.param.replace("-", "_"): source}))

        patience = {True: ingests(IMPATIENT_SECONDS), False: ingests(PATIENT_SECONDS)}
        yield Remote(request.param, api, proxy, patience, new_id)


@pytest.mark.parametrize("modes", [SLOW, PROMPT], ids=["slow", "prompt"])
def test_a_bad_answer_of_a_source_is_asked_for_again_and_costs_no_other_record(remote: Remote, modes: tuple[Mode, ...]) -> None:
    """Once bad is made good within the policy; bad for ever fails that record alone, by name, and its retry mends it."""
    ingest, proxy = remote.ingests[modes is SLOW], remote.proxy
    ids = {mode: remote.records(10 * MODES.index(mode), 2) for mode in modes}
    [well] = remote.records(90 + (modes is SLOW), 1)
    proxy.mend()
    for mode, (ill, lost) in ids.items():
        proxy.spoil(mode, 1, where=partial(is_about, ill))
        proxy.spoil(mode, where=partial(is_about, lost))

    found = ingest(remote.name, well, *chain.from_iterable(ids.values()))

    assert found[well] == DONE
    for mode, (ill, lost) in ids.items():
        if mode == "garbled":
            end = ("parse", "payload_malformed") if remote.name == "pmc-fulltext" else ("ingest", "unexpected_content")
            assert found[ill] == found[lost] == ("failed", *end)
            assert ingest.retries(ill) == set()
        else:
            assert (found[ill], found[lost]) == (DONE, ("failed", "ingest", "retries_exhausted")), mode
            assert ingest.retries(ill) == ingest.retries(lost) == {CODES[mode]}
            assert sum(is_about(lost, asked) for _, asked in proxy.spoiled) == ATTEMPTS
    for source_id, end in found.items():
        assert ingest.is_whole(remote.doc_id(source_id)) == (end == DONE)
    failed = [source_id for source_id, end in found.items() if end != DONE]
    assert {ingest.job(source_id)["dead_letter"]["state"] for source_id in failed} == {"open"}

    proxy.mend()
    assert ingest.retry(*failed, from_stage="ingest") == {DONE}
    assert all(ingest.is_whole(remote.doc_id(source_id)) for source_id in failed)
    assert faults(ingest.events()) == []


@pytest.mark.parametrize(("mode", "code"), [("half", "retries_exhausted"), ("garbled", "unexpected_content")])
def test_a_listing_that_breaks_off_is_gone_on_with_where_it_was(remote: Remote, mode: Mode, code: str) -> None:
    ingest, proxy = remote.ingests[False], remote.proxy
    first = 800 if mode == "half" else 900
    word = f"listed{first}"
    ids = remote.records(first, 5, word)

    def is_of_a_later_page(asked: Asked) -> bool:
        return word in asked.target and any(word in earlier.target for earlier in proxy.passed)

    proxy.mend()
    proxy.spoil(mode, where=is_of_a_later_page)
    with pytest.raises(RemoteError) as caught:
        ingest(remote.name, query=word)
    assert caught.value.code == code
    [first_page] = [asked.target for asked in proxy.passed]
    assert not any(ingest.is_whole(remote.doc_id(source_id)) for source_id in ids)

    proxy.mend()
    ingest.restart()
    assert ingest(remote.name, query=word) == dict.fromkeys(ids, DONE)
    assert first_page not in [asked.target for asked in proxy.passed]
    assert len([job for job in ingest.platform.jobs(limit=1000) if job.source_id in ids]) == len(ids)


def test_an_article_that_europe_pmc_cannot_give_costs_no_other_of_its_slice(open_ingests: Callable[..., Ingests]) -> None:
    """Each full text is a request of its own. When the third of a slice cannot be had, the source is taken to be down."""
    api = EuropePmcApi()
    names = [f"PMC88100{number}" for number in range(5)]
    for pmcid in names:
        api.add(pmcid, f"A record named {pmcid}")
    with serving(api) as url, spoiling(url) as proxy:
        source = RemoteSource(base_url=proxy.url)  # type: ignore[arg-type]
        ingest = open_ingests(adapters=AdapterSettings(pmc_fulltext=source), batch=BatchSettings())
        lost = ("failed", "ingest", "retries_exhausted")
        proxy.spoil("unavailable", where=lambda asked: names[1] in asked.target)
        assert ingest("pmc-fulltext", *names) == {**dict.fromkeys(names, DONE), names[1]: lost}
        proxy.mend()
        proxy.spoil("unavailable")
        assert ingest("pmc-fulltext", *names) == dict.fromkeys(names, lost)
        assert len(proxy.spoiled) == 3 * ATTEMPTS


def test_a_command_whose_source_is_down_says_so_and_its_repetition_completes(medkg: Medkg, quick_config: Path) -> None:
    api = ClinicalTrialsApi()
    with serving(api) as url, spoiling(url) as proxy:
        settings = {"MK_ADAPTERS__CLINICALTRIALS__BASE_URL": proxy.url, "MK_CONFIG_DIR": str(quick_config)}
        command = medkg.on(medkg.data_dir, **settings)
        proxy.spoil("reset", ATTEMPTS)
        result = command("ingest", "clinicaltrials", "NCT04267848", "--json").expect(1).json
        assert result["documents"][0]["error"]["code"] == "retries_exhausted"
        assert command("ingest", "clinicaltrials", "NCT04267848", "--json").expect(0).json["completed"] == 1


# --- the endpoints of dense and of learned sparse vectors ---------------------------------------------------------------


@dataclass(frozen=True)
class Endpoint:
    """A played endpoint of vectors behind the proxy, and how to ingest with it."""

    proxy: FaultProxy
    open: Callable[[float], Ingests]
    folder: Path

    def study(self, number: int, words: str) -> Path:
        nct = f"NCT{number:08d}"
        return write_study(self.folder, nct, f"Study {nct}", f"An invented study of {words}.")


@pytest.fixture(scope="module", params=["dense", "sparse"])
def endpoint(
    request: pytest.FixtureRequest, open_ingests: Callable[..., Ingests], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Endpoint]:
    is_dense = request.param == "dense"
    with serving(EmbeddingApi(dimension=64) if is_dense else SparseApi()) as url, spoiling(url, seconds=0.7) as proxy:

        def opened(timeout_seconds: float) -> Ingests:
            served: dict[str, Any] = {"model": "http", "base_url": proxy.url, "timeout_seconds": timeout_seconds}
            if not is_dense:
                return open_ingests(sparse=SparseSettings(**served))
            served |= {"base_url": f"{proxy.url}/v1", "dimension": 64}
            return open_ingests(embedding=EmbeddingSettings(**served), sparse=SparseSettings(model="none"))

        yield Endpoint(proxy, opened, tmp_path_factory.mktemp("studies"))


@pytest.mark.parametrize("modes", [SLOW, PROMPT], ids=["slow", "prompt"])
def test_a_bad_answer_of_an_endpoint_costs_no_other_document(endpoint: Endpoint, modes: tuple[Mode, ...]) -> None:
    """Its client bounds the silence, not the whole answer (the policy does): one that drips and then ends was broken off."""
    ingest, proxy = endpoint.open(IMPATIENT_SECONDS if modes is SLOW else PATIENT_SECONDS), endpoint.proxy
    well = endpoint.study(90 + (modes is SLOW), "quiet words")
    proxy.mend()
    studies: dict[Mode, tuple[Path, Path]] = {}
    for mode in modes:
        first = 10 * MODES.index(mode)
        studies[mode] = endpoint.study(first, f"once{mode}"), endpoint.study(first + 1, f"always{mode}")
        proxy.spoil(mode, 1, where=partial(is_about, f"once{mode}"))
        proxy.spoil(mode, where=partial(is_about, f"always{mode}"))

    found = ingest.local(well, *chain.from_iterable(studies.values()))

    assert found[well.stem] == DONE
    for mode, (once, always) in studies.items():
        ill, lost = once.stem, always.stem
        if mode == "garbled":
            assert found[ill] == found[lost] == ("failed", "embed", "unexpected_content")
            assert ingest.retries(ill) == set()
        else:
            assert (found[ill], found[lost]) == (DONE, ("failed", "embed", "retries_exhausted")), mode
            # What drips is a timeout or a broken connection, by how busy the machine is.
            expected = {"remote_unavailable", "remote_timeout"} if mode == "drip" else {CODES[mode]}
            assert ingest.retries(ill)
            assert ingest.retries(lost)
            assert ingest.retries(ill) | ingest.retries(lost) <= expected
            assert sum(is_about(f"always{mode}", asked) for _, asked in proxy.spoiled) == ATTEMPTS
    for name, end in found.items():
        assert ingest.is_whole(f"clinicaltrials:{name}") == (end == DONE)

    proxy.mend()
    failed = [name for name, end in found.items() if end != DONE]
    assert ingest.retry(*failed) == {DONE}
    assert all(ingest.is_whole(f"clinicaltrials:{name}") for name in failed)
    assert faults(ingest.events()) == []


def test_an_endpoint_that_is_down_fails_its_documents_by_name_and_what_it_says_of_its_gpu_is_not_needed(
    endpoint: Endpoint,
) -> None:
    ingest, proxy = endpoint.open(PATIENT_SECONDS), endpoint.proxy
    studies = [endpoint.study(500 + number, f"words {number}") for number in range(2)]
    names = [study.stem for study in studies]
    proxy.mend()
    proxy.spoil("reset")
    assert ingest.local(*studies) == dict.fromkeys(names, ("failed", "embed", "remote_unavailable"))
    assert not any(ingest.is_whole(f"clinicaltrials:{name}") for name in names)
    proxy.mend()
    proxy.spoil("unavailable", 1, where=lambda asked: asked.target == "/health")
    proxy.spoil("noise", where=lambda asked: asked.target == "/metrics")
    assert ingest.retry(*names) == {DONE}
    assert {mode for mode, _ in proxy.spoiled} == {"unavailable", "noise"}


# --- lineage -----------------------------------------------------------------------------------------------------------


def test_a_lineage_server_of_any_fault_never_fails_or_holds_a_job(
    open_ingests: Callable[..., Ingests], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ingest = open_ingests()
    with receiving() as receiver, spoiling(receiver.url, seconds=1.0) as proxy:
        target = LineageTarget("http", url=proxy.url, timeout_seconds=IMPATIENT_SECONDS)
        lineage = OpenLineageEmitter(open_transport(target), close_seconds=20.0)
        ingest.platform.parts.lineage = lineage

        proxy.spoil("unavailable", 2)
        assert set(ingest.local(write_study(tmp_path, "NCT00000001", "One", "Words.")).values()) == {DONE}
        wait_for(lambda: len(receiver.events) == EVENTS_OF_A_BATCH)
        assert receiver.events[-1]["eventType"] == "COMPLETE", "what 503 refused twice came at the third try"

        for mode in MODES:
            proxy.spoil(mode, 3)  # a request and its two repetitions
        assert set(ingest.local(write_study(tmp_path, "NCT00000002", "Two", "Words.")).values()) == {DONE}
        lineage.close()
        assert {mode for mode, _ in proxy.spoiled} == set(MODES)
        assert EVENTS_OF_A_BATCH < len(receiver.events) < 2 * EVENTS_OF_A_BATCH
        assert any("events lost; the jobs go on" in record.getMessage() for record in caplog.records)


EVENTS_OF_A_BATCH = 2 + 2 * 8


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
