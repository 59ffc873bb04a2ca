"""Output never affects the work: any encoding, a reader that leaves, a full disk, a log without a width."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

import bench.console
from bench.console import new_table, say

ROOT = Path(__file__).parents[2]
SAYS = """
import sys
from bench.console import console, escape, guard_streams, new_table, say
guard_streams()
say("[green]not measured[/green] \\u2013 " + escape("run:on:gpu [red]" + chr(0xdc80)))
table = new_table("cell", "state")
table.add_row(escape("x" * 120), "y" * 120)
console.print(table)
print("plain \\u2265", file=sys.stderr)
print("plain \\u2265", flush=True)
sys.exit(3)
"""


def said(code: str = SAYS, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, check=False)


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "ascii:surrogateescape", "utf-8", "cp1252:strict"])
def test_every_encoding_can_print_everything(encoding: str) -> None:
    """A character that it lacks is replaced; a user's text is not taken for markup or emoji, and not cut."""
    done = said(PYTHONIOENCODING=encoding)
    assert done.returncode == 3, done.stderr
    out = done.stdout.decode(encoding.partition(":")[0])
    assert out.startswith("not measured ")
    assert "run:on:gpu [red]?" in out
    assert "x" * 120 + " " + "y" * 120 in out.replace("  ", " ")
    assert out.endswith("plain \u2265\n" if encoding == "utf-8" else "plain ?\n")
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("stream", ["stdout", "stderr", "both"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_left_changes_nothing(stream: str, unbuffered: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    closed = {"stdout": writing, "stderr": writing} if stream == "both" else {stream: writing}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | closed
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run([sys.executable, "-c", SAYS], cwd=ROOT, env=environment, check=False, **pipes)  # type: ignore[call-overload]
    os.close(writing)
    assert done.returncode == 3
    assert b"Traceback" not in (done.stderr or b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_below_the_log_is_told_once() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", SAYS], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 3
    assert done.stderr.decode().count("standard output cannot be written, the command goes on: No space left") == 1


def test_without_any_standard_stream(tmp_path: Path) -> None:
    """For example under a service manager that closes them."""
    script = tmp_path / "says.py"
    script.write_text(SAYS)
    command = f'exec "$0" "{script}" >&- 2>&-'
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    assert subprocess.run(["sh", "-c", command, sys.executable], env=environment, check=False).returncode == 3


def test_a_table_never_cuts_a_name() -> None:
    table = new_table("a", "b", right=True)
    assert {column.overflow for column in table.columns} == {"fold"}
    assert [column.justify for column in table.columns] == ["left", "right"]


def test_a_window_breaks_between_words_and_leaves_what_is_copied_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    path, window = "/a" * 50, Console(width=80, force_terminal=True, file=io.StringIO(), color_system=None)
    monkeypatch.setattr(bench.console, "console", window)
    say(f"{'word ' * 40}{path} end")
    say(f"  export A={path} B={path}", to_copy=True)
    first, *others = window.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert first.split() == ["word"] * 16
    assert others[-1] == f"  export A={path} B={path}"
    assert all(0 < len(line) <= 80 or line.strip() == path for line in others[:-1])
