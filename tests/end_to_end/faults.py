"""Real faults for a running sweep, and checks of what must still hold after each.

A fault is a signal, a resource limit set on a running process, or damage on disk. None needs a patched program.
"""

import contextlib
import hashlib
import os
import random
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bench.console import Exit
from bench.records.folder import CellFolder
from bench.records.storage import CorruptRecord
from bench.spec.selection import parse_seeds
from tests.end_to_end.harness import PATIENCE_S, ROOT, Bench, same_bits, wait_for
from tests.tally import FAULTS, SEEDS

SELECTION = ("tiny", "--arms", "infogan", "--seeds", "0-1")
RUN = ("run", *SELECTION, "--checkpoint-every", "3")
PLAN = ("plan", *SELECTION)
ITERATIONS = 60
NO_FILE_GROWS = 1024  # bytes; every checkpoint is larger


# ---------------------------------------------------------------- processes
def session(launcher: int) -> dict[int, int]:
    """Parents of the living processes in the launcher's session, by process id."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                state, parent, _, own = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
                if int(own) == launcher and state != "Z":
                    found[int(entry.name)] = int(parent)
    return found


def workers(launcher: int) -> list[int]:
    """Ids of the processes that train a cell: grandchildren of the launcher, forked by the server of workers."""
    return [pid for pid, parent in session(launcher).items() if parent not in (launcher, 1) and pid != launcher]


@contextmanager
def running(bench: Bench, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start the command in a session of its own. At the end, what is left of the session is killed."""
    process = bench.start(*arguments)
    try:
        yield process
    finally:
        if process.poll() is None or session(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE_S)
        if process.stdout:
            process.stdout.close()


def num_checkpoints(bench: Bench) -> int:
    """Number of cells with two checkpoints. If one is damaged, such a cell can fall back on the other."""
    return sum((folder / "checkpoint.previous.pt").exists() for folder in bench.cells().values())


