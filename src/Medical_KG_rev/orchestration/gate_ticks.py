"""One look at all gates: what every resident worker, an ingest that waits, and Dagster's sensor do every second or so."""

from __future__ import annotations

from collections.abc import Callable

from Medical_KG_rev.observability.metrics import Metrics
from Medical_KG_rev.orchestration.ledger import Job, Ledger
from Medical_KG_rev.orchestration.ledger.gate import RuleFor

TICK_SECONDS = 1.0
"""How often a process that has nothing else to do looks."""


class GateTicker:
    """Lets jobs through whose condition holds, and ends those whose time is over.

    Args:
        size: jobs to a batch, at most.
        new_id: makes ids that sort by time, from a prefix.
    """

    def __init__(self, ledger: Ledger, rule_for: RuleFor, *, size: int, new_id: Callable[[str], str], metrics: Metrics) -> None:
        self._ledger = ledger
        self._rule_for = rule_for
        self._size = size
        self._new_id = new_id
        self._metrics = metrics

    def open(self, job_id: str, *, actor: str, reason: str) -> Job:
        """Lets a job through by hand; see :meth:`~.ledger.gate.JobGates.open`."""
        return self._ledger.job_gates.open(job_id, actor=actor, reason=reason, new_id=self._new_id)

    def tick(self) -> int:
        """How many jobs went on, at most :data:`~.ledger.gate.BATCHES_AT_ONCE` batches of them."""
        self._ledger.job_gates.expire()
        passed = self._ledger.job_gates.pass_ready(self._rule_for, size=self._size, new_id=self._new_id)
        for one in passed:
            self._metrics.gate_waited(one.batch.pipeline_name, one.gate, one.waited)
        return sum(len(one.waited) for one in passed)
