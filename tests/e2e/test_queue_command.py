"""The queue's switches from the command line."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest
from shipped_medkg import Medkg, write_study

pytestmark = pytest.mark.e2e


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return write_study(tmp_path / "studies", "NCT99990011", "A study of rest", "Patients with sciatica rested.").parent


def test_a_paused_queue_takes_no_work_until_it_is_resumed(medkg: Medkg, study: Path) -> None:
    paused = medkg("queue", "pause", "--reason", "moving house", "--json").expect(0).json
    assert {name: gate["reason"] for name, gate in paused["paused"].items()} == {
        "admission": "moving house",
        "leasing": "moving house",
    }
    refused = medkg("ingest", "local", study).expect(3)
    assert "moving house" in refused.err
    assert "medkg queue resume" in refused.err
    assert medkg.ledger("SELECT count(*) FROM jobs") == [(0,)]
    assert medkg("queue", "resume", "--json").expect(0).json["paused"] == {}
    assert medkg("ingest", "local", study, "--json").expect(0).json["completed"] == 1
    trail = medkg.ledger("SELECT action, actor, reason FROM audit ORDER BY audit_id")
    assert trail == [
        ("queue.admission.close", getpass.getuser(), "moving house"),
        ("queue.leasing.close", getpass.getuser(), "moving house"),
        ("queue.admission.open", getpass.getuser(), ""),
        ("queue.leasing.open", getpass.getuser(), ""),
    ]


def test_paused_leasing_still_takes_work_that_waits(medkg: Medkg, study: Path) -> None:
    medkg("queue", "pause", "--leasing").expect(0)
    medkg("ingest", "local", study, "--no-wait").expect(0)
    assert medkg("worker", "--once", "--json").expect(0).out.count('"batch"') == 0
    state = medkg("queue", "status", "--json").expect(0).json
    assert (list(state["paused"]), state["at_work"], state["jobs"]) == (["leasing"], 0, {"queued": 1})
    assert "leasing        paused" in medkg("queue", "status").expect(0).out


def test_drain_pauses_both_and_waits_for_what_is_at_work(medkg: Medkg, study: Path) -> None:
    drained = medkg("queue", "drain", "--timeout", "5", "--json").expect(0).json
    assert (sorted(drained["paused"]), drained["drained"]) == (["admission", "leasing"], True)
    medkg("queue", "resume").expect(0)
    medkg("ingest", "local", study, "--no-wait").expect(0)
    from Medical_KG_rev.platform import Platform

    with Platform.open(data_dir=medkg.data_dir) as platform:  # a worker that holds its batch and does not give it back
        queue = platform.parts.ledger.queue
        assert queue.lease("another-host", 300) is not None
        assert queue.leases() == (1, 0)
        late = medkg("queue", "drain", "--timeout", "1", "--json").expect(1)
    assert (late.json["at_work"], late.json["drained"]) == (1, False)
    assert "batches still at work after 1 s: 1" in late.err