# ---------------------------------------------------------------- file systems
class Volume:
    """A small file system in its own mount namespace. It is seen from outside only through /proc."""

    def __init__(self, folder: Path, size: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-U", "-r", "-m"]
        script = 'mount -t tmpfs -o size="$1" fault "$0" && echo mounted && exec sleep 900'
        if not (shutil.which("unshare") and shutil.which("nsenter")):
            pytest.skip("no small file system: unshare and nsenter (util-linux) are not installed")
        self._holder = subprocess.Popen(
            [*unshare, "sh", "-c", script, str(folder), size],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert self._holder.stdout is not None
        said = self._holder.stdout.readline().strip()
        if said != "mounted":
            self.close()
            pytest.skip(f"no small file system: this system does not let a test mount one ({said})")

    def prefix(self) -> list[str]:
        """The words that run a command in the namespace, in the repository's root: nsenter itself starts in /."""
        enter = ["nsenter", "-t", str(self._holder.pid), "-m"] + (
            [] if os.geteuid() == 0 else ["-U", "--preserve-credentials"]
        )
        return [*enter, "sh", "-c", 'cd "$0" && exec "$@"', str(ROOT)]

    def seen(self, path: Path) -> Path:
        """The path by which a process outside the namespace reaches the same file."""
        return Path(f"/proc/{self._holder.pid}/root") / path.relative_to("/")

    def remount(self, options: str) -> None:
        subprocess.run([*self.prefix(), "mount", "-o", f"remount,{options}", str(self.folder)], check=True)

    def bench(self, iterations: int, folder: Path) -> Bench:
        """A sweep whose results lie on the volume; its experiments.toml lies outside."""
        bench = Bench(folder, iterations, prefix=self.prefix())
        bench.results = self.folder / "results"
        bench.seen = self.seen(bench.results)
        return bench

    def close(self) -> None:
        self._holder.kill()
        self._holder.wait()
        assert self._holder.stdout is not None
        self._holder.stdout.close()


# ---------------------------------------------------------------- what must hold
def file_digests(folder: Path) -> dict[str, str]:
    """Digests of a cell's files, except the mirror's note and the lease."""
    files = (p for p in folder.iterdir() if p.name not in ("tracking.json", "lease"))
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


class Witness:
    """Remembers the finished cells and checks after each round whether anything was lost or reported wrongly."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.finished: dict[str, dict[str, str]] = {}

    def losses(self, *, ask_plan: bool = True) -> list[str]:
        """One line for each thing that was lost, stored twice or reported wrongly."""
        lost, told = [], self._told() if ask_plan else {}
        for name, path in self.bench.cells().items():
            folder = CellFolder(path)
            result = folder.result()
            status = result.status if result else None
            if name in self.finished and file_digests(path) != self.finished[name]:
                lost.append(f"{name} was finished and has changed")
            if status == "done":
                lost += [f"{name} is done without {what}" for what in self._lacking(folder)]
                self.finished.setdefault(name, file_digests(path))
            truth = {"done": ("done", "unsynced"), "failed": ("failed",), None: ("partial",)}[status]
            if ask_plan and told.get(name) not in truth:
                lost.append(f"plan says {told.get(name)} of {name}, the records say {truth[0]}")
        gone = self.finished.keys() - self.bench.cells().keys()
        return lost + [f"{name} was finished and is gone" for name in gone] + self._doubled()

    def _lacking(self, folder: CellFolder) -> list[str]:
        lacking = []
        try:
            history = folder.history()
            if history is None or len(history) != self.bench.iterations:
                lacking.append("its whole history")
            folder.weights()
        except (CorruptRecord, FileNotFoundError) as error:
            lacking.append(str(error))
        return lacking

    def _told(self) -> dict[str, str]:
        plan = self.bench if self.bench.prefix else self.bench.here
        rows = re.findall(r"(infogan) +(\d+(?:-\d+)?) +\d+ +([a-z]+)", plan(*PLAN))
        return {f"{arm}/seed-{seed}": state for arm, seeds, state in rows for seed in parse_seeds(seeds)}

    def _doubled(self) -> list[str]:
        """Find points stored twice and cells with two runs, by reading the database itself."""
        with database_copy(self.bench) as file, closing(sqlite3.connect(file)) as database:
            points = database.execute(
                "SELECT r.name, m.key, m.step FROM metrics m JOIN runs r USING (run_uuid) "
                "WHERE r.lifecycle_stage = 'active' GROUP BY r.name, m.key, m.step HAVING count(*) > 1"
            ).fetchall()
            runs = database.execute(
                "SELECT name FROM runs WHERE lifecycle_stage = 'active' GROUP BY name HAVING count(*) > 1"
            ).fetchall()
        return [f"MLflow holds {row} twice" for row in points + runs]


@contextmanager
def database_copy(bench: Bench) -> Iterator[Path]:
    """A temporary copy of the database and its journals.

    SQLite resolves a path through /proc wrongly. Also, opening the original could complete what a kill left half done.
    """
    with tempfile.TemporaryDirectory() as folder:
        for file in bench.seen.glob("mlflow.db*"):
            shutil.copy(file, folder)
        yield Path(folder, "mlflow.db")


def points(bench: Bench) -> dict[str, int]:
    """Number of points of mi/c1 in each run, as MLflow's own client counts them."""
    from mlflow import MlflowClient

    with database_copy(bench) as file:
        client = MlflowClient(f"sqlite:///{file}")
        experiment = client.get_experiment_by_name("tiny-cpu")
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id])
        return {run.info.run_name or "": len(client.get_metric_history(run.info.run_id, "mi/c1")) for run in runs}


