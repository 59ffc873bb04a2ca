"""Drives ``python -m bench`` as a user would: real processes, a real MLflow store, a small experiments.toml."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bench import cli
from tests.builders import ROOT, tiny_file

NO_SPEC = "sync", "ui", "pack", "unpack", "export", "sample", "history", "throughput"
PATIENCE_S = 400.0  # for one command on a busy machine


@dataclass
class Bench:
    """A small experiments.toml, a results folder, and the command that runs on them."""

    folder: Path
    iterations: int = 30
    environment: dict[str, str] = field(default_factory=dict)
    prefix: list[str] = field(default_factory=list)  # words before the command, for example to enter a namespace
    python: str = sys.executable

    def __post_init__(self) -> None:
        self.results = self.folder / "results"
        self.seen = self.results  # the path by which the tests reach the same folder
        self.spec = tiny_file(self.folder, iterations=self.iterations)

    def use_database(self, empty_database: Path) -> "Bench":
        """Put a migrated MLflow database into the results folder, which saves ten seconds."""
        self.seen.mkdir(exist_ok=True)
        shutil.copy(empty_database, self.seen / "mlflow.db")
        return self

    def line(self, *arguments: str) -> list[str]:
        """The words after ``python -m bench``: the arguments, with the results folder and the spec added."""
        line = [*arguments]
        if arguments[0] in ("pack", "export", "sample"):
            line.insert(1, str(self.results))
        else:
            line += ["--results", str(self.results)]
        return line if arguments[0] in NO_SPEC else [*line, "--spec", str(self.spec)]

    def start(self, *arguments: str, **popen: Any) -> subprocess.Popen[str]:
        command = [*self.prefix, self.python, "-m", "bench", *self.line(*arguments)]
        environment = os.environ | self.environment
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True, **(pipes | popen))

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Run the command to its end and return its output. Checks the exit code, and that there is no traceback."""
        process = self.start(*arguments)
        try:
            output, _ = process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        assert process.returncode == code, f"exit code {process.returncode}, expected {code}:\n{output}"
        assert "Traceback" not in output, output
        return output

    def here(self, *arguments: str, code: int = 0) -> str:
        """Run the command in this process, which saves the seconds of a start. For commands that train nothing."""
        assert (self.prefix, self.python) == ([], sys.executable)
        written = io.TextIOWrapper(io.BytesIO(), "utf-8", newline="", write_through=True)
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(written), redirect_stderr(written):
            patch.setattr(sys, "argv", ["bench", *self.line(*arguments)])
            patch.chdir(ROOT)
            for name, value in self.environment.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as end:
                cli.main()
        output = written.buffer.getvalue().decode()  # type: ignore[attr-defined]
        assert (end.value.code or 0) == code, f"exit code {end.value.code}, expected {code}:\n{output}"
        assert "Traceback" not in output, output
        return output

    def cells(self) -> dict[str, Path]:
        """The cells' folders, by ``arm/seed-k``."""
        found = (self.seen / "cells").glob("*/*/*/*/*/cell.json")
        return {"/".join(path.parts[-4:-2]): path.parent for path in found}

    def records(self) -> dict[str, dict[str, Any]]:
        """The cells' results, by ``arm/seed-k``."""
        return {name: json.loads((path / "result.json").read_text()) for name, path in self.cells().items()}


def wait_for(condition: Any, timeout_s: float = PATIENCE_S) -> None:
    """Poll until the condition holds; fails after ``timeout_s``."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Read the process's output up to the line with this text; ``stdout`` still has the rest."""
    assert process.stdout is not None
    output = ""
    for line in process.stdout:
        output += line
        if text in line:
            return output
    raise AssertionError(f"ended without {text!r}:\n{output}")


def rest_of(process: subprocess.Popen[str]) -> str:
    """Read the rest of the process's output and wait for its end."""
    assert process.stdout is not None
    with process.stdout:
        output = process.stdout.read()
    process.wait(PATIENCE_S)
    return output


def same_bits(a: Path, b: Path) -> bool:
    """Whether two finished cells have the same weights, curves and pictures, to the last bit."""
    import numpy as np
    import torch

    from bench.records.folder import CellFolder
    from infogan.weights import recorded

    one, two = CellFolder(a), CellFolder(b)
    states = [recorded(f.weights()) for f in (one, two)]
    for player in states[0]:
        if any(not torch.equal(v, states[1][player][k]) for k, v in states[0][player].items()):
            return False
    histories = [f.history() for f in (one, two)]
    assert histories[0] is not None
    assert histories[1] is not None
    grids = [f.traversals() for f in (one, two)]
    pictures = all(np.array_equal(grids[0][k], grids[1][k]) for k in grids[0])
    return np.array_equal(histories[0].values, histories[1].values) and pictures
