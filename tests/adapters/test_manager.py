"""Sources by name, built-in and installed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from Medical_KG_rev import adapters
from Medical_KG_rev.adapters import AdapterContext, AdapterManager, AdapterPlugin, PluginIngestStage, hookimpl
from Medical_KG_rev.errors import ConfigurationError, UsageError
from Medical_KG_rev.models import AdapterRequest, ListingPage, RawPayload, StageContext
from Medical_KG_rev.orchestration.stages.contracts import IngestStage
from Medical_KG_rev.settings import Settings

pytestmark = pytest.mark.component


class Direct:
    """A Caller that calls."""

    def call(self, request: Callable[[], object]) -> object:
        return request()


def manager(*extra: object) -> AdapterManager:
    return AdapterManager(Settings(), lambda policy: Direct(), extra=extra)  # type: ignore[arg-type, return-value]


class Toy:
    name = "toy"
    version = "2"
    closed = False

    def list_records(self, request: AdapterRequest, cursor: str | None = None) -> Iterator[ListingPage]:
        yield ListingPage(records=())

    def fetch(self, request: AdapterRequest) -> list[RawPayload]:
        return [RawPayload(source="toy", source_id=name, format="text", content=b"x") for name in request.ids]

    def close(self) -> None:
        self.closed = True


def plugin(name: str = "toy", toy: Toy | None = None) -> object:
    def build(context: AdapterContext) -> Toy:
        assert isinstance(context.settings, Settings)
        return toy or Toy()

    @hookimpl
    def medical_kg_adapters() -> list[AdapterPlugin]:
        return [AdapterPlugin(name, "2", "a toy", ("ids",), build)]

    return SimpleNamespace(medical_kg_adapters=medical_kg_adapters)


def test_the_public_names_are_there() -> None:
    assert list(adapters.__all__) == sorted(adapters.__all__)
    assert all(getattr(adapters, name) for name in adapters.__all__)
    with pytest.raises(AttributeError):
        _ = adapters.nothing


def test_built_in_sources_have_their_canonical_names() -> None:
    known = manager()
    assert known.names() == ["clinicaltrials", "core", "local", "openalex", "pmc-fulltext", "unpaywall"]
    assert known.describe("clinicaltrials").inputs == ("ids", "query", "since")
    for name in known.names():
        adapter = known.get(name)
        assert (adapter.name, adapter.version) == (name, known.describe(name).version)
        assert known.get(name) is adapter
    known.close()


def test_an_unknown_source_lists_the_valid_ones() -> None:
    with pytest.raises(UsageError, match="clinicaltrials, core, local, openalex, pmc-fulltext, unpaywall"):
        manager().get("pubmed")


def test_a_registered_plugin_adds_a_source_and_is_closed() -> None:
    toy = Toy()
    known = manager(plugin(toy=toy))
    assert "toy" in known.names()
    assert known.get("toy") is toy
    known.close()
    assert toy.closed


@pytest.mark.parametrize("extra", [(plugin("local"),), (plugin("toy"), plugin("toy")), (plugin("Not A Name"),)])
def test_names_are_claimed_once_and_well_formed(extra: tuple[object, ...]) -> None:
    with pytest.raises(ConfigurationError):
        manager(*extra)


def install(folder: Path, module: str, source: str) -> None:
    """A tiny installed distribution, as pip leaves it on the path."""
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[medical_kg_rev.adapters]\n{module} = {module}\n")


def test_an_installed_distribution_adds_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(
        tmp_path,
        "mk_shelf_source",
        "from Medical_KG_rev.adapters import AdapterPlugin, hookimpl\n"
        "class Shelf:\n"
        "    name, version = 'shelf', '1'\n"
        "@hookimpl\n"
        "def medical_kg_adapters():\n"
        "    return [AdapterPlugin('shelf', '1', 'a shelf', ('ids',), lambda context: Shelf())]\n",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert manager().get("shelf").name == "shelf"
    sys.modules.pop("mk_shelf_source")


def test_a_broken_distribution_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "mk_broken_source", "import nowhere_to_be_found\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigurationError, match="mk_broken_source"):
        manager()


def test_ingest_stage_fetches_through_the_adapter() -> None:
    stage = PluginIngestStage(manager(plugin()))
    assert isinstance(stage, IngestStage)
    assert "toy=2" in stage.fingerprint
    payloads = stage.execute(StageContext(tenant_id="t"), AdapterRequest(source="toy", ids=("a", "b")))
    assert [payload.source_id for payload in payloads] == ["a", "b"]
