"""Locks on shared storage have one holder at a time, however holders end, on this machine or on another."""

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bench.records.leases import is_locked, process_start, this_machine
from bench.records.locks import Lock, Locked, LockLost

ROOT = Path(__file__).parents[3]
BEAT_S, LAPSE_S = 0.05, 0.6


def elsewhere(path: Path, holder: str = "the other", machine: str = "another boot pid:[1]", **options) -> Lock:
    """A lock taken as by a process of another machine, whose holder cannot be looked up here."""
    return Lock(path, holder, machine=machine, beat_s=BEAT_S, lapse_s=LAPSE_S, **options)


def falls_silent(lock: Lock) -> None:
    """Act like a machine that loses its power: no more heartbeats, and nothing is released."""
    lock._released.set()
    lock._thread.join()


def contend(path: Path, machine: str | None, num_rounds: int, found: "multiprocessing.Queue[int]") -> None:
    """Take the lock repeatedly; meanwhile a file that only one may create shows whether there is another holder."""
    inside, rounds = path.parent / "inside", 0
    while rounds < num_rounds:
        try:
            with Lock(path, "a contender", machine=machine, beat_s=BEAT_S, patience_s=60.0) as lock:
                os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
                time.sleep(0.001)
                lock.check()
                inside.unlink()
            rounds += 1
        except Locked:
            continue
        except FileExistsError:
            found.put(-1)
            return
    found.put(rounds)


@pytest.mark.parametrize("machines", [(None,), ("one pid:[1]", "two pid:[1]")], ids=["one machine", "two machines"])
def test_many_contenders_are_never_inside_together(tmp_path: Path, machines: tuple[str | None, ...]) -> None:
    context = multiprocessing.get_context("spawn")
    found = context.Queue()
    processes = [
        context.Process(target=contend, args=(tmp_path / "lease", machines[k % len(machines)], 12, found))
        for k in range(4)
    ]
    for process in processes:
        process.start()
    assert [found.get(timeout=120) for _ in processes] == [12] * 4
    for process in processes:
        process.join()
    assert not is_locked(tmp_path / "lease")
    assert len(list((tmp_path / "lease").iterdir())) == 1  # a single lease is left, which was released


