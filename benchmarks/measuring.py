"""What the benchmarks share: real records, clean work folders, the commands as a user runs them, and tables."""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, NoReturn

import msgspec

from Medical_KG_rev.errors import ModelNotInstalledError, ServiceStartError
from Medical_KG_rev.models import AdapterRequest
from Medical_KG_rev.orchestration.session import IngestSession
from Medical_KG_rev.orchestration.stages.report import StageReport
from Medical_KG_rev.orchestration.stages.runner import StageRunner
from Medical_KG_rev.parts import PlatformParts
from Medical_KG_rev.services import CATALOGUE, Server, default_cache
from Medical_KG_rev.settings import EmbeddingSettings, Settings
from Medical_KG_rev.worker import execute, open_session

REPOSITORY = Path(__file__).resolve().parents[1]
TEST_DATA = Path(os.environ.get("MK_TEST_DATA") or REPOSITORY.parent / "shared" / "data")
MODELS_DIR = Settings().model_root.resolve()
MEDKG = str(Path(sys.executable).with_name("medkg"))
MEBIBYTE = 1024 * 1024


# --- what is read ----------------------------------------------------------------------------------------------------


def scifact(name: str = "corpus.jsonl") -> Path:
    """A file of BEIR's SciFact; ends the benchmark with a reason where it is not there."""
    path = TEST_DATA / "beir" / "scifact" / name
    if not path.exists():
        skip(f"{path} is not there; point MK_TEST_DATA at the folder of real data")
    return path


def skip(reason: str) -> NoReturn:
    """Ends the benchmark without a failure."""
    print(f"{Path(sys.argv[0]).name} skipped: {reason}.")
    sys.exit(0)


def need_model(name: str) -> None:
    """Ends the benchmark with a reason where a model was not fetched."""
    from Medical_KG_rev.text import ModelStore

    try:
        ModelStore(MODELS_DIR).path(name, "tokenizer")
    except ModelNotInstalledError:
        skip(f"the model {name} is not installed; run `medkg models fetch {name}`")


def records(path: Path) -> list[dict[str, Any]]:
    """JSON Lines."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def write_records(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """The rows as JSON Lines."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return path


def long_documents(abstracts: Sequence[dict[str, Any]], count: int, words: int = 1200) -> Iterator[dict[str, Any]]:
    """``count`` documents of at least so many words, each made of abstracts drawn at random (the same in every run)."""
    random = Random(0)
    for number in range(count):
        drawn: list[dict[str, Any]] = []
        while sum(len(row["text"].split()) for row in drawn) < words:
            drawn.append(random.choice(abstracts))
        yield {"_id": f"long-{number}", "title": drawn[0]["title"], "text": "\n\n".join(row["text"] for row in drawn)}


# --- what is run -----------------------------------------------------------------------------------------------------


@contextmanager
def workspace() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="medkg-bench-") as folder:
        yield Path(folder)


@dataclass(frozen=True)
class CommandRun:
    """One process (with its children) from start to end."""

    seconds: float
    output: str
    peak_mib: float
    """Sum of the greatest resident sizes of the process and its children: an upper bound of what they had at once."""

    def json(self) -> Any:
        return json.loads(self.output)


def command(
    arguments: Sequence[str],
    *,
    data_dir: Path,
    model: str = "static",
    watch_memory: bool = False,
    settings: Mapping[str, str] | None = None,
) -> CommandRun:
    """Runs a command as a user would: a new process, compiled modules kept (in the data folder's neighbour)."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MK_", "PYTHONDONTWRITE"))}
    environment |= {
        "MK_DATA_DIR": str(data_dir),
        "MK_MODELS_DIR": str(MODELS_DIR),
        "MK_EMBEDDING__MODEL": model,
        "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "medkg-bench-pycache"),
        **(settings or {}),
    }
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        started = time.perf_counter()
        process = subprocess.Popen(arguments, stdout=output, stderr=subprocess.DEVNULL, env=environment)
        peak = _watch(process) if watch_memory else 0.0
        code = process.wait()
        seconds = time.perf_counter() - started
        output.seek(0)
        content = output.read()
    if code:
        raise RuntimeError(f"{' '.join(arguments)} ended with code {code}: {content[-500:]}")
    return CommandRun(seconds, content, peak)


def ingest_command(path: Path, *, data_dir: Path, model: str = "static") -> CommandRun:
    """``medkg ingest local PATH --json``, its memory watched; every document must complete."""
    arguments = [MEDKG, "ingest", "local", str(path), "--json", "--quiet"]
    run = command(arguments, data_dir=data_dir, model=model, watch_memory=True)
    _require_completed(run.json(), path)
    return run


def _watch(process: subprocess.Popen[bytes]) -> float:
    """Waits for the process; the sum of the peak resident sizes (``VmHWM``, Linux) that it and its children reached, in MiB."""
    peaks: dict[int, int] = {}
    while process.poll() is None:
        for pid in _family(process.pid):
            peaks[pid] = max(peaks.get(pid, 0), _peak_kib(pid))
        time.sleep(0.05)
    return sum(peaks.values()) / 1024


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:  # ended meanwhile
        return []
    return [pid, *(member for child in children for member in _family(int(child)))]


def _peak_kib(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:  # ended meanwhile
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)


# --- in this process -------------------------------------------------------------------------------------------------


class StageClock:
    """Stands before a stage runner and adds up the seconds of each stage."""

    def __init__(self, runner: StageRunner) -> None:
        self._runner = runner
        self.seconds: dict[str, float] = {}

    def run_stage(self, batch_id: str, stage_name: str, run_id: str | None = None) -> StageReport:
        started = time.perf_counter()
        report = self._runner.run_stage(batch_id, stage_name, run_id)
        self.seconds[stage_name] = self.seconds.get(stage_name, 0.0) + time.perf_counter() - started
        return report

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runner, name)


def open_parts(data_dir: Path, model: str = "static", **more: Any) -> PlatformParts:
    """The parts of a process, as the worker has them. ``more``: settings by name, sections as dictionaries."""
    return PlatformParts(Settings(data_dir=data_dir, models_dir=MODELS_DIR, embedding=EmbeddingSettings(model=model), **more))


class Submitter:
    """Submits files in this process, to be run here or left to a worker. Nothing goes on beside it: no heartbeat, no relay."""

    def __init__(self, parts: PlatformParts) -> None:
        self._parts = parts
        self._session: IngestSession = open_session(parts, lambda _event: None)

    def submit(self, path: Path) -> list[str]:
        """Leaves the records of a file to whoever leases them; the ids of their jobs."""
        return [document["job_id"] for document in self._ingest(path, wait=False)["documents"]]

    def run(self, path: Path) -> float:
        """Runs the records of a file, all of which must complete; the seconds it took."""
        started = time.perf_counter()
        result = self._ingest(path, wait=True)
        seconds = time.perf_counter() - started
        _require_completed(result, path)
        return seconds

    def drained(self) -> float:
        """Waits until every event is published; the seconds that took."""
        started = time.perf_counter()
        while self._parts.ledger.outbox.depth().rows:
            time.sleep(0.01)
        return time.perf_counter() - started

    def _ingest(self, path: Path, *, wait: bool) -> dict[str, Any]:
        request = AdapterRequest(source="local", paths=(str(path),))
        return self._session.ingest(request, self._parts.pipeline("auto"), self._parts.adapters.get("local"), wait=wait)


@contextmanager
def relay_beside(data_dir: Path, **more: Any) -> Iterator[None]:
    """A process of its own that relays events, as one of several workers does for all."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    process = context.Process(target=_relay, args=(data_dir, more, stop))
    process.start()
    try:
        yield
    finally:
        stop.set()
        process.join(30)


