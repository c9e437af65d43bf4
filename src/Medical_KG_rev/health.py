"""Whether the parts of a platform are as they should be."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import msgspec

from Medical_KG_rev.errors import MedicalKGError
from Medical_KG_rev.parts import PlatformParts

MINIMUM_FREE_BYTES = 1_000_000_000


class Finding(msgspec.Struct, frozen=True):
    """The state of one part."""

    part: str
    ok: bool
    message: str
    remedy: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON values only."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


def check_parts(parts: PlatformParts) -> list[Finding]:
    """One finding a part, in the order in which a document meets them."""
    checks: tuple[tuple[str, Callable[[PlatformParts], str]], ...] = (
        ("data folder", _data_folder),
        ("configuration", _configuration),
        ("sources", lambda parts: ", ".join(parts.adapters.names())),
        ("ledger", _ledger),
        ("models", _models),
        ("embedding", _embedding),
        ("pipelines", _pipelines),
        ("index", _index),
        ("graph", _graph),
        ("dagster ui", _webserver),
    )
    return [_checked(name, check, parts) for name, check in checks]


def _checked(name: str, check: Callable[[PlatformParts], str], parts: PlatformParts) -> Finding:
    try:
        return Finding(name, True, check(parts))
    except MedicalKGError as error:
        return Finding(name, False, error.message, error.remedy)
    except Exception as error:  # noqa: BLE001 - the border that turns any fault of a part into a finding
        return Finding(name, False, f"{type(error).__name__}: {error}")


def _data_folder(parts: PlatformParts) -> str:
    parts.data_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=parts.data_dir):
        free = shutil.disk_usage(parts.data_dir).free
    if free < MINIMUM_FREE_BYTES:
        raise MedicalKGError(f"Only {free / 1e6:,.0f} MB are free at {parts.data_dir}.", remedy="Free some space.")
    return f"{parts.data_dir} ({free / 1e9:,.0f} GB free)"


def _configuration(parts: PlatformParts) -> str:
    return f"{parts.settings.orchestration_dir()}: policies {', '.join(parts.policies.names())}"


def _ledger(parts: PlatformParts) -> str:
    from Medical_KG_rev.orchestration.ledger.database import HEAD

    jobs = parts.ledger.count_jobs()
    return f"schema {HEAD}; " + (", ".join(f"{count:,} {status}" for status, count in sorted(jobs.items())) or "no jobs yet")


def _models(parts: PlatformParts) -> str:
    problems = parts.models.verify()
    if problems:
        raise MedicalKGError(problems[0], remedy="Run `medkg models fetch` again.")
    return ", ".join(f"{model.name}{'' if model.installed else ' (not fetched)'}" for model in parts.models.list())


def _embedding(parts: PlatformParts) -> str:
    backend = parts.backend
    vector = backend.encode_query("lactic acidosis")
    return f"{backend.name}: {len(vector)} dimensions"


def _pipelines(parts: PlatformParts) -> str:
    built = [parts.pipeline(name) for name in parts.topologies.names()]
    return ", ".join(f"{pipeline.name} {pipeline.version} ({len(pipeline.stages)} stages)" for pipeline in built)


def _index(parts: PlatformParts) -> str:
    parts.index_writer.live_versions("default", ["doctor:none"])
    return str(parts.data_dir / "index")


def _graph(parts: PlatformParts) -> str:
    stats = parts.graph.stats("default")
    return f"{stats.documents:,} documents, {stats.entities:,} entities, {stats.claims:,} claims"


def _webserver(_parts: PlatformParts) -> str:
    if find_spec("dagster_webserver") is None:
        return "not installed (`pip install medical-kg-rev[ui]`); only `medkg ui` needs it"
    return "installed"
