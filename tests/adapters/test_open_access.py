"""Unpaywall, CORE and the PDFs of Europe PMC: which copies an article has, and which is the best."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from open_access_apis import CoreApi, EuropePmcRecords, UnpaywallApi

from Medical_KG_rev import errors
from Medical_KG_rev.adapters import AdapterManager, PluginIngestStage
from Medical_KG_rev.adapters.dois import doi_name, normal_doi
from Medical_KG_rev.adapters.open_copies import best_first
from Medical_KG_rev.models import AdapterRequest, ListingPage, PdfAsset, PdfCandidates, RawPayload, StageContext
from Medical_KG_rev.orchestration.resilience import ResilientCaller
from Medical_KG_rev.orchestration.topology import ResiliencePolicyConfig
from Medical_KG_rev.settings import Settings
from Medical_KG_rev.testing import check_adapter

pytestmark = pytest.mark.component

Make = Callable[..., Any]
DOI = "10.9999/inv.1"
MAIL = "me@invented.org"


def ask(adapter: Any, cursor: str | None = None, **request: Any) -> list[ListingPage]:
    return list(adapter.list_records(AdapterRequest(source=adapter.name, **request), cursor))


def candidates(payload: RawPayload) -> PdfCandidates:
    assert payload.format == "pdf-asset"
    return msgspec.json.decode(payload.content, type=PdfCandidates)


def fetch(adapter: Any, *ids: str, **more: Any) -> list[RawPayload]:
    return adapter.fetch(AdapterRequest(source=adapter.name, ids=ids, **more))


@pytest.fixture
def unpaywall(make_adapter: Make, unpaywall_api: UnpaywallApi) -> Any:
    return make_adapter("unpaywall", email=MAIL)


@pytest.fixture
def core(make_adapter: Make, core_api: CoreApi) -> Any:
    return make_adapter("core")


# --- the best copy


def test_the_published_version_of_the_publisher_under_the_freest_licence_comes_first() -> None:
    ranked = [
        PdfAsset(url="1", version="publishedVersion", host="publisher", licence="cc0"),
        PdfAsset(url="2", version="publishedVersion", host="publisher", licence="CC BY"),
        PdfAsset(url="3", version="publishedVersion", host="publisher", licence="cc-by-nc-nd"),
        PdfAsset(url="4", version="publishedVersion", host="publisher", licence="publisher-specific-oa"),
        PdfAsset(url="5", version="publishedVersion", host="publisher"),
        PdfAsset(url="6", version="publishedVersion", host="repository", licence="cc-by"),
        PdfAsset(url="7", version="acceptedVersion", host="publisher", licence="cc0"),
        PdfAsset(url="8", version="submittedVersion", host="repository", licence="cc0"),
        PdfAsset(url="9", host="repository"),
    ]
    assert list(best_first(reversed(ranked))) == ranked
    same = [PdfAsset(url="b"), PdfAsset(url="a"), PdfAsset(url="b", licence="")]
    assert [asset.url for asset in best_first(same)] == ["b", "a"]


@given(st.from_regex(r"10\.[0-9]{4}/[!-~]{1,200}", fullmatch=True), st.from_regex(r"10\.[0-9]{4}/[!-~]{1,20}", fullmatch=True))
def test_the_names_of_dois_are_safe_and_differ(one: str, other: str) -> None:
    one, other = normal_doi(one) or "", normal_doi(other) or ""
    names = [doi_name(doi) for doi in (one, other)]
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789._:-") and len(name) < 180 for name in map(str.lower, names))
    assert (names[0] == names[1]) == (one == other)
    assert doi_name("10.1371/journal.pone.0012345") == "10.1371-journal.pone.0012345"


# --- Unpaywall


def test_unpaywall_names_the_copies_of_a_doi(unpaywall: Any, unpaywall_api: UnpaywallApi) -> None:
    unpaywall_api.add(
        DOI,
        {"pdf": "https://repository.example/1.pdf", "version": "acceptedVersion", "host": "repository"},
        {"pdf": None, "licence": "cc-by"},
        {"pdf": "https://publisher.example/1.pdf", "licence": "cc-by"},
    )
    (payload,) = fetch(unpaywall, f"https://doi.org/{DOI.upper()}")
    assert (payload.source, payload.source_id, payload.uri) == ("unpaywall", DOI, f"https://doi.org/{DOI}")
    found = candidates(payload)
    assert found.assets == (
        PdfAsset(url="https://publisher.example/1.pdf", licence="cc-by", version="publishedVersion", host="publisher"),
        PdfAsset(url="https://repository.example/1.pdf", version="acceptedVersion", host="repository"),
    )
    assert (found.title, found.refusal) == ("An invented article", "")
    assert found.metadata["journal"] == "Journal of Invented Results"
    assert found.metadata["oa_status"] == "gold"
    assert [record.doc_id for page in ask(unpaywall, ids=(DOI,)) for record in page.records] == ["unpaywall:10.9999-inv.1"]
    assert unpaywall_api.requests[0].url.params["email"] == MAIL


@pytest.mark.parametrize(
    ("status", "location", "why"),
    [
        ("closed", None, "Unpaywall knows no open copy (status closed)"),
        ("bronze", {"pdf": None}, "open to read, but Unpaywall knows no PDF"),
    ],
)
def test_unpaywall_says_why_there_is_no_copy(
    unpaywall: Any, unpaywall_api: UnpaywallApi, status: str, location: Any, why: str
) -> None:
    unpaywall_api.add(DOI, *([location] if location else []), status=status)
    (payload,) = fetch(unpaywall, DOI)
    assert candidates(payload).assets == ()
    assert why in candidates(payload).refusal
    assert len(unpaywall_api.requests) == 1


@pytest.mark.parametrize(
    ("page", "url"),
    [
        ("https://www.ncbi.nlm.nih.gov/pmc/articles/12008803", "https://europepmc.org/articles/PMC12008803?pdf=render"),
        ("https://pmc.ncbi.nlm.nih.gov/articles/PMC12008803/", "https://europepmc.org/articles/PMC12008803?pdf=render"),
        ("https://www.ncbi.nlm.nih.gov/pmc/articles/12008803/figure/1", None),
        ("https://publisher.example/pmc/articles/12008803", None),
    ],
)
def test_a_page_of_pubmed_central_has_a_pdf_at_europe_pmc(
    unpaywall: Any, unpaywall_api: UnpaywallApi, page: str, url: str | None
) -> None:
    unpaywall_api.add(DOI, {"host": "repository", "version": "submittedVersion", "licence": "other-oa"})
    unpaywall_api.articles[DOI]["oa_locations"][0]["url"] = page
    (payload,) = fetch(unpaywall, DOI)
    assert [asset.url for asset in candidates(payload).assets] == ([url] if url else [])


def test_what_unpaywall_really_answers_is_understood(unpaywall: Any, unpaywall_api: UnpaywallApi, test_data: Path) -> None:
    recorded = json.loads((test_data / "api" / "unpaywall_openalex_lookups.json").read_text("utf-8"))
    answers = [json.loads(each["body"]) for each in recorded if each["url"].startswith("https://api.unpaywall.org/v2/10.")]
    assert len(answers) >= 3
    found = {}
    for article in answers:
        unpaywall_api.articles[article["doi"]] = article
        (payload,) = fetch(unpaywall, article["doi"])
        found[article["doi"]] = candidates(payload)
        assert bool(found[article["doi"]].assets) != bool(found[article["doi"]].refusal)
        assert found[article["doi"]].title
    assert [asset.url for asset in found["10.1016/j.xgen.2025.100814"].assets] == [
        "https://europepmc.org/articles/PMC12008803?pdf=render"
    ]
    (searched,) = [json.loads(each["body"]) for each in recorded if "/v2/search" in each["url"]]
    unpaywall_api.fail(httpx.Response(200, json=searched))
    (page,) = ask(unpaywall, query="copper")
    assert [record.error for record in page.records] == [None] * len(searched["results"])


def test_the_answer_for_another_doi_is_refused(unpaywall: Any, unpaywall_api: UnpaywallApi) -> None:
    unpaywall_api.add("10.9999/other", {"pdf": "https://publisher.example/2.pdf"})
    unpaywall_api.articles[DOI] = unpaywall_api.articles["10.9999/other"]
    with pytest.raises(errors.UnexpectedContentError, match=f"asked for {DOI}, got 10.9999/other"):
        fetch(unpaywall, DOI)


def test_unpaywall_is_searched_page_by_page(unpaywall: Any, unpaywall_api: UnpaywallApi) -> None:
    for number in range(60):
        unpaywall_api.add(f"10.9999/inv.{number}", {"pdf": f"https://publisher.example/{number}.pdf"})
    unpaywall_api.add("10.9999/closed", status="closed")
    pages = ask(unpaywall, query="invented")
    assert [len(page.records) for page in pages] == [50, 10]
    assert candidates(pages[1].records[0].payload).assets[0].url == "https://publisher.example/50.pdf"  # type: ignore[arg-type]
    unpaywall_api.articles["10.9999/inv.1"]["doi"] = "none"
    bad = ask(unpaywall, query="invented")[0].records[1]
    assert (bad.source_id, bad.error and bad.error.code) == ("none", "identifier_missing")


def test_unpaywall_needs_an_address_of_ones_own(make_adapter: Make, unpaywall_api: UnpaywallApi) -> None:
    for use in (ask, fetch):
        with pytest.raises(errors.ConfigurationError, match="MK_ADAPTERS__UNPAYWALL__EMAIL or MK_CONTACT_EMAIL"):
            use(make_adapter("unpaywall"), **({"ids": (DOI,)} if use is ask else {}))
    assert unpaywall_api.requests == []
    assert fetch(make_adapter("unpaywall", contact_email=MAIL), DOI) == []
    with pytest.raises(errors.RequestRejectedError, match="422: Please use your own email address"):
        fetch(make_adapter("unpaywall", email="you@example.com"), DOI)


def test_no_message_tells_the_address(unpaywall: Any, unpaywall_api: UnpaywallApi, api_errors: SimpleNamespace) -> None:
    unpaywall_api.fail(api_errors.unavailable())
    with pytest.raises(errors.RemoteUnavailableError) as caught:
        fetch(unpaywall, DOI)
    assert MAIL not in str(caught.value)


# --- CORE


def test_core_names_the_copies_of_a_work(core: Any, core_api: CoreApi) -> None:
    core_api.add("7", "https://core.ac.uk/download/7.pdf", "https://repository.example/7", "ftp://old.example/7", doi=DOI.upper())
    core_api.add("8", "https://core.ac.uk/download/8.pdf", doi=DOI)
    core_api.add("9", doi="10.9999/other")
    (by_number,) = fetch(core, "7")
    assert [asset.url for asset in candidates(by_number).assets] == [
        "https://core.ac.uk/download/7.pdf",
        "https://repository.example/7",
    ]
    assert candidates(by_number).metadata == {
        "doi": DOI,
        "core_id": "7",
        "publisher": "Invented University",
        "year": 2024,
        "repositories": ["Invented Repository"],
    }
    (by_doi,) = fetch(core, DOI)
    assert len(candidates(by_doi).assets) == 3
    assert by_doi.source_id == DOI
    (empty,) = fetch(core, "https://core.ac.uk/works/9")
    assert candidates(empty).refusal == "CORE knows the work, but no file of it"
    assert fetch(core, "10", "10.9999/none") == []
    assert [record.doc_id for page in ask(core, ids=("7", DOI)) for record in page.records] == ["core:7", "core:10.9999-inv.1"]


def test_core_is_searched_up_to_what_it_gives(make_adapter: Make, core_api: CoreApi) -> None:
    for number in range(1, 13):
        core_api.add(str(number), f"https://core.ac.uk/download/{number}.pdf")
    core = make_adapter("core", page_size=5)
    assert [len(page.records) for page in ask(core, query="invented")] == [5, 5, 2]
    assert core_api.requests[0].url.params["q"] == "(invented) AND _exists_:fullText"
    core_api.total = 10_001
    with pytest.raises(errors.UsageError, match="gives no more than 10000 of one"):
        ask(core, query="invented")
    assert len(ask(core, query="invented", limit=3)[0].records) == 3
    core_api.works["1"]["id"] = None
    bad = ask(core, query="invented", limit=1)[0].records[0]
    assert bad.error is not None
    assert bad.error.code == "identifier_missing"


def test_the_key_goes_to_core_alone(
    make_adapter: Make, core_api: CoreApi, api_errors: SimpleNamespace, remote_router: Any
) -> None:
    from pydantic import SecretStr

    core_api.key = "secret"
    core_api.add("7", "https://core.ac.uk/download/7.pdf")
    with pytest.raises(errors.RequestRejectedError, match="401: The API Key you provided is not valid"):
        fetch(make_adapter("core"), "7")
    core = make_adapter("core", api_key=SecretStr("secret"))
    assert len(fetch(core, "7")) == 1
    elsewhere = remote_router.get(url__startswith="https://93.184.216.34").respond(200, json=core_api.works["7"])
    core._client._resolve = lambda host, port: ["93.184.216.34"]
    core_api.fail(api_errors.redirect("https://other.example/7"))
    assert len(fetch(core, "7")) == 1
    assert "authorization" not in elsewhere.calls[0].request.headers


# --- what both have in common


@pytest.mark.parametrize(("source", "api"), [("unpaywall", "unpaywall_api"), ("core", "core_api")])
def test_both_keep_the_contract_of_adapters(request: pytest.FixtureRequest, make_adapter: Make, source: str, api: str) -> None:
    played = request.getfixturevalue(api)
    numbers = range(1, 8)
    for number in numbers:
        if source == "core":
            played.add(str(number), f"https://core.ac.uk/download/{number}.pdf", doi=f"10.9999/inv.{number}")
        else:
            played.add(f"10.9999/inv.{number}", {"pdf": f"https://publisher.example/{number}.pdf"})
    adapter = make_adapter(source, page_size=3, **({"email": MAIL} if source == "unpaywall" else {}))
    by_id = AdapterRequest(source=source, ids=tuple(f"10.9999/inv.{number}" for number in numbers))
    assert len(check_adapter(adapter, by_id, unknown_id="10.9999/none")) == 7
    assert len(check_adapter(adapter, AdapterRequest(source=source, query="invented"))) == 7


@pytest.mark.parametrize("source", ["unpaywall", "core"])
def test_an_id_whose_attempts_are_used_up_is_named(
    request: pytest.FixtureRequest, make_adapter: Make, api_errors: SimpleNamespace, source: str
) -> None:
    """So that it alone fails, and not all that were asked for with it."""
    played = request.getfixturevalue(f"{source}_api")
    policy = ResiliencePolicyConfig(max_attempts=2, backoff_strategy="none", timeout_seconds=30)
    caller = ResilientCaller(policy, sleep=lambda seconds: None)
    manager = AdapterManager(Settings(contact_email=MAIL), lambda policy: caller)
    played.fail(*[api_errors.unavailable()] * 2)
    with pytest.raises(errors.RetriesExhaustedError) as caught:
        fetch(manager.get(source), DOI, "10.9999/other")
    assert (caught.value.source_id, caught.value.last_code, len(played.requests)) == (DOI, "remote_unavailable", 2)
    manager.close()
    caller.close()


@pytest.mark.parametrize("source", ["unpaywall", "core"])
@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"ids": ("oops",)}, "'oops' is not an id"),
        ({}, "needs ids, a query or a date"),
        ({"query": " "}, "is empty"),
        ({"since": "2026-01-31"}, "cannot be asked for what changed since a date"),
    ],
)
def test_wrong_requests_are_refused_at_once(make_adapter: Make, caller: Any, source: str, asked: Any, says: str) -> None:
    adapter = make_adapter(source, contact_email=MAIL)
    with pytest.raises(errors.UsageError, match=says):
        ask(adapter, **asked)
    assert caller.calls == 0


FAILURES: list[tuple[Callable[[SimpleNamespace], Any], type[errors.RemoteError]]] = [
    (lambda e: e.rate_limited("1"), errors.RateLimitedError),
    (lambda e: e.unavailable(503), errors.RemoteUnavailableError),
    (lambda e: e.unavailable(408), errors.RemoteTimeoutError),
    (lambda e: e.unavailable(400), errors.RequestRejectedError),
    (lambda e: e.html_page(), errors.UnexpectedContentError),
    (lambda e: e.truncated_json(), errors.UnexpectedContentError),
    (lambda e: e.lost_connection(), errors.RemoteUnavailableError),
    (lambda e: e.redirect("http://other.example/"), errors.AddressRefusedError),
]


@pytest.mark.parametrize("source", ["unpaywall", "core", "pmc-fulltext"])
@pytest.mark.parametrize(("answer", "kind"), FAILURES)
def test_every_failure_has_its_name(
    request: pytest.FixtureRequest, make_adapter: Make, api_errors: SimpleNamespace, source: str, answer: Any, kind: Any
) -> None:
    fixture, name = {
        "unpaywall": ("unpaywall_api", DOI),
        "core": ("core_api", "7"),
        "pmc-fulltext": ("europepmc_records", "PMC1"),
    }[source]
    request.getfixturevalue(fixture).fail(answer(api_errors))
    with pytest.raises(errors.RemoteError) as caught:
        fetch(make_adapter(source, contact_email=MAIL), name, rendition="pdf")
    assert type(caught.value) is kind


# --- Europe PMC's PDFs


def test_the_pdfs_of_articles_come_in_one_request(make_adapter: Make, europepmc_records: EuropePmcRecords) -> None:
    europepmc_records.add_record("PMC1")
    europepmc_records.add_record(
        "PMC2", is_open=False, files=(("F", "pdf", "http://x.example/2"), ("S", "doi", "http://x.example"))
    )
    europepmc_records.add_record("PMC3", files=(("OA", "html", "http://x.example/3"), ("F", "pdf", "http://x.example/3.pdf")))
    europepmc_records.add_record("PMC4", is_open=False, files=())
    europepmc = make_adapter("pmc-fulltext")
    payloads = fetch(europepmc, "PMC1", "PMC2", "PMC3", "PMC4", "PMC5", rendition="pdf")
    assert len(europepmc_records.requests) == 1
    assert [payload.source_id for payload in payloads] == ["PMC1", "PMC2", "PMC3", "PMC4"]
    found = [candidates(payload) for payload in payloads]
    assert found[0].assets == (PdfAsset(url="http://europepmc.org/articles/PMC1?pdf=render", licence="cc by", host="repository"),)
    assert [(len(each.assets), each.refusal) for each in found] == [
        (1, ""),
        (0, "it is free to read, but not open access"),
        (0, "it is open access, but Europe PMC has no PDF of it"),
        (0, "Europe PMC says that it is not open access"),
    ]


def test_a_pipeline_asks_for_the_pdf(europepmc_records: EuropePmcRecords, caller: Any) -> None:
    europepmc_records.add("PMC1131903")
    europepmc_records.add_record("PMC1131903")
    manager = AdapterManager(Settings(), lambda policy: caller)
    request = AdapterRequest(source="pmc-fulltext", ids=("PMC1131903",))
    for config, expected in (({}, "jats-xml"), ({"rendition": "pdf"}, "pdf-asset")):
        (payload,) = PluginIngestStage.configured(manager, config).execute(StageContext("default"), request)
        assert payload.format == expected
    for wrong in ({"rendition": "epub"}, {"format": "pdf"}):
        with pytest.raises(errors.DagsterPipelineConfigError, match=r"is no rendition|has no 'format'"):
            PluginIngestStage.configured(manager, wrong)
    manager.close()
