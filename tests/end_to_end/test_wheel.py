"""The package, built as a wheel and installed into an empty environment, works from a foreign folder."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.builders import SHIPPED
from tests.end_to_end.harness import PATIENCE_S, ROOT

NOT_PACKED = ("throughput/NOTES.md",)
NEVER_BUILT_FROM = (
    *(".git", ".venv", ".tools", "results", "tests", "docs", "build", "*.egg-info", "__pycache__"),
    *(".hypothesis", ".*_cache"),  # other programs may be writing to these
)
PACKAGES = ("infogan", "bench")
Say = Callable[..., str]

SCRIPT = """
import sys, torch, infogan
assert infogan.__file__.startswith(sys.prefix), infogan.__file__
model = infogan.load("digits")
images = model.sample(4, c1=[0, 1, 2, 3], generator=torch.Generator().manual_seed(0))
assert images.shape == (4, 1, 28, 28) and 0 <= images.min() and images.max() <= 1
for cells in ("results/latest", "cells.zip"):
    assert model.card == infogan.load(cells, "mnist-mi", arm="infogan", seed="best").card
print(model.card["experiment"], list(model.encode(images)))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy, so that the build leaves nothing in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, folder / "source", symlinks=True, ignore=shutil.ignore_patterns(*NEVER_BUILT_FROM))
    command = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "wheel", "--no-deps"]
    command += ["--no-build-isolation", "--no-index", "--wheel-dir", str(folder), str(folder / "source")]
    subprocess.run(command, check=True, timeout=PATIENCE_S)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with only the wheel installed; it finds the dependencies in the tests' environment."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=PATIENCE_S)
    command = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "--python", str(folder / "bin/python")]
    subprocess.run([*command, "install", "--no-deps", "--no-index", str(wheel)], check=True, timeout=PATIENCE_S)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder


@pytest.fixture
def say(installed: Path, tmp_path: Path) -> Say:
    """Run a command of the environment in an empty folder, with the checkout on no path; returns its output."""
    (tmp_path / "elsewhere").mkdir()

    def run(program: str, *arguments: str) -> str:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        ended = subprocess.run(
            [str(installed / "bin" / program), *arguments],
            **{"cwd": tmp_path / "elsewhere", "env": environment, "timeout": PATIENCE_S},
            **{"text": True, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT},
        )
        assert ended.returncode == 0, ended.stdout
        return ended.stdout

    return run


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.split("/")[0] in PACKAGES}
    there = {path.relative_to(ROOT).as_posix() for name in PACKAGES for path in (ROOT / name).rglob("*.*")}
    wanted = {name for name in there if "__pycache__" not in name and not name.endswith(NOT_PACKED)}
    assert packed == wanted
    assert zipfile.ZipFile(wheel).read("bench/experiments.toml") == SHIPPED.read_bytes()


@pytest.mark.slow
def test_a_network_is_trained_exported_and_used_where_nothing_else_is(say: Say, tmp_path: Path) -> None:
    assert "mnist-mi" in say("infogan-bench", "plan", "mnist-mi", "--profile", "smoke", "--no-tracking")
    cell = ("mnist-mi", "--profile", "smoke", "--arms", "infogan", "--seeds", "0")
    assert "1 of 1 cells finished" in say("infogan-bench", "run", *cell, "--no-tracking")
    say("infogan-bench", "pack", "results/latest", "--to", "cells.zip", "--weights")
    say("infogan-bench", "export", "results/latest", "--to", "digits")
    say("infogan-bench", "sample", "digits", "--vary", "c1", "--to", "c1.png")
    assert (tmp_path / "elsewhere" / "c1.png").read_bytes().startswith(b"\x89PNG")
    assert say("python", "-c", SCRIPT).startswith("mnist-mi ['c1'")