def check_same(bench: Bench, undisturbed: Bench) -> None:
    """Check that cells, bits and points are those of the sweep without any fault."""
    assert set(bench.cells()) <= set(undisturbed.cells())
    for name, folder in bench.cells().items():
        assert same_bits(folder, undisturbed.cells()[name]), name
    assert points(bench) == dict.fromkeys(bench.cells(), bench.iterations)


# ---------------------------------------------------------------- faults
def damage(file: Path, rng: random.Random) -> None:
    """Flip one bit of the file, or cut off its end."""
    content = bytearray(file.read_bytes())
    if rng.random() < 0.5:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    else:
        del content[rng.randrange(len(content)) :]
    file.write_bytes(content)


def limit(pids: list[int], which: int, num_bytes: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, which, (num_bytes, num_bytes))


KINDS = (
    *("worker killed", "launcher killed", "Ctrl-C twice", "no space", "no memory"),
    *("Ctrl-C", "SIGTERM", "second launcher", "checkpoint damaged", "worker and launcher killed"),
)


def strike(bench: Bench, process: subprocess.Popen[str], kind: str) -> tuple[int, ...]:
    """Apply the fault to the running sweep; returns the exit codes that may follow."""
    launcher = process.pid
    if kind == "worker killed":
        for pid in workers(launcher)[:1]:
            os.kill(pid, signal.SIGKILL)
        return (1,)
    if kind == "launcher killed":
        process.kill()
        return (-signal.SIGKILL,)
    if kind == "worker and launcher killed":
        os.killpg(launcher, signal.SIGKILL)
        return (-signal.SIGKILL,)
    if kind in ("Ctrl-C", "Ctrl-C twice"):  # a terminal sends it to every process
        for _ in range(1 + (kind == "Ctrl-C twice")):
            os.killpg(launcher, signal.SIGINT)
            time.sleep(0.3)
        return (130,)
    if kind == "SIGTERM":
        process.terminate()
        return (143,)
    if kind == "no space":
        limit(workers(launcher), resource.RLIMIT_FSIZE, NO_FILE_GROWS)
        return (1,)
    if kind == "no memory":
        limit(workers(launcher), resource.RLIMIT_AS, 1 << 20)
        return (1,)
    if kind == "second launcher":
        assert "in use by" in bench(*RUN, code=2)
        return (0,)
    assert kind == "checkpoint damaged", kind
    process.terminate()
    return (143,)


def round_of(bench: Bench, witness: Witness, kind: str, seed: int) -> list[str]:
    """Run the sweep with one fault; returns the losses. ``seed`` sets its time, perhaps before the first iteration."""
    rng = random.Random(seed)
    FAULTS["rounds"] += 1
    SEEDS.append(seed)
    with running(bench, *RUN) as process:
        wait_for(lambda: process.poll() is not None or len(workers(process.pid)) > 0)
        if rng.random() < 0.7:
            wait_for(lambda: process.poll() is not None or num_checkpoints(bench) > 0)
        time.sleep(rng.uniform(0, 1.0))
        struck = process.poll() is None
        codes: tuple[int, ...] = strike(bench, process, kind) if struck else (0,)
        output, _ = process.communicate(timeout=PATIENCE_S)
        wait_for(lambda: not session(process.pid))  # no orphan may continue training
    FAULTS[kind] += struck
    is_late = "training has ended" in output and "stopping: " not in output
    if codes in ((130,), (143,)) and is_late:
        codes = (*codes, Exit.NOT_TRACKED)  # the signal ended only the wait for the mirror
    lost = [] if process.returncode in (*codes, 0) else [f"exit code {process.returncode}, expected {codes}: {output}"]
    lost += ["a traceback on the console: " + output] if "Traceback" in output else []
    for folder in bench.cells().values():
        if kind == "checkpoint damaged" and (folder / "checkpoint.previous.pt").exists():
            damage(folder / "checkpoint.pt", rng)
    lost += witness.losses()
    FAULTS["losses"] += len(lost)
    return [f"{kind}, seed {seed}: {line}" for line in lost]
