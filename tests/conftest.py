"""Set-up of all tests: one thread, as cells train; no network; caches that belong to this session alone."""

import ctypes
import fcntl
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CACHE = "infogan-test-cache-"
# the processes of pytest-xdist share the cache of the process that started them
if "PYTEST_XDIST_WORKER" not in os.environ or CACHE not in os.environ.get("INFOGAN_CACHE", ""):
    _CACHE = tempfile.TemporaryDirectory(prefix=CACHE)
    os.environ["INFOGAN_CACHE"] = _CACHE.name
os.environ["INFOGAN_OFFLINE"] = "1"
os.environ.pop("INFOGAN_DATA", None)
os.environ.pop("MLFLOW_TRACKING_URI", None)
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):  # an outer make's; a test's own make would try to use its jobs
    os.environ.pop(name, None)
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # so that what tests start often is compiled once
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # `make test &`: started programs would ignore Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # `nohup make test`
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test alone; nothing is in it."""
    monkeypatch.setenv("INFOGAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


READS_ANYTHING = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


@pytest.fixture
def held_to_modes() -> Iterator[None]:
    """For this thread, until the test ends, drop root's capabilities to read any file."""
    if os.geteuid() != 0:
        yield
        return
    if sys.platform != "linux":
        pytest.skip("root may read anything")
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3 of the call; this thread
    held = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable, of capabilities 0 to 31 and of the others
    assert libc.capget(header, held) == 0
    less = (ctypes.c_uint32 * 6)(held[0] & ~READS_ANYTHING, *held[1:])
    assert libc.capset(header, less) == 0
    yield
    assert libc.capset(header, held) == 0


MadeOnce = Callable[[str, Callable[[Path], None]], Path]  # (name, function that fills the new folder) -> folder


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> MadeOnce:
    """Makes a folder that tests only read, once for all processes of pytest-xdist: one fills it, the others wait."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def folder_of(name: str, fill: Callable[[Path], None]) -> Path:
        folder, is_made = shared / name, shared / f"{name}.made"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not is_made.exists():
                shutil.rmtree(folder, ignore_errors=True)  # from a process that failed
                folder.mkdir()
                fill(folder)
                is_made.touch()
        return folder

    return folder_of


ODD_NAME = "q?x=1#f 100%25;\n数"  # a folder of this name must do for a database


@pytest.fixture(scope="session")
def empty_database(made_once: MadeOnce) -> Path:
    """A migrated MLflow database, made once, since the migrations take about 10 s."""
    return made_once("empty", _make_database) / ODD_NAME / "mlflow.db"


def _make_database(folder: Path) -> None:
    """Make the database in spite of what a killed process has left there."""
    database = folder / ODD_NAME / "mlflow.db"
    database.parent.mkdir()
    database.with_name(".mlflow.db.incoming").write_bytes(b"half a database")
    from bench.tracking.connection import connect
    from bench.tracking.uri import sqlite_uri

    connect(sqlite_uri(database))
    assert list(database.parents[1].iterdir()) == [database.parent]  # and no folder of a misread name
    assert sorted(p.name for p in database.parent.iterdir()) == [".mlflow.db.lease", "mlflow.db"]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the counts of a pytest-xdist process to the process that prints."""
    if hasattr(session.config, "workeroutput"):
        from tests import tally

        session.config.workeroutput["tally"] = tally.state()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add the counts of a pytest-xdist process that has ended; if it crashed, there are none."""
    from tests import tally

    tally.add(getattr(node, "workeroutput", {}).get("tally", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the fault and fuzz suites have counted."""
    from tests import tally

    told = tally.lines()
    if told:
        terminalreporter.section("faults and mutants")
        for line in told:
            terminalreporter.write_line(line)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the end-to-end tests first, since they take longest, so that all processes finish at about the same time."""
    items.sort(key=lambda item: "end_to_end" not in item.path.parts)
