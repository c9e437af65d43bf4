"""The client of the remote sources: every failure has its name, nothing is read without bound, nothing is asked twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Medical_KG_rev import errors
from Medical_KG_rev.adapters.addresses import is_public
from Medical_KG_rev.adapters.answers import reason, retry_after_seconds, status_error
from Medical_KG_rev.adapters.http import SourceClient, shown
from Medical_KG_rev.settings import RemoteSource

pytestmark = pytest.mark.unit

BASE = "https://clinicaltrials.gov/api/v2"
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Counting:
    """A Caller that calls once and counts."""

    def __init__(self) -> None:
        self.calls = 0

    def call(self, request: Callable[[], Any]) -> Any:
        self.calls += 1
        return request()


def client(
    caller: Counting | None = None, base: str = BASE, addresses: tuple[str, ...] = ("93.184.216.34",), **more: Any
) -> SourceClient:
    source = RemoteSource(base_url=base, timeout_seconds=5, max_response_bytes=200_000)  # type: ignore[arg-type]
    more.setdefault("resolve", lambda host, port: list(addresses))
    return SourceClient("clinicaltrials", source, caller or Counting(), now=lambda: NOW, **more)


def test_a_request_carries_identity_and_goes_through_the_caller_once(clinicaltrials_api: Any) -> None:
    caller = Counting()
    body = client(caller, contact_email="me@example.org").get("/studies", {"pageSize": "1"})
    assert json.loads(body)["studies"]
    assert caller.calls == len(clinicaltrials_api.requests) == 1
    agent = clinicaltrials_api.requests[0].headers["user-agent"]
    assert agent.startswith("medical-kg-rev/")
    assert agent.endswith("(mailto:me@example.org)")


FAILURES: list[tuple[Callable[[SimpleNamespace], Any], type[errors.RemoteError], str]] = [
    (
        lambda e: e.clinicaltrials_bad_parameter("filter.phase"),
        errors.RequestRejectedError,
        "400: `filter.phase` is unknown parameter",
    ),
    (lambda e: e.openalex_bad_filter("x"), errors.RequestRejectedError, "Invalid query parameters error: x is not a valid field"),
    (lambda e: e.openalex_not_found(), errors.RecordNotFoundError, "404: 404 Not Found"),
    (lambda e: e.europepmc_not_found(), errors.RecordNotFoundError, "404: Not Found"),
    (lambda e: e.rate_limited("7"), errors.RateLimitedError, "Too many"),
    (lambda e: e.rate_limited(), errors.RateLimitedError, "Too many"),
    (lambda e: e.unavailable(500), errors.RemoteUnavailableError, "500: upstream connect error"),
    (lambda e: e.unavailable(503), errors.RemoteUnavailableError, "503"),
    (lambda e: e.unavailable(408), errors.RemoteTimeoutError, "408"),
    (lambda e: e.html_page(), errors.UnexpectedContentError, "HTML or XML instead of JSON: Maintenance"),
    (lambda e: e.html_page(502), errors.RemoteUnavailableError, "502: Maintenance"),
    (lambda e: e.endless_body(), errors.ResponseTooLargeError, "more than 200000 bytes"),
    (lambda e: e.truncated_json(), errors.UnexpectedContentError, "cannot be read"),
    (lambda e: e.lost_connection(), errors.RemoteUnavailableError, "peer closed connection"),
    (lambda e: httpx.Response(200, content=b""), errors.UnexpectedContentError, "an empty body"),
    (lambda e: httpx.Response(200, content=b"[]"), errors.UnexpectedContentError, "cannot be read"),
    (lambda e: httpx.Response(304), errors.UnexpectedContentError, "304"),
    (lambda e: httpx.ConnectError("refused"), errors.RemoteUnavailableError, "cannot be reached: refused"),
    (lambda e: httpx.ReadTimeout("slow"), errors.RemoteTimeoutError, "within 5 s"),
    (lambda e: httpx.ConnectTimeout("slow"), errors.RemoteTimeoutError, "within 5 s"),
    (lambda e: httpx.DecodingError("bad gzip"), errors.UnexpectedContentError, "damaged encoding"),
    (lambda e: e.redirect(""), errors.UnexpectedContentError, "redirects to nowhere"),
    (lambda e: e.redirect("http://other.example/x"), errors.AddressRefusedError, "without https"),
    (lambda e: e.redirect("file:///etc/passwd"), errors.RemoteError, "redirect"),
    (lambda e: e.redirect("https://user:secret@other.example/x"), errors.AddressRefusedError, "without https"),
]


@pytest.mark.parametrize(("make", "kind", "says"), FAILURES)
def test_each_failure_has_its_error(
    clinicaltrials_api: Any, api_errors: SimpleNamespace, make: Callable[[SimpleNamespace], Any], kind: type[Exception], says: str
) -> None:
    import msgspec

    caller = Counting()
    clinicaltrials_api.fail(make(api_errors))
    with pytest.raises(errors.RemoteError) as caught:
        client(caller).get_json("/studies", {"mailto": "me@example.org"}, msgspec.json.Decoder(dict[str, Any]))
    assert isinstance(caught.value, kind)
    assert says in str(caught.value)
    assert "clinicaltrials" in str(caught.value)
    assert "me@example.org" not in str(caught.value)
    assert caller.calls == 1


@pytest.mark.parametrize("status", [404, 500])
def test_of_an_endless_error_page_only_the_start_is_read(
    clinicaltrials_api: Any, api_errors: SimpleNamespace, status: int
) -> None:
    endless = api_errors.endless_body()
    endless.status_code = status
    clinicaltrials_api.fail(endless)
    with pytest.raises(errors.RemoteError, match=str(status)):
        client().get("/studies")


def test_a_body_that_drips_is_cut_by_the_clock(clinicaltrials_api: Any, api_errors: SimpleNamespace) -> None:
    ticks = iter(range(0, 100, 3))
    clinicaltrials_api.fail(api_errors.endless_body())
    with pytest.raises(errors.RemoteTimeoutError):
        client(clock=lambda: float(next(ticks))).get("/studies")


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({}, b"", None),
        ({"retry-after": "7"}, b"", 7.0),
        ({"retry-after": "Sat, 31 Jan 2026 12:01:30 GMT"}, b"", 90.0),
        ({"retry-after": "Sat, 31 Jan 2026 11:00:00 GMT"}, b"", 0.0),
        ({"retry-after": "soon"}, b"", None),
        ({"retry-after": "-5"}, b"", None),
        ({"retry-after": "1"}, b'{"retryAfter":39907}', 39907.0),
        ({"retry-after": "9"}, b'{"retryAfter":-1}', 9.0),
        ({}, b'{"retryAfter":"x"}', None),
    ],
)
def test_retry_after(headers: dict[str, str], body: bytes, seconds: float | None) -> None:
    assert retry_after_seconds(headers, body, NOW) == seconds


def test_redirects_on_the_own_host_are_followed(clinicaltrials_api: Any, api_errors: SimpleNamespace) -> None:
    caller = Counting()
    clinicaltrials_api.fail(api_errors.redirect("/api/v2/studies?pageSize=1"), api_errors.redirect(f"{BASE}/studies?pageSize=2"))
    assert json.loads(client(caller).get("/studies"))["studies"]
    assert len(clinicaltrials_api.requests) == 3
    assert caller.calls == 1


def test_redirects_in_a_circle_end(clinicaltrials_api: Any, api_errors: SimpleNamespace) -> None:
    clinicaltrials_api.fail(*(api_errors.redirect(f"{BASE}/studies") for _ in range(10)))
    with pytest.raises(errors.UnexpectedContentError, match="more than 5 times"):
        client().get("/studies")
    assert len(clinicaltrials_api.requests) == 6


def test_a_foreign_public_host_is_reached_at_the_address_that_was_checked(
    remote_router: Any, clinicaltrials_api: Any, api_errors: SimpleNamespace
) -> None:
    clinicaltrials_api.fail(api_errors.redirect("https://mirror.example/x"))
    mirror = remote_router.get("https://93.184.216.34/x").respond(200, json={"ok": True})
    assert json.loads(client().get("/studies")) == {"ok": True}
    request = mirror.calls.last.request
    assert request.headers["host"] == "mirror.example"
    assert request.extensions["sni_hostname"] == "mirror.example"


V4 = ["127.0.0.1", "10.0.0.8", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"]
V6 = ["::1", "fe80::1", "fe80::1%eth0", "fc00::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"]


@pytest.mark.parametrize("address", V4 + V6)
def test_redirects_to_private_addresses_are_refused(clinicaltrials_api: Any, api_errors: SimpleNamespace, address: str) -> None:
    assert not is_public(address)
    clinicaltrials_api.fail(api_errors.redirect("https://inside.example/secret"))
    with pytest.raises(errors.AddressRefusedError, match="not a public address"):
        client(addresses=("93.184.216.34", address)).get("/studies")
    assert len(clinicaltrials_api.requests) == 1


def test_a_redirect_to_an_unknown_host(clinicaltrials_api: Any, api_errors: SimpleNamespace) -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise OSError("Name or service not known")

    clinicaltrials_api.fail(api_errors.redirect("https://nowhere.example/"))
    with pytest.raises(errors.RemoteUnavailableError, match="Name or service not known"):
        client(resolve=unknown).get("/studies")


def test_another_port_of_a_private_base_host_is_refused(remote_router: Any, api_errors: SimpleNamespace) -> None:
    remote_router.get("http://127.0.0.1:8080/studies").mock(return_value=api_errors.redirect("http://127.0.0.1:22/"))
    with pytest.raises(errors.AddressRefusedError):
        client(base="http://127.0.0.1:8080").get("/studies")
    remote_router.get("http://127.0.0.1:8080/own").respond(200, json={})
    assert client(base="http://127.0.0.1:8080").get("/own") == b"{}"


def test_private_addresses_can_be_allowed(remote_router: Any, clinicaltrials_api: Any, api_errors: SimpleNamespace) -> None:
    clinicaltrials_api.fail(api_errors.redirect("https://inside.example/x"))
    remote_router.get("https://inside.example/x").respond(200, json={})
    assert client(addresses=("10.0.0.1",), allow_private_addresses=True).get("/studies") == b"{}"


def test_public_addresses() -> None:
    assert all(map(is_public, ("93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822")))


def test_urls_are_shown_without_secrets() -> None:
    assert shown(httpx.URL("https://u:p@h/x?a=1&mailto=m@x&api_key=k")) == "https://h/x?a=1"


@given(st.binary(max_size=200))
def test_any_error_body_has_a_reason(body: bytes) -> None:
    assert len(reason(body)) <= 301
    assert status_error("s", "u", 429, {"retry-after": body.decode("latin-1")}, body, NOW).code == "rate_limited"


def test_every_recorded_body_becomes_a_precise_error(test_data: Any) -> None:
    folder = test_data / "api"
    recorded: list[dict[str, Any]] = []
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text("utf-8"))
        recorded += [item for item in (content if isinstance(content, list) else [content]) if isinstance(item, dict)]
    kinds = {400: errors.RequestRejectedError, 401: errors.RequestRejectedError, 422: errors.RequestRejectedError}
    kinds |= {404: errors.RecordNotFoundError, 429: errors.RateLimitedError}
    seen = set()
    for item in recorded:
        status = item.get("status") or 0
        if status < 400:
            continue
        body = item["body"] if isinstance(item["body"], str) else json.dumps(item["body"])
        headers = {name.lower(): value for name, value in item.get("headers", {}).items()}
        error = status_error("api", "u", status, headers, body.encode(), NOW)
        assert type(error) is kinds[status]
        assert "<" not in error.message
        assert '"' not in error.message.removeprefix("api: u")[:30]
        seen.add(status)
    assert seen == set(kinds)
    bean = (folder / "europepmc_pmc3040717-supplementary-not-open-access.xml").read_bytes()
    assert reason(bean) == "Article with id PMC3040717 is not open access one"
    assert reason((folder / "pmc_oa_pmc3040717-not-open-access.xml").read_bytes()) == "identifier 'PMC3040717' is not Open Access"
