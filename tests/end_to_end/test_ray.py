"""The real command trains cells on a Ray cluster of two loopback nodes: the same bits, whichever process is killed."""

import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.end_to_end.faults import ITERATIONS, RUN, SELECTION
from tests.end_to_end.harness import Bench, same_bits, wait_for

pytestmark = [
    pytest.mark.skipif(find_spec("ray") is None, reason="the extra `ray` is not installed"),
    pytest.mark.timeout(900),  # Ray starts a dozen processes, which takes long on a busy machine
]

CELL_NAMES = ("infogan/seed-0", "infogan/seed-1")
LOOPBACK = "127.0.0.1"  # with any other address, a Ray node's services listen on every interface
SETTINGS = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # use 127.0.0.1 itself, not the machine's address on its network
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
}
OWN = ("seconds", "resumes", "peak_memory_mb", "notes")  # fields of a result that may differ between executors


# The cluster has a process of its own. So what Ray leaves unclosed causes no warning here, and the process that adds a
# node also removes it.
SERVE = """
import sys
from ray.cluster_utils import Cluster

node = {"num_cpus": 1, "node_ip_address": "LOOPBACK", "object_store_memory": 80_000_000}
cluster = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
print(cluster.address, flush=True)
for line in sys.stdin:
    if line.strip() == "add":
        cluster.add_node(**node)
    else:
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
    print("done", flush=True)
cluster.remove_node(cluster.head_node, allow_graceful=False)
"""


