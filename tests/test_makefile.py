"""The variables that a user sets for make are text: nothing in them is executed."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text()
# every variable that the Makefile documents, or turns into a flag
TOLD = "\n".join(line for line in MAKEFILE.splitlines() if line.startswith("##   "))
VARIABLES = sorted({*re.findall(r"(?:  |, )([A-Z_0-9]+)=", TOLD), *re.findall(r"call flag,([A-Z_0-9]+)", MAKEFILE)})

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def hostile(folder: Path, name: str) -> str:
    """Each of these values would create a file if a shell or make executed commands in it."""
    touched = iter(f"touch {folder / name}-{k}" for k in range(5))
    return f"`{next(touched)}`$(shell {next(touched)})$$({next(touched)})\"; {next(touched)}; '\n{next(touched)}"


def test_the_help_fits_80_columns_and_names_every_target() -> None:
    said = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [line for line in said.splitlines() if len(line) > 80] == []
    targets = re.findall(r"^([a-z-]+):.*##", MAKEFILE, flags=re.MULTILINE)
    assert set(re.findall(r"^  make ([a-z-]+)", said, flags=re.MULTILINE)) == set(targets)


@pytest.mark.parametrize("target", ["report", "reproduce-mnist", "setup"])
@pytest.mark.parametrize("way", ["argument", "environment"])
def test_nothing_in_a_variable_is_run(tmp_path: Path, target: str, way: str) -> None:
    values = {name: hostile(tmp_path, name) for name in VARIABLES}
    if target == "report":  # otherwise make stops when it looks for the interpreter
        values["PYTHON"] = sys.executable
    arguments = [f"{name}={value}" for name, value in values.items()] if way == "argument" else []
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)} | (values if way == "environment" else {})
    ended = subprocess.run(["make", target, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert list(tmp_path.iterdir()) == []
    if target == "report":
        assert "unknown profile" in ended.stderr
