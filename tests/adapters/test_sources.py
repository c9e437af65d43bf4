"""ClinicalTrials.gov, OpenAlex and Europe PMC through the adapters that the manager builds."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from Medical_KG_rev import errors
from Medical_KG_rev.adapters import AdapterManager, PluginIngestStage
from Medical_KG_rev.models import AdapterRequest, ListingPage, StageContext
from Medical_KG_rev.orchestration.resilience import ResilientCaller
from Medical_KG_rev.orchestration.topology import ResiliencePolicyConfig
from Medical_KG_rev.settings import Settings

pytestmark = pytest.mark.unit

Make = Callable[..., Any]
SOURCES = ("clinicaltrials", "openalex", "pmc-fulltext")


def ask(adapter: Any, cursor: str | None = None, **request: Any) -> list[ListingPage]:
    return list(adapter.list_records(AdapterRequest(source=adapter.name, **request), cursor))


def ids(pages: list[ListingPage]) -> list[str]:
    return [record.source_id for page in pages for record in page.records]


def test_i1_nct04267848_through_the_ingest_stage(clinicaltrials_api: Any, caller: Any) -> None:
    stage = PluginIngestStage(AdapterManager(Settings(), lambda policy: caller))
    payloads = stage.execute(StageContext(tenant_id="t"), AdapterRequest(source="clinicaltrials", ids=("NCT04267848",)))
    assert len(payloads) == 1
    payload = payloads[0]
    assert (payload.source, payload.source_id, payload.format) == ("clinicaltrials", "NCT04267848", "ctgov-json")
    assert payload.uri == "https://clinicaltrials.gov/study/NCT04267848"
    assert payload.adapter_version
    assert payload.retrieved_at is not None
    study = json.loads(payload.content)
    assert study["hasResults"]
    assert {"participantFlowModule", "outcomeMeasuresModule", "adverseEventsModule"} <= set(study["resultsSection"])


@pytest.mark.parametrize("retry_after", ["1", None])
def test_i2_a_request_is_tried_as_often_as_its_policy_says(
    clinicaltrials_api: Any, api_errors: SimpleNamespace, retry_after: str | None
) -> None:
    waits: list[float] = []
    policy = ResiliencePolicyConfig(max_attempts=11, backoff_strategy="linear", timeout_seconds=30)
    caller = ResilientCaller(policy, sleep=waits.append, random=lambda: 0.0)
    clinicaltrials_api.fail(*(api_errors.rate_limited(retry_after) for _ in range(20)))
    manager = AdapterManager(Settings(), lambda policy: caller)
    with pytest.raises(errors.RetriesExhaustedError) as caught:
        manager.get("clinicaltrials").fetch(AdapterRequest(source="clinicaltrials", ids=("NCT04267848",)))
    assert caught.value.last_code == "rate_limited"
    assert len(clinicaltrials_api.requests) == 11
    assert len(waits) == 10
    manager.close()
    caller.close()


@pytest.mark.parametrize(
    ("source", "given", "listed"),
    [
        ("clinicaltrials", ("nct99990001", " NCT99990001 ", "NCT99990002"), ["NCT99990001", "NCT99990002"]),
        (
            "openalex",
            ("W1", "https://openalex.org/w1", "doi:10.9999/AbC", "https://doi.org/10.9999/abc"),
            ["W1", "10.9999/abc"],
        ),
        ("pmc-fulltext", ("PMC1", "pmc1", "PMC2"), ["PMC1", "PMC2"]),
    ],
)
def test_given_ids_are_listed_once_without_a_request(
    make_adapter: Make, caller: Any, source: str, given: Any, listed: Any
) -> None:
    pages = ask(make_adapter(source), ids=given)
    assert ids(pages) == listed
    assert pages[0].records[0].doc_id == f"{source}:{listed[0]}"
    assert ids(ask(make_adapter(source), ids=given, limit=1)) == listed[:1]
    assert caller.calls == 0


@pytest.mark.parametrize("source", SOURCES)
def test_many_ids_come_in_pages_that_resume(make_adapter: Make, source: str) -> None:
    spelling = {"clinicaltrials": "NCT{:08d}", "openalex": "W{}", "pmc-fulltext": "PMC{}"}[source]
    given = tuple(spelling.format(number) for number in range(1, 1202))
    pages = ask(make_adapter(source), ids=given)
    assert [len(page.records) for page in pages] == [500, 500, 201]
    assert ids(ask(make_adapter(source), cursor=pages[0].next_cursor, ids=given)) == list(given[500:])


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    ("request_of", "says"),
    [
        ({"ids": ("oops",)}, "'oops' is not an id"),
        ({}, "needs ids, a query or a date"),
        ({"query": " "}, "is empty"),
        ({"ids": ("NCT99990001",), "query": "x"}, "not for both"),
        ({"paths": ("/tmp",)}, "not paths"),
        ({"since": "2026-02-30"}, "2026-01-31"),
        ({"query": "x", "limit": -1}, "negative"),
    ],
)
def test_wrong_requests_are_refused_at_once(make_adapter: Make, source: str, request_of: dict[str, Any], says: str) -> None:
    adapter = make_adapter(source)
    with pytest.raises(errors.UsageError, match=says):
        adapter.list_records(AdapterRequest(source=source, **request_of))
    with pytest.raises(errors.UsageError, match="not a cursor"):
        adapter.list_records(AdapterRequest(source=source, query="x"), "oops")


@pytest.fixture
def played(request: pytest.FixtureRequest) -> Callable[[str], Any]:
    """The API behind a source, filled with 25 records."""

    def play(source: str) -> Any:
        name = {"clinicaltrials": "clinicaltrials_api", "openalex": "openalex_api", "pmc-fulltext": "europepmc_api"}[source]
        api = request.getfixturevalue(name)
        for number in range(25):
            api.add(
                {"clinicaltrials": "NCT9999{:04d}", "openalex": "W99{:04d}", "pmc-fulltext": "PMC99{:04d}"}[source].format(number)
            )
        return api

    return play


@pytest.mark.parametrize("source", SOURCES)
def test_a_query_is_listed_page_by_page_and_resumes_anywhere(make_adapter: Make, played: Any, source: str) -> None:
    api = played(source)
    adapter = make_adapter(source, page_size=10)
    pages = ask(adapter, query="invented")
    everything = ids(pages)
    assert len(everything) == len(set(everything)) >= 25
    assert pages[0].total == len(everything)
    assert pages[-1].next_cursor is None
    carries = source != "pmc-fulltext"
    assert all(bool(record.payload) == carries for page in pages for record in page.records)
    seen = 0
    for page in pages[:-1]:
        seen += len(page.records)
        assert ids(ask(adapter, cursor=page.next_cursor, query="invented")) == everything[seen:]
    assert len(api.requests) <= 3 * (len(pages) + 1)


@pytest.mark.parametrize("source", SOURCES)
def test_a_limit_holds_over_a_restart_and_asks_for_no_more(make_adapter: Make, played: Any, source: str) -> None:
    api = played(source)
    adapter = make_adapter(source, page_size=5)
    pages = ask(adapter, query="invented", limit=7)
    assert [len(page.records) for page in pages] == [5, 2]
    assert len(api.requests) == 2
    assert len(ids(ask(adapter, cursor=pages[0].next_cursor, query="invented", limit=7))) == 2
    assert [page.records for page in ask(adapter, query="invented", limit=0)] == [()]


@pytest.mark.parametrize("source", SOURCES)
def test_fetch_brings_many_and_leaves_out_what_is_unknown(make_adapter: Make, played: Any, caller: Any, source: str) -> None:
    api = played(source)
    spelling = {"clinicaltrials": "NCT9999{:04d}", "openalex": "W99{:04d}", "pmc-fulltext": "PMC99{:04d}"}[source]
    wanted = tuple(spelling.format(number) for number in (3, 1, 24, 77))
    payloads = make_adapter(source, page_size=3).fetch(AdapterRequest(source=source, ids=wanted))
    assert {payload.source_id for payload in payloads} == set(wanted[:3])
    assert caller.calls == len(api.requests) == (4 if source == "pmc-fulltext" else 2)


def test_clinicaltrials_parameters(make_adapter: Make, clinicaltrials_api: Any) -> None:
    clinicaltrials_api.add("NCT99990001", updated="2020-01-01")
    adapter = make_adapter("clinicaltrials", page_size=1)
    assert ids(ask(adapter, query="invented", since="2021-01-01")) == ["NCT04267848"]
    asked = dict(clinicaltrials_api.requests[0].url.params)
    assert asked["query.term"] == "invented"
    assert asked["filter.advanced"] == "AREA[LastUpdatePostDate]RANGE[2021-01-01,MAX]"
    assert asked["countTotal"] == "true"
    assert asked["sort"] == "LastUpdatePostDate:asc"
    ask(adapter, query="invented")
    last = dict(clinicaltrials_api.requests[-1].url.params)
    assert last["pageToken"] == "T1"
    assert "countTotal" not in last
    ask(adapter, query="invented", limit=1)
    assert "sort" not in clinicaltrials_api.requests[-1].url.params


def test_a_study_without_id_is_an_error_record(make_adapter: Make, clinicaltrials_api: Any) -> None:
    clinicaltrials_api.studies["x"] = {
        "protocolSection": {"identificationModule": {}, "descriptionModule": {"briefSummary": "odd"}}
    }
    clinicaltrials_api.studies["y"] = {"protocolSection": {"descriptionModule": {"briefSummary": "odd, too"}}}
    record, other = ask(make_adapter("clinicaltrials"), query="odd")[0].records
    assert record.source_id != other.source_id
    assert record.error is not None
    assert record.error.code == "identifier_missing"


def test_openalex_by_doi_id_and_search(make_adapter: Make, openalex_api: Any) -> None:
    openalex_api.add("W991", doi="10.9999/one")
    openalex_api.add("W992", doi="10.9999/two")
    openalex_api.add("W993", doi="10.9999/a,b|c")
    adapter = make_adapter("openalex", contact_email="me@example.org")
    wanted = ("https://doi.org/10.9999/ONE", "10.9999/two", "10.9999/a,b|c", "W991", "10.9999/none")
    payloads = adapter.fetch(AdapterRequest(source="openalex", ids=wanted))
    by_id = {payload.source_id: json.loads(payload.content)["id"] for payload in payloads}
    assert by_id == {
        "10.9999/one": "https://openalex.org/W991",
        "10.9999/two": "https://openalex.org/W992",
        "10.9999/a,b|c": "https://openalex.org/W993",
        "W991": "https://openalex.org/W991",
    }
    assert all(request.url.params["mailto"] == "me@example.org" for request in openalex_api.requests)
    assert openalex_api.requests[0].url.path == "/works/W991"
    ask(adapter, query="invented", since="2024-01-01")
    asked = dict(openalex_api.requests[-1].url.params)
    assert asked["search"] == "invented"
    assert asked["filter"] == "from_publication_date:2024-01-01"


def test_a_merged_work_answers_for_the_id_that_was_asked(
    make_adapter: Make, openalex_api: Any, api_errors: SimpleNamespace
) -> None:
    openalex_api.add("W992")
    openalex_api.fail(api_errors.redirect("https://api.openalex.org/works/W992", 301))
    (payload,) = make_adapter("openalex").fetch(AdapterRequest(source="openalex", ids=("W991",)))
    assert payload.source_id == "W991"
    assert json.loads(payload.content)["id"].endswith("/W992")


def test_an_unknown_work_is_absent_though_openalex_answers_in_html(make_adapter: Make, openalex_api: Any) -> None:
    assert make_adapter("openalex").fetch(AdapterRequest(source="openalex", ids=("W5",))) == []
    assert openalex_api.paths == ["/works/W5"]


def test_europepmc_queries_and_full_texts(make_adapter: Make, europepmc_api: Any, api_errors: SimpleNamespace) -> None:
    europepmc_api.add("PMC991")
    europepmc_api.without_pmcid = ["123"]
    adapter = make_adapter("pmc-fulltext")
    first, second = ask(adapter, query="invented", since="2024-01-31")[0].records[-2:]
    assert (first.source_id, first.doc_id, first.payload) == ("PMC991", "pmc-fulltext:PMC991", None)
    assert second.error is not None
    assert second.source_id == "MED:123"
    asked = dict(europepmc_api.requests[0].url.params)
    assert asked["query"] == (
        "(invented) AND UPDATE_DATE:[2024-01-31 TO 3000-12-31] AND OPEN_ACCESS:Y AND IN_EPMC:Y AND NOT SRC:PPR"
    )
    assert asked["resultType"] == "lite"

    (payload,) = adapter.fetch(AdapterRequest(source="pmc-fulltext", ids=("PMC991",)))
    assert (payload.format, payload.uri) == ("jats-xml", "https://europepmc.org/article/PMC/PMC991")

    europepmc_api.fail(api_errors.europepmc_error_bean())
    assert adapter.fetch(AdapterRequest(source="pmc-fulltext", ids=("PMC991",))) == []
    europepmc_api.fail(api_errors.html_page())
    with pytest.raises(errors.UnexpectedContentError, match="HTML page"):
        adapter.fetch(AdapterRequest(source="pmc-fulltext", ids=("PMC991",)))
    europepmc_api.articles["PMC992"] = europepmc_api.articles["PMC991"]
    with pytest.raises(errors.UnexpectedContentError, match="asked for PMC992, got pmc-fulltext:PMC991"):
        adapter.fetch(AdapterRequest(source="pmc-fulltext", ids=("PMC992",)))


def test_a_hostile_article_is_left_to_its_parser(make_adapter: Make, europepmc_api: Any) -> None:
    europepmc_api.articles["PMC991"] = b'<!DOCTYPE article [<!ENTITY x "y">]><article/>'
    (payload,) = make_adapter("pmc-fulltext").fetch(AdapterRequest(source="pmc-fulltext", ids=("PMC991",)))
    assert payload.content.startswith(b"<!DOCTYPE")


def test_a_listing_that_turns_in_a_circle_is_refused(make_adapter: Make, clinicaltrials_api: Any) -> None:
    import httpx

    study = next(iter(clinicaltrials_api.studies.values()))
    clinicaltrials_api.fail(
        *(httpx.Response(200, json={"studies": [study], "nextPageToken": token}) for token in ("A", "B", "A", "B"))
    )
    with pytest.raises(errors.UnexpectedContentError, match="read already"):
        ask(make_adapter("clinicaltrials"), query="x")
    assert len(clinicaltrials_api.requests) == 3


def test_recorded_pages_are_read(
    make_adapter: Make, clinicaltrials_api: Any, openalex_api: Any, europepmc_api: Any, test_data: Any
) -> None:
    import httpx

    def recorded(path: str) -> httpx.Response:
        return httpx.Response(200, content=(test_data / path).read_bytes(), headers={"content-type": "application/json"})

    clinicaltrials_api.fail(
        recorded("ctgov/pages/page_studies.json"), recorded("ctgov/pages/search_phelan_limit50_20260811.json")
    )
    pages = ask(make_adapter("clinicaltrials"), query="x")
    assert [len(page.records) for page in pages] == [5, 3]
    assert pages[1].total == 3
    assert clinicaltrials_api.requests[1].url.params["pageToken"] == "ZVdj7o2Elu8o3lp2Vcm44unumpOQJJxtZfKi3vg"

    openalex_api.fail(
        recorded("openalex/pages/works_page_2results_cursor.json"), recorded("openalex/pages/works_page_2results_last.json")
    )
    pages = ask(make_adapter("openalex"), query="x")
    assert [len(page.records) for page in pages] == [2, 0]
    assert all(record.payload for record in pages[0].records)

    europepmc_api.fail(recorded("api/europepmc_search_pmid_20516115.json"))
    assert ids(ask(make_adapter("pmc-fulltext"), query="x")) == ["PMC3040717"]


def test_the_embedding_endpoint_answers_in_vllm_shape(embedding_api: Any) -> None:
    import httpx

    base = embedding_api.base_url
    assert httpx.get(f"{base}/health").content == b""
    assert httpx.get(f"{base}/v1/models").json()["data"][0]["id"] == embedding_api.model
    assert "vllm:num_requests_running" in httpx.get(f"{base}/metrics").text
    asked = {"model": embedding_api.model, "input": ["metformin", "lactate"]}
    answer = httpx.post(f"{base}/v1/embeddings", json=asked).json()
    assert [item["index"] for item in answer["data"]] == [0, 1]
    assert sum(value * value for value in answer["data"][0]["embedding"]) == pytest.approx(1.0)
    assert httpx.post(f"{base}/v1/embeddings", json={**asked, "dimensions": 64}).json()["error"]["type"] == "BadRequestError"
    assert (
        len(httpx.post(f"{base}/v1/embeddings", json={**asked, "encoding_format": "base64"}).json()["data"][0]["embedding"])
        > 4000
    )
