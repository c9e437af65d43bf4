"""A process that writes batches, for the tests that kill it, starve it of disk, or read while it writes.

It reads orders from stdin, one JSON object a line, forks a child that carries them out (so that libraries are loaded only
once), and answers with a line: ``status`` of the child and the ``results`` of its batches.

The orders: ``root`` (as index_places.py takes it), ``batches`` ([{"documents", "version"}]), ``kill_at`` (the step at which the
child kills itself), ``kill_server_at`` (the step at which it kills the OpenSearch of the folder ``server``), ``file_bytes`` (no
file may grow beyond, from the start or from the step ``starve_at``), ``results`` (where the child leaves its results).
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import signal
import sys
import traceback
from pathlib import Path

import faiss  # noqa: F401  (loaded before the fork)
import tantivy  # noqa: F401

from Medical_KG_rev.errors import MedicalKGError
from Medical_KG_rev.index import HaystackIndexWriter
from Medical_KG_rev.services import CATALOGUE, Server, default_cache

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures" / "servers"))
from index_places import open_stores


def load_corpus():
    spec = importlib.util.spec_from_file_location("corpus", Path(__file__).with_name("conftest.py"))
    conftest = importlib.util.module_from_spec(spec)
    sys.modules["corpus"] = conftest
    spec.loader.exec_module(conftest)
    return conftest.Corpus()


def carry_out(orders, corpus):
    def step(name):
        if name == orders.get("kill_server_at"):
            Server(CATALOGUE["opensearch"], Path(orders["server"]), default_cache()).kill()
        if name == orders.get("kill_at"):
            os.kill(os.getpid(), signal.SIGKILL)
        if name == orders.get("starve_at"):
            resource.setrlimit(resource.RLIMIT_FSIZE, (orders["file_bytes"], resource.RLIM_INFINITY))

    writer = HaystackIndexWriter(open_stores(orders["root"]), step=step)
    if "starve_at" not in orders and "file_bytes" in orders:
        resource.setrlimit(resource.RLIMIT_FSIZE, (orders["file_bytes"], resource.RLIM_INFINITY))
    results = []
    for batch in orders["batches"]:
        try:
            receipt = corpus.write(writer, batch["documents"], batch["version"])
        except MedicalKGError as error:
            results.append({"error": error.code, "message": error.message})
        else:
            results.append({"generation": receipt.generation, "chunks": receipt.chunks})
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    Path(orders["results"]).write_text(json.dumps(results))


def main():
    corpus = load_corpus()
    for line in sys.stdin:
        orders = json.loads(line)
        child = os.fork()
        if not child:
            status = 1
            try:
                carry_out(orders, corpus)
                status = 0
            except Exception:  # noqa: BLE001  (the child must not go on as its parent)
                traceback.print_exc()
            finally:
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        results = json.loads(Path(orders["results"]).read_text()) if status == 0 else []
        sys.stdout.write(json.dumps({"status": status, "results": results}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
