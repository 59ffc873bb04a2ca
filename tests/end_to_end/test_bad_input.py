"""Bad input gives one line and exit code 2, before anything is written."""

import os
import shlex
import shutil
import struct
from pathlib import Path

import pytest

from tests.builders import SHIPPED
from tests.end_to_end.harness import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


CASES = {
    "experiment": (["run", "tinny"], "did you mean 'tiny'"),
    "arm": (["run", "tiny", "--arms", "infogam"], "did you mean 'infogan'"),
    "seeds": (["run", "tiny", "--seeds", "4-1"], "rising range"),
    "seeds that only look like numbers": (["run", "tiny", "--seeds", "\u00b2"], "write numbers and ranges"),
    "a seed of many digits": (["run", "tiny", "--seeds", "9" * 5000], "write numbers and ranges"),
    "profile": (["run", "tiny", "--profile", "fast"], "choose from smoke, cpu, paper"),
    "profile that the experiment lacks": (["plan", "tiny", "--profile", "paper"], "unknown profile 'paper'"),
    "device": (["run", "tiny", "--device", "tpu"], "choose from auto, cpu, cuda"),
    "data folder": (["run", "tiny", "--data-dir", "nowhere-at-all"], "does not exist"),
    "jobs": (["run", "tiny", "--jobs", "0"], "--jobs"),
    "jobs that are no number": (["run", "tiny", "--jobs", "two"], "--jobs"),
    "option": (["run", "tiny", "--seed", "0"], "--seeds"),
    "command": (["rum", "tiny"], "No such command 'rum'. Did you mean 'run'"),
    "a command that is like none": (["status", "tiny"], "No such command 'status'. (commands: plan, run, report, "),
    "report's experiment": (["report", "tinny"], "did you mean 'tiny'"),
    "a price without bound": (["plan", "tiny", "--estimate", "--price-per-hour", "inf"], "--price-per-hour"),
    "a size without bound": (["pack", "--to", "cells.zip", "--max-mb", "inf"], "--max-mb"),
    "a record of throughput": (["throughput", "--against", "nowhere-at-all"], "nowhere-at-all: No such file"),
    "results that are empty": (["plan", "tiny", "--results", ""], "nothing is given after --results: "),
    "a data folder that is empty": (["run", "tiny", "--data-dir="], "nothing is given after --data-dir=: "),
    "a profile that is empty": (["cost", "--profile", ""], "nothing is given after --profile: "),
    "an experiment that is empty": (["report", ""], "nothing is given after report: "),
    "gate on what has no baseline file": (["check", "tinny"], "did you mean 'tiny'"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_one_line_and_changes_nothing(bench: Bench, name: str) -> None:
    arguments, message = CASES[name]
    if name == "data folder":
        bench.spec.write_text(bench.spec.read_text().replace('source = "embedded"', 'source = "auto"'))
    output = bench.here(*arguments, code=2)
    assert output.startswith("error: ")
    assert message in output
    assert output.count("\n") == 1
    assert not bench.results.exists()


def test_a_wrong_experiments_file(bench: Bench) -> None:
    """The command runs in a process of its own, as it does for a user."""
    bench.spec.write_text(bench.spec.read_text().replace("width = 0.06", "width = -1"))
    output = bench("run", "tiny", code=2)
    assert output.strip().splitlines() == [output.strip()]
    assert "[experiments.tiny.profiles.cpu] width = -1" in output
    assert not bench.results.exists()


def test_a_corrupt_mnist_file(bench: Bench, tmp_path: Path) -> None:
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in (
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ):
        (raw / name).write_bytes(struct.pack(">4i", 2051, 60000, 28, 28) + b"short")
    bench.spec.write_text(bench.spec.read_text().replace('source = "embedded"', 'source = "auto"'))
    output = bench.here("run", "tiny", "--data-dir", str(tmp_path / "data"), code=2)
    assert "train-images-idx3-ubyte is corrupt: 21 bytes" in output
    assert not bench.results.exists()


def test_a_results_folder_that_cannot_be_written(bench: Bench) -> None:
    bench.results.write_text("a file stands where the folder should be")
    output = bench.here("run", "tiny", code=2)
    assert "is not a folder" in output
    for command in ("ui",), ("throughput",):
        assert f"results {bench.results} is not a folder" in bench.here(*command, code=2)
    assert bench.results.read_text() == "a file stands where the folder should be"
    file, bench.results = bench.results, bench.results / "deeper"
    for command in ("plan", "tiny"), ("report",):
        assert f"{bench.results} is not a folder: {file.name} is a file" in bench.here(*command, code=2)


def test_a_data_folder_that_is_a_file(bench: Bench) -> None:
    assert "experiments.toml is not a folder" in bench.here("plan", "tiny", "--data-dir", str(bench.spec), code=2)


def test_a_selection_without_cells_is_no_success(bench: Bench) -> None:
    bench.spec.write_text(bench.spec.read_text().replace("width = 0.06", "width = 0.06\ngroup_seeds = { gan = [] }"))
    for command in ("run", "plan", "check", "baseline"):
        output = bench.here(command, "tiny", "--arms", "gan", code=2)
        assert "nothing selected: tiny has no cell" in output
    assert not bench.results.exists()


def test_a_path_that_is_too_long(bench: Bench, tmp_path: Path) -> None:
    bench.results = tmp_path / ("x" * 300)
    for command in ("sync",), ("ui",), ("plan", "tiny"), ("history",), ("check", "tiny"):
        output = bench.here(*command, code=2)
        assert output.startswith("error: ")
        assert "File name too long" in output
        assert output.count("\n") == 1


@pytest.mark.skipif(not shutil.which("setpriv"), reason="no setpriv")
def test_a_folder_that_this_account_may_not_enter(bench: Bench, tmp_path: Path) -> None:
    if os.geteuid() == 0:  # root may enter every folder
        bench.prefix = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    (tmp_path / "closed").mkdir(mode=0)
    bench.results = tmp_path / "closed" / "results"
    to = str(tmp_path / "new")
    for command in ("sync",), ("ui",), ("export", "--to", to), ("sample", "--vary", "c1", "--to", to):
        output = bench(*command, code=2)
        assert output.startswith("error: ")
        assert "cannot be used: Permission denied" in output
        assert output.count("\n") == 1
    (tmp_path / "closed").chmod(0o500)
    bench.results, to = tmp_path, str(tmp_path / "closed" / "new")
    assert "closed is read-only for this account" in bench("export", "--to", to, code=2)


def test_sync_without_cells(bench: Bench) -> None:
    assert "holds no cells" in bench.here("sync", code=2)


def test_a_command_that_lacks_runs_names_the_next_one_and_writes_nothing(bench: Bench, tmp_path: Path) -> None:
    """The next command is on the user's results folder and, if it has --spec, on the user's file, both quoted."""
    bench.results, bench.spec, none = tmp_path / "it's mine", tmp_path / "and ours.toml", tmp_path / "none.json"
    shutil.copy(SHIPPED, bench.spec)
    there = f"--results {shlex.quote(str(bench.results))}"
    both = f"{there} --spec {shlex.quote(str(bench.spec))}"
    for line, said in {
        ("check", "mi-gate"): f"error: nothing to check: {bench.results} has no run of mi-gate with these settings; "
        "add --run\n",
        ("check", "mnist-mi"): f"make one with `python -m bench baseline mnist-mi --run {both}`\n",
        ("check", "mi-gate", "--baseline", str(none)): f"baseline mi-gate --run --to {none} {both}`\n",
        ("cost", "--profile", " "): "unknown profile ' '; choose from smoke, cpu, paper",
        ("history", "nosuch"): "unknown experiment 'nosuch'; choose from ",
        ("history",): f"`python -m bench check mi-gate --run {there}` adds one\n",
        ("report",): f"; `python -m bench run EXPERIMENT {both}` creates it\n",
        ("run",): f"(`python -m bench plan {both}` lists them), or write all: `python -m bench run all {both}`\n",
    }.items():
        output = bench.here(*line, code=2)
        assert output.startswith("error: ")
        assert said in output
        assert output.count("\n") == 1
    assert not bench.results.exists()


@pytest.mark.parametrize(("name", "said"), [("pydantic", "pydantic"), ("typer.exceptions", "typer")])
def test_an_environment_that_lacks_a_package_is_told_so(bench: Bench, tmp_path: Path, name: str, said: str) -> None:
    """A machine without a network may have an older typer, or no pydantic."""
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules[{name!r}] = None\n")
    bench.environment = {"PYTHONPATH": str(tmp_path)}
    output = bench("plan", "tiny", code=2)
    assert output.startswith("error: ")
    assert output.count("\n") == 1
    assert "lacks a package that pyproject.toml requires" in output
    assert said in output


def test_compare_wants_a_variant_where_there_are_variants(bench: Bench) -> None:
    bench.spec.write_text(bench.spec.read_text() + "\n[experiments.tiny.variants.half]\nshare_of_images = 0.5\n")
    for arms in ("infogan", "half/gan"), ("half/infogan", "gan"):
        output = bench.here("compare", "tiny", *arms, "--run", code=2)
        assert "is not one arm" in output
        assert "half/" in output
    assert not bench.results.exists()