def test_a_killed_holder_frees_it_at_once(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    program = "import sys, time\nfrom pathlib import Path\nfrom bench.records.locks import Lock\n"
    program += f"with Lock(Path({str(path)!r}), 'the child'):\n    print('held', flush=True)\n    time.sleep(60)\n"
    child = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    assert is_locked(path)
    with pytest.raises(Locked, match=r"is in use by the child on"), Lock(path, "me"):
        pass
    child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and not awaited: a zombie holds nothing
    assert not is_locked(path)
    with Lock(path, "me"):
        assert is_locked(path)
    assert not is_locked(path)
    child.wait()
    child.stdout.close()


def test_a_later_process_with_the_same_id_is_not_the_holder(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    with Lock(path, "me") as lock:
        assert is_locked(path)
        content = lock._content() | {"started": str(int(process_start(os.getpid())) - 1)}
        lock._write(content)
        assert not is_locked(path)


def test_a_living_holder_elsewhere_is_respected(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    with elsewhere(path) as held:
        started = time.monotonic()
        with pytest.raises(Locked, match="the other"), elsewhere(path, machine="a third pid:[1]"):
            pass
        assert time.monotonic() - started < LAPSE_S  # a heartbeat was seen: it need not wait any longer
        with pytest.raises(Locked), elsewhere(path, machine="a third pid:[1]", patience_s=3 * LAPSE_S):
            pass
        assert is_locked(path)
        held.check()


def test_a_silent_holder_elsewhere_is_replaced_and_notices(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    silent = elsewhere(path).__enter__()
    falls_silent(silent)
    assert is_locked(path)  # a single look cannot know
    started = time.monotonic()
    with Lock(path, "me", lapse_s=LAPSE_S) as lock:
        assert time.monotonic() - started >= LAPSE_S
        with pytest.raises(LockLost, match="taken over"):
            silent.check()
        silent.__exit__()  # it comes back to life and releases what is no longer its own
        assert is_locked(path)
        lock.check()


def test_a_holder_that_is_replaced_learns_it_from_its_own_heartbeat(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    with elsewhere(path) as held:
        (path / str(held._number + 1)).write_bytes(json.dumps({"free": True}).encode())
        deadline = time.monotonic() + 10
        while not held.lost and time.monotonic() < deadline:
            time.sleep(BEAT_S)
        assert held.lost


def test_of_two_takers_of_a_silent_lease_one_wins(tmp_path: Path) -> None:
    for round_ in range(3):
        path = tmp_path / str(round_) / "lease"
        falls_silent(elsewhere(path).__enter__())
        ready, outcomes = threading.Barrier(3), []

        def take(name: str, path: Path = path, ready: threading.Barrier = ready, outcomes: list = outcomes) -> None:
            lock = Lock(path, name, machine=f"{name} pid:[1]", beat_s=BEAT_S, lapse_s=1.0)
            ready.wait()
            try:
                with lock:
                    outcomes.append("won")
                    time.sleep(0.5)
                    lock.check()
            except Locked:
                outcomes.append("lost")

        threads = [threading.Thread(target=take, args=(f"taker {k}",)) for k in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["lost", "lost", "won"]


def test_a_taker_that_slept_through_others_holds_nothing(tmp_path: Path) -> None:
    """It saw lease 1 free; meanwhile 2 and 3 were taken and 2 was removed, so that this number is available again."""
    path = tmp_path / "lease"
    for _ in range(2):
        with Lock(path, "another"):
            pass
    with Lock(path, "the holder") as held:
        assert held._number == 3
        assert not Lock(path, "the sleeper")._take(2)
        held.check()
        assert [p.name for p in path.iterdir()] == ["3"]


def test_a_lease_that_was_never_written_lapses(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    path.mkdir()
    (path / "7").touch()  # its creator died between creating and writing
    with Lock(path, "me", lapse_s=0.2) as lock:
        assert lock._number == 8


def test_waiting_can_be_given_up(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    with Lock(path, "me"):
        started = time.monotonic()
        with pytest.raises(Locked), Lock(path, "you", patience_s=60, give_up=lambda: time.monotonic() > started + 0.2):
            pass
        assert time.monotonic() - started < 30


def test_a_look_changes_nothing(tmp_path: Path) -> None:
    assert not is_locked(tmp_path / "lease")
    assert list(tmp_path.iterdir()) == []
    machine = this_machine()
    assert machine is not None
    assert machine.endswith("]")


def test_a_holder_whose_folder_was_removed_and_made_anew_notices(tmp_path: Path) -> None:
    """A sweep is suspended, its results are removed, and another sweep starts. Both then hold lease number 1."""
    path = tmp_path / "results" / "lease"
    stopped = Lock(path, "the stopped").__enter__()
    falls_silent(stopped)
    shutil.rmtree(tmp_path / "results")
    with pytest.raises(LockLost, match="results was removed"):
        stopped.check()
    stopped.lost = False
    with Lock(path, "the new") as lock:
        assert lock._number == stopped._number
        assert "taken over" in stopped.loss()
        with pytest.raises(LockLost, match="taken over"):
            stopped.check()
        stopped._write(stopped._content())  # a late heartbeat goes into the removed file
        lock.check()
        stopped.__exit__()
        assert is_locked(path)


@pytest.mark.parametrize("days", [-3650, -1, 1, 3650], ids=str)
def test_a_lease_of_another_time_is_no_sign_of_life(tmp_path: Path, days: int) -> None:
    path = tmp_path / "lease"
    falls_silent(elsewhere(path).__enter__())
    assert is_locked(path)
    os.utime(path / "1", (time.time() + 86400 * days,) * 2)
    assert not is_locked(path)


@pytest.mark.parametrize("name", ["²", "٣", "1.5", "-1", "one", ".1"])
def test_entries_that_are_not_leases_are_ignored(tmp_path: Path, name: str) -> None:
    path = tmp_path / "lease"
    path.mkdir()
    (path / name).touch()
    assert not is_locked(path)
    with Lock(path, "me") as lock:
        assert lock._number == 1
        assert (path / name).exists()
