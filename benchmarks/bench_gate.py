"""A PDF at its gate: from the flag that its document is ready until the first stage behind the gate begins, with static vectors.

Small PDFs come one after the other: first through ingests in one process, as in `embedded`; then, on PostgreSQL, through
Dagster's daemon with its sensors, a warm `medkg worker` and a `medkg worker --pdf`, each a process of its own. Both times are the
ledger's: the end of `parse`, whose transaction sets the flag, and the start of `ir_validation`.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
from measuring import MEDKG, MODELS_DIR, heading, open_parts, servers, table, targets, workspace

from Medical_KG_rev.models import AdapterRequest
from Medical_KG_rev.parts import PlatformParts
from Medical_KG_rev.testing.pdf_samples import Line, Page, text_pdf
from Medical_KG_rev.worker import execute

FILES = 8
WARM_UP = 2
LIMIT_SECONDS = 60.0
LOOK_SECONDS = 0.05
BOUNDS = {"one process": 2.0, "daemon and worker": 7.0}


def write_pdf(folder: Path, number: int) -> Path:
    """A page that is like no other."""
    path = folder / f"group-{number}.pdf"
    lines = [f"We gave metformin to the adults of group {number}.", f"Nobody in group {number} had lactic acidosis."]
    path.write_bytes(text_pdf([Page([Line(60, 760 - 20 * row, line) for row, line in enumerate(lines)])]))
    return path


def submit(parts: PlatformParts, path: Path, *, wait: bool) -> str:
    """The job of an ingest of this file."""
    request = msgspec.to_builtins(AdapterRequest(source="local", paths=(str(path),)))
    command = {"command": "ingest", "request": request, "pipeline": "pdf-two-phase", "idempotency_key": None, "wait": wait}
    job_id: str = execute(parts, command, lambda _event: None)["documents"][0]["job_id"]
    return job_id


def latency(parts: PlatformParts, job_id: str) -> float:
    """Seconds between flag and next stage, once the job is completed."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not (job := parts.ledger.job(job_id)).terminal and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    if job.status != "completed":
        raise RuntimeError(f"job {job_id} is {job.status}: {job.error_message}")
    attempts = {each.stage: each for each in parts.ledger.attempts(job_id)}
    return float(attempts["ir_validation"].started_at - attempts["parse"].finished_at)


def measure(parts: PlatformParts, folder: Path, *, wait: bool) -> list[float]:
    """The latency of each file but those of the warm-up."""
    taken = [latency(parts, submit(parts, write_pdf(folder, number), wait=wait)) for number in range(WARM_UP + FILES)]
    return taken[WARM_UP:]


@contextmanager
def processes(folder: Path, settings: Mapping[str, str]) -> Iterator[None]:
    """Daemon, worker and PDF worker, until the end."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MK_", "DAGSTER_"))}
    environment.update(settings)
    home = subprocess.run([MEDKG, "ui", "--env", "--json"], env=environment, capture_output=True, text=True, check=True)
    daemon = str(Path(sys.executable).with_name("dagster-daemon"))
    commands = [[daemon, "run", "-m", "Medical_KG_rev.definitions"], [MEDKG, "worker"], [MEDKG, "worker", "--pdf"]]
    environment |= json.loads(home.stdout)
    running = [
        subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for command in commands
    ]
    try:
        yield
    finally:
        for process in running:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def main() -> None:
    heading(f"From the flag of a read PDF to the next stage, {FILES} files one after the other")
    found: dict[str, list[float]] = {}
    with workspace() as folder, servers(folder, ("postgres",)) as running:
        with closing(open_parts(folder / "embedded")) as parts:
            found["one process"] = measure(parts, folder, wait=True)
        if "postgres" in running:
            address = running["postgres"].environment["MK_DATABASE__URL"]
            sections: dict[str, Any] = {
                "profile": "services",
                "database": {"url": address},
                "events": {"sink": "log"},
                "object_store": {"kind": "filesystem"},
                "index": {"kind": "embedded"},
                "graph": {"kind": "ladybug"},
            }
            settings = {
                "MK_DATA_DIR": str(folder / "services"),
                "MK_MODELS_DIR": str(MODELS_DIR),
                "MK_EMBEDDING__MODEL": "static",
                "MK_PROFILE": "services",
                "MK_DATABASE__URL": address,
                "MK_EVENTS__SINK": "log",
                "MK_OBJECT_STORE__KIND": "filesystem",
                "MK_INDEX__KIND": "embedded",
                "MK_GRAPH__KIND": "ladybug",
            }
            with closing(open_parts(folder / "services", **sections)) as parts, processes(folder, settings):
                found["daemon and worker"] = measure(parts, folder, wait=False)
    table(
        ("seconds", "median", "greatest"),
        [(name, f"{statistics.median(taken):.2f}", f"{max(taken):.2f}") for name, taken in found.items()],
    )
    targets([(f"{name}: flag to next stage, greatest", max(taken), "<=", BOUNDS[name], " s") for name, taken in found.items()])


if __name__ == "__main__":
    main()