class Nodes:
    """A cluster with one node on loopback, and a second node that can be added and removed."""

    def __init__(self) -> None:
        program = [sys.executable, "-c", SERVE.replace("LOOPBACK", LOOPBACK)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        environment = (
            os.environ | SETTINGS | {"RAY_worker_niceness": "0"}
        )  # Ray's own 15 would let nothing end on a busy machine
        self.process = subprocess.Popen(program, text=True, start_new_session=True, env=environment, **pipes)
        self.address = self._line()
        self.has_second = False

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line, "Ray did not start"
        return line

    def set_second(self, wanted: bool) -> None:
        assert self.process.stdin is not None
        if wanted != self.has_second:
            self.process.stdin.write("add\n" if wanted else "remove\n")
            self.process.stdin.flush()
            assert self._line() == "done"
            self.has_second = wanted

    def close(self) -> None:
        self.set_second(False)
        self.process.communicate(timeout=60)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    nodes = Nodes()
    yield nodes
    nodes.close()


@pytest.fixture
def cluster(nodes: Nodes) -> Nodes:
    """The cluster with both nodes, whatever an earlier test did to the second."""
    nodes.set_second(True)
    return nodes


@pytest.fixture
def bench(tmp_path: Path, empty_database: Path) -> Bench:
    return Bench(tmp_path, ITERATIONS, dict(SETTINGS)).use_database(empty_database)


def on(cluster: Nodes, *more: str) -> tuple[str, ...]:
    return (*RUN, "--executor", "ray", "--ray-address", cluster.address, *more)


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def worker(cell: str) -> int:
    """Id of the process that trains the cell, found by the task name that Ray gives it; 0 if there is none."""
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cmdline").read_bytes().startswith(f"ray::tiny {cell}".encode()):
                return int(entry.name)
        except OSError:
            continue
    return 0


def has_checkpoint(bench: Bench, cell: str) -> bool:
    return cell in bench.cells() and (bench.cells()[cell] / "checkpoint.previous.pt").exists()


def hold(bench: Bench, cells: Sequence[str]) -> dict[str, int]:
    """Suspend each cell's worker once it has two checkpoints, so that no test depends on speed; returns their ids."""
    held: dict[str, int] = {}

    def all_held() -> bool:
        for cell in set(cells) - set(held):
            if has_checkpoint(bench, cell) and (pid := worker(cell)):
                os.kill(pid, signal.SIGSTOP)
                held[cell] = pid
        return len(held) == len(cells)

    wait_for(all_held, 300)
    assert not any((bench.cells()[cell] / "result.json").exists() for cell in cells)
    return held


def end(process: "subprocess.Popen[str]") -> str:
    try:
        return process.communicate(timeout=400)[0]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def check_same(bench: Bench, local: Bench) -> None:
    """Check that weights, curves, pictures and results equal those of the local executor to the last bit.

    MLflow must hold every point once.
    """
    from mlflow import MlflowClient

    assert set(bench.cells()) == set(local.cells()) == set(CELL_NAMES)
    for name, folder in bench.cells().items():
        assert same_bits(folder, local.cells()[name]), name
        results = [{k: v for k, v in b.records()[name].items() if k not in (*OWN, "sha256")} for b in (bench, local)]
        assert results[0] == results[1]
        identities = [json.loads((b.cells()[name] / "cell.json").read_text()) for b in (bench, local)]
        assert identities[0] == identities[1]  # this includes the environment, which workers record themselves
    client = MlflowClient(f"sqlite:///{bench.results}/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("tiny-cpu").experiment_id])
    counts = {r.info.run_name: len(client.get_metric_history(r.info.run_id, "mi/c1")) for r in runs}
    assert counts == dict.fromkeys(bench.cells(), ITERATIONS)


def test_killed_workers_and_nodes_change_no_bit(cluster: Nodes, bench: Bench, undisturbed: Bench) -> None:
    process = bench.start(*on(cluster))
    try:
        workers = hold(bench, CELL_NAMES)
        raylets = {parent(pid) for pid in workers.values()}
        assert len(raylets) == 2  # each node trains one cell
        on_head, on_second = sorted(workers.values(), key=parent)  # the head's raylet started first
        os.kill(on_head, signal.SIGKILL)
        cluster.set_second(False)
        with contextlib.suppress(ProcessLookupError):
            os.kill(on_second, signal.SIGCONT)  # it continues on a node that counts as dead
    finally:
        output = end(process)
    assert process.returncode == 0, output
    assert "Traceback" not in output
    assert "2 of 2 cells finished" in output
    assert len(re.findall("started again on .*: its worker died", output)) == 2, output
    assert len(re.findall("resumed at iteration", output)) == 2, output
    check_same(bench, undisturbed)
    assert not list(bench.results.glob(".launcher-*"))


@pytest.mark.slow
def test_an_undisturbed_sweep_is_that_of_the_local_executor(cluster: Nodes, bench: Bench, undisturbed: Bench) -> None:
    output = bench(*on(cluster))
    assert "2 of 2 cells finished" in output
    assert "again" not in output
    check_same(bench, undisturbed)
    assert "nothing to do" in bench(*on(cluster))


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_polite_stop_writes_checkpoints_and_resumes(
    cluster: Nodes, bench: Bench, undisturbed: Bench, signum: signal.Signals
) -> None:
    process = bench.start(*on(cluster, "--jobs", "1"))
    try:
        held = hold(bench, CELL_NAMES[:1])
        process.send_signal(signum)
        time.sleep(2)  # by then the launcher has told the worker to stop
        os.kill(held[CELL_NAMES[0]], signal.SIGCONT)
    finally:
        output = end(process)
    assert process.returncode == 128 + signum, output
    assert "stopping" in output
    assert "Traceback" not in output
    assert "2 cells: 1 partial, 1 missing" in bench("plan", *SELECTION)
    assert "resumed at iteration" in bench(*on(cluster))
    check_same(bench, undisturbed)


@pytest.mark.slow
def test_a_killed_launcher_leaves_its_cells_to_the_next(cluster: Nodes, bench: Bench, undisturbed: Bench) -> None:
    process = bench.start(*on(cluster))
    try:
        held = hold(bench, CELL_NAMES[:1])
        process.kill()
        os.kill(held[CELL_NAMES[0]], signal.SIGCONT)
    finally:
        end(process)
    assert "resumed at iteration" in bench(*on(cluster))
    check_same(bench, undisturbed)


@pytest.mark.slow
def test_a_worker_that_dies_at_every_start_is_a_failed_cell(cluster: Nodes, bench: Bench) -> None:
    process = bench.start(*on(cluster, "--seeds", "0"))
    killed = set()
    try:
        deadline = time.monotonic() + 200
        while process.poll() is None and time.monotonic() < deadline:
            found = worker("infogan/seed-0")
            if found and found not in killed and has_checkpoint(bench, "infogan/seed-0"):
                os.kill(found, signal.SIGKILL)
                killed.add(found)
            time.sleep(0.05)
    finally:
        output = end(process)
    assert process.returncode == 1, output
    assert "Traceback" not in output
    assert len(killed) == 4  # the first start and three retries
    record = bench.records()["infogan/seed-0"]
    assert (record["status"], record["error"]) == ("failed", "WorkerDied")
    assert "worker died" in output


def test_storage_that_is_not_shared_is_said_and_not_written_to(cluster: Nodes, bench: Bench) -> None:
    """The worker does not see the launcher's token file, as on a node with a local folder of the same name."""
    process = bench.start(*on(cluster, "--seeds", "0"))
    try:
        wait_for(lambda: list(bench.results.glob(".launcher-*")), 60)
        next(bench.results.glob(".launcher-*")).unlink()
    finally:
        output = end(process)
    assert process.returncode == 1, output
    assert "the results folder must be on shared storage" in " ".join(output.split())
    assert bench.cells() == {}


MISTAKES = {
    "executor": (["--executor", "slurm"], "choose from local, ray"),
    "address without ray": (["--ray-address", "10.0.0.1:6379"], "--ray-address needs --executor ray"),
    "address": (["--executor", "ray", "--ray-address", "somewhere"], "expected HOST:PORT"),
    "client's address": (["--executor", "ray", "--ray-address", "ray://head:10001"], "on a node of the cluster"),
    "nobody there": (["--executor", "ray", "--ray-address", f"{LOOPBACK}:1"], "no Ray cluster answers"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_changes_nothing(tmp_path: Path, name: str) -> None:
    bench = Bench(tmp_path)
    arguments, message = MISTAKES[name]
    say = bench if name == "nobody there" else bench.here  # Ray keeps state in a process that tried to connect
    output = say("run", "tiny", *arguments, code=2)
    assert output.strip().splitlines() == [output.strip()]
    assert message in output
    assert not bench.results.exists()


def test_a_cell_that_fits_on_no_node_is_refused(cluster: Nodes, tmp_path: Path) -> None:
    bench = Bench(tmp_path, environment=dict(SETTINGS))
    text = bench.spec.read_text().replace("num_images = 640", "num_images = 640\nresources = { cpus = 8 }")
    bench.spec.write_text(text)
    output = bench(*on(cluster), code=2)
    assert "has room for a cell: cpus = 8" in output
    assert not bench.results.exists()


@pytest.mark.slow
def test_the_cluster_listens_on_loopback_and_asks_for_its_token(cluster: Nodes, tmp_path: Path) -> None:
    import psutil

    family = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("RAY_AUTH_TOKEN") == SETTINGS["RAY_AUTH_TOKEN"]:
                family.add(process.pid)
    sockets = [c for c in psutil.net_connections("inet") if c.status == psutil.CONN_LISTEN and c.pid in family]
    assert len(sockets) >= 4
    assert {socket.laddr.ip.removeprefix("::ffff:") for socket in sockets} == {LOOPBACK}

    for token in ({"RAY_AUTH_TOKEN": "0" * 64}, {"RAY_AUTH_MODE": "disabled"}):
        bench = Bench(tmp_path, ITERATIONS, SETTINGS | token)
        output = bench(*on(cluster), code=2)
        assert output.startswith("error: no Ray cluster to connect to: ")
        assert output.count("\n") == 1
        assert bench.cells() == {}
