"""What holds for every server: started once, found again, ended by its own process and no other, and honest about all that."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import psutil
import pytest
from files_server import SERVE

from Medical_KG_rev.errors import ServiceStartError, StoreCorruptError
from Medical_KG_rev.services import Server
from Medical_KG_rev.services.state import write_state

pytestmark = pytest.mark.component

IGNORES_SIGTERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
WITH_A_CHILD = "import subprocess, sys; subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)'])\n"

MANY_THREADS = """
import threading, time
ballast = bytearray(300_000_000)
for _ in range(200):
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
"""

Make = Callable[..., Server]


def running_pid(server: Server) -> int:
    assert server.pid is not None
    return server.pid


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_started_server_is_ready_furnished_and_described(make_server: Make) -> None:
    server = make_server()
    state = server.start()
    status = server.status()
    assert (status.status, status.ready, status.pid) == ("running", True, state.pid)
    assert status.rss_bytes > 1_000_000
    assert status.addresses == {"http": f"127.0.0.1:{state.ports['http']}"}
    assert server.environment == {"MK_FILES__URL": f"http://{status.addresses['http']}"}
    assert "serving" in Path(status.log).read_text()
    assert (server.folder / "data" / "furnished").exists()


def test_it_outlives_its_starter_in_a_session_of_its_own(make_server: Make) -> None:
    server = make_server()
    server.start()
    assert os.getsid(running_pid(server)) != os.getsid(0)
    assert psutil.Process(running_pid(server)).ppid() != os.getpid()


def test_a_second_start_changes_nothing(make_server: Make) -> None:
    first = make_server().start()
    assert make_server().start() == first


def test_parallel_starts_make_one_process(make_server: Make) -> None:
    with ThreadPoolExecutor(4) as pool:
        states = list(pool.map(lambda _: make_server().start(), range(4)))
    assert len({state.pid for state in states}) == 1


def test_a_stop_keeps_address_data_and_secrets(make_server: Make) -> None:
    server = make_server()
    before = server.start()
    (server.folder / "data" / "kept").write_text("yes")
    assert server.stop()
    assert gone(before.pid or 0)
    assert (server.status().status, server.pid) == ("stopped", None)
    assert not server.stop()
    after = server.start()
    assert (after.ports, after.secrets) == (before.ports, before.secrets)
    assert after.pid != before.pid
    with urllib.request.urlopen(f"{server.environment['MK_FILES__URL']}/data/kept", timeout=5) as answer:
        assert answer.read() == b"yes"


def test_a_killed_server_is_called_crashed_and_comes_back(make_server: Make) -> None:
    server = make_server()
    before = server.start()
    assert server.kill()
    assert gone(before.pid or 0)
    assert (server.status().status, server.kill()) == ("crashed", False)
    assert server.start().ports == before.ports


def test_the_address_survives_kills_of_a_program_of_many_threads(make_server: Make) -> None:
    """Its first thread is gone before the last one lets go of the port."""
    server = make_server(script=MANY_THREADS + SERVE)
    ports = server.start().ports
    for _ in range(8):
        server.kill()
        assert server.start().ports == ports


def test_a_start_while_the_old_process_is_dying_brings_a_new_one(make_server: Make) -> None:
    server = make_server(script=MANY_THREADS + SERVE)
    before = server.start()
    os.kill(before.pid or 0, signal.SIGKILL)
    after = server.start()
    assert after.pid != before.pid
    assert after.ports == before.ports
    assert server.status().ready


def test_a_server_that_ends_by_itself_is_called_crashed(make_server: Make) -> None:
    server = make_server()
    os.kill(server.start().pid or 0, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while server.status().status == "running" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.status().status == "crashed"


def test_its_children_die_with_it(make_server: Make) -> None:
    server = make_server(script=WITH_A_CHILD + SERVE)
    server.start()
    (child,) = psutil.Process(running_pid(server)).children()
    server.kill()
    assert gone(child.pid)


def test_one_that_does_not_listen_is_killed_after_its_grace(make_server: Make) -> None:
    server = make_server(script=IGNORES_SIGTERM + SERVE)
    pid = server.start().pid or 0
    started = time.monotonic()
    server.stop()
    assert gone(pid)
    assert time.monotonic() - started >= 1.0


def test_another_process_with_the_recorded_id_is_left_alone(make_server: Make) -> None:
    server = make_server()
    state = server.start()
    server.stop()
    with subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"]) as bystander:
        write_state(server.folder, msgspec.structs.replace(state, pid=bystander.pid, create_time=time.time() - 1000))
        assert server.status().status == "crashed"
        assert not server.kill()
        assert not server.stop()
        assert bystander.poll() is None
        bystander.kill()


def test_a_port_that_somebody_took_is_replaced(make_server: Make) -> None:
    server = make_server()
    before = server.start()
    server.stop()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", before.ports["http"]))
        other.listen()
        after = server.start()
    assert after.ports != before.ports
    assert server.environment["MK_FILES__URL"].endswith(str(after.ports["http"]))


def test_a_program_that_ends_is_an_error_with_the_end_of_its_log(make_server: Make) -> None:
    server = make_server(script="raise SystemExit('no such tablespace')")
    with pytest.raises(ServiceStartError, match="no such tablespace") as caught:
        server.start()
    assert (caught.value.exit_code, caught.value.service, caught.value.log) == (3, "files", str(server.folder / "server.log"))
    assert server.status().status == "crashed"


def test_a_program_that_never_answers_is_not_left_running(make_server: Make) -> None:
    server = make_server(script="import time; time.sleep(600)")
    with pytest.raises(ServiceStartError, match="did not answer within 0 s"):
        server.start(timeout_seconds=0.2)
    assert (server.pid, server.status().status) == (None, "stopped")


def test_an_absent_program_is_named_and_nothing_is_prepared(make_server: Make) -> None:
    server = make_server(present=False)
    with pytest.raises(ServiceStartError, match="install files"):
        server.start()
    assert not (server.folder / "data").exists()


def test_a_preparation_that_was_cut_off_is_made_anew(make_server: Make) -> None:
    with pytest.raises(KeyboardInterrupt):
        make_server(breaks_off=True).start()
    (make_server().folder / "data" / "half").touch()
    make_server().start()
    assert not (make_server().folder / "data" / "half").exists()


def test_the_state_file_is_for_its_owner_only_and_says_what_runs(make_server: Make) -> None:
    server = make_server()
    state = server.start()
    path = server.folder / "state.json"
    assert path.stat().st_mode & 0o777 == 0o600
    written = json.loads(path.read_text())
    assert written["pid"] == state.pid
    assert written["addresses"] == state.addresses
    assert len(written["secrets"]["word"]) == 24


def test_a_broken_state_file_is_named(make_server: Make) -> None:
    server = make_server()
    server.folder.mkdir(parents=True)
    (server.folder / "state.json").write_text("{")
    with pytest.raises(StoreCorruptError, match=r"state\.json"):
        server.status()
    (server.folder / "state.json").unlink()


@pytest.mark.parametrize("end", [Server.stop, Server.kill])
def test_what_it_leaves_elsewhere_is_tidied_up(make_server: Make, end: Callable[[Server], bool]) -> None:
    server = make_server()
    server.start()
    (server.folder / "tmp" / "left").touch()
    end(server)
    assert not (server.folder / "data" / "furnished").exists()
    server.start()
    assert not (server.folder / "tmp" / "left").exists()


def test_removal_takes_everything(make_server: Make) -> None:
    server = make_server()
    pid = server.start().pid or 0
    server.remove()
    assert gone(pid)
    assert not server.folder.exists()
    assert server.status().status == "stopped"