def _relay(data_dir: Path, more: dict[str, Any], stop: Any) -> None:
    parts = open_parts(data_dir, **more)
    try:
        parts.relay.run(stop)
    finally:
        parts.close()


@contextmanager
def servers(folder: Path, names: Sequence[str]) -> Iterator[dict[str, Server]]:
    """Real servers of one's own, until the end; those that cannot be started are left out."""
    running: dict[str, Server] = {}
    try:
        for name in names:
            server = Server(CATALOGUE[name], folder / name, default_cache())
            try:
                server.start()
            except ServiceStartError as error:
                print(f"{name} is left out: {error}")
                continue
            running[name] = server
        yield running
    finally:
        for server in running.values():
            server.stop()


def services_settings(running: Mapping[str, Server]) -> dict[str, Any] | None:
    """Settings for a ledger on PostgreSQL and events on Kafka; None where one of them does not run."""
    if not {"postgres", "kafka"} <= running.keys():
        return None
    return {
        "database": {"url": running["postgres"].environment["MK_DATABASE__URL"]},
        "events": {"sink": "kafka", "bootstrap_servers": running["kafka"].addresses["broker"]},
    }


def ingest(parts: PlatformParts, path: Path, events: list[dict[str, Any]] | None = None) -> float:
    """What the worker does for ``medkg ingest local PATH``, in this process; the seconds it took. Events get a ``time``."""
    request = msgspec.to_builtins(AdapterRequest(source="local", paths=(str(path),)))
    told = events if events is not None else []
    started = time.perf_counter()
    result = execute(
        parts,
        {"command": "ingest", "request": request, "pipeline": "auto", "idempotency_key": None, "wait": True},
        lambda event: told.append({**event, "time": time.perf_counter()}),
    )
    seconds = time.perf_counter() - started
    _require_completed(result, path)
    return seconds


def _require_completed(result: dict[str, Any], path: Path) -> None:
    if result["completed"] != result["submitted"]:
        raise RuntimeError(f"{result['submitted'] - result['completed']} documents of {path} did not complete")


# --- what is printed -------------------------------------------------------------------------------------------------


def heading(title: str) -> None:
    """What is measured, and on what."""
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    cores = len(os.sched_getaffinity(0))
    print(f"\n## {title}\n\n{_processor()}, {cores} cores, load {load}, Python {platform.python_version()}\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A Markdown table; the first column is text, the others are numbers."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(column), *(len(row[index]) for row in cells)) for index, column in enumerate(columns)]
    aligned = [_line(columns, widths), _line(["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])], widths)]
    print("\n".join([*aligned, *(_line(row, widths) for row in cells)]) + "\n", flush=True)


def targets(rows: Iterable[tuple[str, float, str, float, str]]) -> None:
    """Targets as (what, measured, ``<=`` or ``>=``, bound, unit). Nothing fails: a table says how it is."""
    lines = []
    for what, measured, relation, bound, unit in rows:
        holds = measured <= bound if relation == "<=" else measured >= bound
        sign = "≤" if relation == "<=" else "≥"
        lines.append((what, _number(measured, unit), f"{sign} {bound:g}{unit}", "holds" if holds else "missed"))
    table(("target", "measured", "bound", ""), lines)


def _number(value: float, unit: str) -> str:
    return f"{value:.3g}{unit}" if abs(value) < 100 else f"{value:,.0f}{unit}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.ljust(width) if not index else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return f"| {' | '.join([first, *others])} |"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
