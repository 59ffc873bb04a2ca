"""Where files are written: devices stay devices, a folder that cannot be synced stops no cell, groups share a cache."""

import errno
import os
import resource
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench import paths
from bench.analysis.runs import Sweep
from bench.analysis.sweep_file import write_curves
from bench.console import BadInput
from bench.records import seals, storage
from infogan.data import base, folders

ROOT = Path(__file__).parents[3]
SWEEP = Sweep("tiny", "cpu", {}, "key", [])
WRITERS: dict[str, Callable[[Path], object]] = {
    "write_atomic": lambda path: storage.write_atomic(path, b"x"),
    "write_sealed": lambda path: seals.write_sealed(path, b"x"),
    "write_json": lambda path: seals.write_json(path, {}),
    "append_line": lambda path: storage.append_line(path, {}),
    "a baseline": lambda path: write_curves(path, SWEEP),
    "a record of throughput": lambda path: storage.write_plain_json(path, {}),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_device_is_written_to_and_never_replaced(tmp_path: Path, name: str) -> None:
    """As root, a rename over /dev/null would remove it for the whole machine; so the test uses a link to it."""
    device = tmp_path / "out"
    device.symlink_to("/dev/null")
    WRITERS[name](device)
    assert device.is_symlink()
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_a_device_of_its_own_is_written_to(tmp_path: Path) -> None:
    device = tmp_path / "null"
    try:
        os.mknod(device, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        device.write_bytes(b"x")
    except OSError as error:
        pytest.skip(f"no device can be made here: {error.strerror}")
    for write in WRITERS.values():
        write(device)
        assert stat.S_ISCHR(device.stat().st_mode)


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    storage.write_atomic(pipe, b"one", b"two")
    assert os.read(reader, 100) == b"onetwo"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_standard_output_is_written_to_by_its_name(tmp_path: Path) -> None:
    """Its name is a link of the system, here to a file, and remains a link."""
    code = "import pathlib; from bench.records import storage as s; s.write_atomic(pathlib.Path('/dev/stdout'), b'x')"
    with (tmp_path / "out").open("wb") as out:
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=out, check=True)
    assert (tmp_path / "out").read_bytes() == b"x"
    assert Path("/dev/stdout").is_symlink()


def test_memory_that_looks_like_a_device_is_not_one() -> None:
    """/dev/shm holds ordinary files, which are replaced as a whole."""
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("no /dev/shm")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        path = Path(folder) / "record"
        path.write_bytes(b"old")
        before = path.stat().st_ino
        storage.write_atomic(path, b"new")
        assert path.read_bytes() == b"new"
        assert path.stat().st_ino != before


# ---------------------------------------------------------------- file systems without a folder's fsync
def test_a_folder_that_cannot_be_synced_is_reported_and_no_error() -> None:
    """Linux's own /proc answers EINVAL, as some network and FUSE file systems do."""
    with pytest.raises(OSError, match="Invalid argument"):
        os.fsync(os.open("/proc", os.O_RDONLY))
    assert storage.sync_folder(Path("/proc")) is False


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_records_are_written_without_a_folders_fsync_and_one_line_says_so(
    tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = os.fsync

    def fsync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(code, os.strerror(code))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    paths.require_writable(tmp_path)
    paths.require_writable(tmp_path)
    seals.write_json(tmp_path / "result.json", {"a": 1})
    assert seals.read_json(tmp_path / "result.json") == {"a": 1}
    assert capsys.readouterr().out.count("not safe from a power cut") == 1


def test_a_probe_that_finds_no_room_leaves_nothing(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))  # no file may have a byte
    try:
        with pytest.raises(BadInput, match="cannot be written: File too large"):
            paths.require_writable(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fails_is_still_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(_: int) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="broken"):
        seals.write_json(tmp_path / "result.json", {})


# ---------------------------------------------------------------- rights, and marks of other programs
@pytest.mark.parametrize(("umask", "mode"), [(0o002, 0o664), (0o022, 0o644), (0o077, 0o600)])
def test_a_caches_files_have_the_rights_that_the_umask_leaves(
    tmp_path: Path, umask: int, mode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFOGAN_CACHE", str(tmp_path / "cache"))
    before = os.umask(umask)
    try:
        assert base.write_cached(base.cache_dir() / "a" / "content", b"x")
        base.remember("key", base.DataInfo("a", "b", "c", "d", 1, 1, False))
        folders.cached_images(base.cache_dir() / "images.npy", (1,), lambda: np.zeros(1, np.uint8))
    finally:
        os.umask(before)
    files = [p for p in base.cache_dir().rglob("*") if p.is_file()]
    assert len(files) == 3
    assert {stat.S_IMODE(p.stat().st_mode) for p in files} == {mode}


def test_a_history_that_begins_with_a_mark_loses_no_line(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + b'{"a": 1}\n{"a": 2}\n')
    assert storage.read_lines(file) == [{"a": 1}, {"a": 2}]
