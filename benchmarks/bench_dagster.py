"""Dagster's own cost: a warm run of eight ops that do nothing, in this process, on its stock storages and on ours.

The floor under `bench_orchestration.py`: what a batch costs before a stage, a ledger or an event has done anything.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dagster import (
    DagsterInstance,
    DependencyDefinition,
    GraphDefinition,
    In,
    JobDefinition,
    OpDefinition,
    Out,
    Output,
    in_process_executor,
)
from measuring import heading, servers, table, targets, workspace

from Medical_KG_rev.orchestration.dagster.instance import open_instance
from Medical_KG_rev.orchestration.dagster.jobs import QUIET
from Medical_KG_rev.settings import Settings

OPS = 8
WARM_UP = 3
ROUNDS = 20
BATCH = 500
STOCK = """\
telemetry:
  enabled: false
compute_logs:
  module: dagster._core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
"""
STOCK_POSTGRES = """\
storage:
  postgres:
    postgres_url:
      env: BENCH_STOCK_POSTGRES_URL
"""


def idle_job() -> JobDefinition:
    """A chain of ops, each handing a reference to the next."""

    def compute(_context, inputs):  # type: ignore[no-untyped-def]  # Dagster reads annotations
        yield Output(next(iter(inputs.values()), {"batch_id": "b"}), metadata={"documents completed": BATCH})

    def op(number: int) -> OpDefinition:
        ins = {"upstream": In(dict)} if number else {}
        return OpDefinition(name=f"op_{number}", compute_fn=compute, ins=ins, outs={"result": Out(dict)})

    wires = {f"op_{number}": {"upstream": DependencyDefinition(f"op_{number - 1}")} for number in range(1, OPS)}
    graph = GraphDefinition(name="idle", node_defs=[op(number) for number in range(OPS)], dependencies=wires)
    return graph.to_job(name="idle_job", executor_def=in_process_executor)


@contextmanager
def stock_instance(home: Path, extra: str = "") -> Iterator[DagsterInstance]:
    home.mkdir()
    (home / "dagster.yaml").write_text(STOCK + extra, encoding="utf-8")
    with DagsterInstance.from_config(str(home)) as instance:
        yield instance


@contextmanager
def our_instance(home: Path, postgres_url: str = "") -> Iterator[DagsterInstance]:
    """As batches have it, from the configuration that is shipped."""
    name = "dagster-services.yaml" if postgres_url else "dagster.yaml"
    with open_instance(home, Settings().orchestration_dir() / name, postgres_url) as instance:
        yield instance


def measure(job: JobDefinition, instance: DagsterInstance) -> tuple[float, float, float]:
    """Least and median milliseconds of a run by the clock, and the median of this process's processor time."""
    wall, cpu = [], []
    for _ in range(WARM_UP + ROUNDS):
        started, worked = time.perf_counter(), time.process_time()
        job.execute_in_process(instance=instance, run_config={"loggers": QUIET})
        wall.append((time.perf_counter() - started) * 1e3)
        cpu.append((time.process_time() - worked) * 1e3)
    return min(wall[WARM_UP:]), statistics.median(wall[WARM_UP:]), statistics.median(cpu[WARM_UP:])


def main() -> None:
    heading(f"Dagster alone, {OPS} ops without work a run, {ROUNDS} runs")
    job, found = idle_job(), {}
    with workspace() as folder, servers(folder, ("postgres",)) as running:
        with DagsterInstance.ephemeral() as instance:
            found["no storage"] = measure(job, instance)
        with stock_instance(folder / "stock") as instance:
            found["SQLite, stock"] = measure(job, instance)
        with our_instance(folder / "ours") as instance:
            found["SQLite, ours"] = measure(job, instance)
        if "postgres" in running:
            url = running["postgres"].environment["MK_DATABASE__URL"]
            os.environ["BENCH_STOCK_POSTGRES_URL"] = url
            with stock_instance(folder / "stock-postgres", STOCK_POSTGRES) as instance:
                found["PostgreSQL, stock"] = measure(job, instance)
            with our_instance(folder / "ours-postgres", url) as instance:
                found["PostgreSQL, ours"] = measure(job, instance)
    table(
        ("a run, ms", "least", "median", "median CPU", f"median a document of {BATCH}"),
        [(name, *(f"{value:.0f}" for value in taken), f"{taken[1] / BATCH:.2f}") for name, taken in found.items()],
    )
    pairs = [
        (place, found[f"{place}, ours"][1], found[f"{place}, stock"][1])
        for place in ("SQLite", "PostgreSQL")
        if f"{place}, ours" in found
    ]
    targets([(f"{place}: ours against stock", ours / stock, "<=", 0.5, "") for place, ours, stock in pairs])


if __name__ == "__main__":
    main()
