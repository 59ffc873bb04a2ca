"""Mutations of experiments.toml, records and baselines give one line that names the file, never a traceback."""

import contextlib
import io
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from bench.analysis.results import load
from bench.analysis.runs import Sweep
from bench.analysis.sweep_file import read_curves
from bench.commands.baseline import read_baseline
from bench.gate import compare as gate
from bench.gate import files as gate_files
from bench.gate import output as gate_output
from bench.records.folder import CellFolder
from bench.records.identity import Identity
from bench.records.seals import read_json, read_sealed, write_json, write_sealed
from bench.records.storage import CorruptRecord
from bench.run.configuration import training_config
from bench.spec.cells import digest
from bench.spec.resolve import Machine, cells
from bench.spec.selection import Selection
from bench.spec.tables import Spec, SpecError, load_spec
from tests.builders import DATA, SHIPPED, VERSIONS, finished_cell, tiny_text
from tests.end_to_end.harness import Bench
from tests.fuzz.engine import fuzz
from tests.fuzz.mutations import changed_json, damaged, rewritten

ROOT = Path(__file__).parents[2]
SLOW = [pytest.mark.slow, pytest.mark.timeout(1800)]


def resolve_all(spec: Spec) -> None:
    """Do what every command does next: make the cells of all experiments and profiles, with configurations to train."""
    for name, experiment in spec.experiments.items():
        for profile in experiment.profiles:
            selected = Selection(seeds=(0,))
            groups = {c.group: c for c in cells(spec, name, profile, selected, DATA, Machine("cpu", VERSIONS))}
            for cell in groups.values():
                assert ".." not in cell.folder.parts
                assert not cell.folder.is_absolute()
                assert len(cell.folder.parts) in (6, 7)  # no name brings a separator
                training_config(cell.config)


@pytest.mark.parametrize("num", [60, pytest.param(3000, marks=SLOW)])
def test_experiments_toml(num: int, tmp_path: Path) -> None:
    shipped, small = SHIPPED.read_text(), tiny_text()
    file = tmp_path / "experiments.toml"
    content = b""

    def read(rng: random.Random) -> None:
        nonlocal content
        content = rewritten(shipped if rng.random() < 0.2 else small, rng)
        file.write_bytes(content)
        try:
            resolve_all(load_spec(file))
        except SpecError as error:
            assert str(file) in str(error), error  # noqa: PT017 - a refusal names the file
            raise

    found = fuzz("experiments.toml", num, 1, read, SpecError, lambda: {"experiments.toml": content}, tmp_path)
    assert found["refused"] > num // 3


def test_any_line_of_experiments_toml_may_be_missing(tmp_path: Path) -> None:
    """The most likely mistake, tested for every line: the file still resolves, or one line says what is missing."""
    lines = tiny_text().split("\n")
    file = tmp_path / "experiments.toml"
    refused = set()
    for k, line in enumerate(lines):
        file.write_text("\n".join(lines[:k] + lines[k + 1 :]))
        try:
            resolve_all(load_spec(file))
        except SpecError:
            refused.add(line)
    needed = {"mi_weight = 1.0", "batch_size = 32", 'step = "fused"', 'learning_rate_q = "discriminator"'}
    assert needed <= refused
    assert "learning_rate_q = 1.0" not in refused


@pytest.mark.parametrize("num", [3, pytest.param(40, marks=SLOW)])
def test_experiments_toml_through_the_command(num: int, tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    small = bench.spec.read_text()
    for k in range(num):
        bench.spec.write_bytes(rewritten(small, random.Random(f"command {k}")))
        process = bench.start("plan", "tiny")
        output, _ = process.communicate(timeout=60)
        assert process.returncode in (0, 2), output
        assert "Traceback" not in output
        assert process.returncode == 0 or output.count("\n") == 1
        assert not bench.results.exists()


def belonging(results: Path, path: Path, identity: dict[str, Any]) -> None:
    """Make the changed record consistent: keys, place and checksums of the changed configuration, if it has any."""
    with contextlib.suppress(CorruptRecord, TypeError, ValueError):
        keys = {"key": digest(identity.get("config")), "definition_key": digest(identity.get("definition"))}
        cell = Identity.read(identity | keys).cell()
        source, folder = CellFolder(path, key=cell.key), CellFolder.of(results, cell)
        if ".." in folder.path.parts or not folder.path.is_relative_to(results / "cells"):
            return
        write_json(path / "cell.json", identity | keys)
        for file in path.iterdir():
            if file.suffix == ".json" and file.name != "cell.json":
                write_json(file, {k: v for k, v in read_json(file).items() if k != "cell"}, source.key)
            elif file.suffix in (".npz", ".pt"):
                write_sealed(file, file.read_bytes()[:-80], source.key)
        folder.path.parent.mkdir(parents=True, exist_ok=True)
        path.rename(folder.path)


@pytest.mark.parametrize("num", [80, pytest.param(2000, marks=SLOW)])
def test_records(num: int, tmp_path: Path) -> None:
    """Damaged bytes fail their checksum; a well-formed but wrong record with a valid checksum is reported too."""
    sound = finished_cell(tmp_path / "sound")
    assert load(tmp_path / "sound").sweeps[0].done("infogan")[0].summary["mi_final_nats"] > 0
    names = [p.name for p in sound.path.iterdir()]
    results = tmp_path / "results"
    path = results / sound.path.relative_to(tmp_path / "sound")

    def read(rng: random.Random) -> None:
        shutil.rmtree(results, ignore_errors=True)
        shutil.copytree(tmp_path / "sound", results)
        name = rng.choice(names)
        file = path / name
        is_json, content = name.endswith(".json"), file.read_bytes()
        if rng.random() < 0.3:
            file.write_bytes(damaged(content, rng))
        elif is_json:
            value = json.loads(content)
            value.pop("sha256")
            changed = changed_json(value, rng)
            if isinstance(changed, dict):
                write_json(file, changed)
                if name == "cell.json":
                    belonging(results, path, changed)
        else:
            write_sealed(file, damaged(read_sealed(file, sound.key), rng), sound.key)
        loaded = load(results)
        lines = [*loaded.damaged, *loaded.strays]
        assert all(line.startswith("cells/") and "\n" not in line for line in lines), lines
        for sweep in loaded.sweeps:
            for run in sweep.runs:
                assert isinstance(run.summary, dict)
                assert run.state in ("missing", "partial", "failed", "done")
                assert run.folder is not None
                assert isinstance(run.folder.unmeasured(run.cell), list)

    fuzz("records", num, 1, read, (), dict, tmp_path)


def small_baseline() -> tuple[dict[str, Any], Sweep]:
    """The committed baseline of the gate with two runs of each arm and short curves."""
    raw = json.loads((ROOT / "results" / "baseline" / "mi-gate.json").read_text())
    kept: dict[str, int] = {}
    runs = []
    for run in raw["runs"]:
        arm = run["config"].get("arm", "?")
        kept[arm] = kept.get(arm, 0) + 1
        if kept[arm] <= 5:
            runs.append(run)
    return raw | {"runs": runs}, read_curves(ROOT / "results" / "baseline" / "mi-gate.json")


@pytest.mark.parametrize("num", [25, pytest.param(600, marks=SLOW)])
def test_baselines(num: int, tmp_path: Path) -> None:
    """A wrong or damaged baseline makes the gate inconclusive or is compared; it never ends in a traceback."""
    raw, new = small_baseline()
    text = json.dumps(raw)
    rule = load_spec(SHIPPED).experiments["mi-gate"].gate
    file = tmp_path / "baseline.json"

    def read(rng: random.Random) -> None:
        content = damaged(text.encode(), rng) if rng.random() < 0.3 else json.dumps(changed_json(raw, rng)).encode()
        file.write_bytes(content)
        base = read_baseline(file, "mi-gate")
        if isinstance(base, str):
            assert "\n" not in base
            raise RefusedError(base)
        result = gate.compare(rule, base, new, tuple(rule.new_seeds))
        assert result.outcome in ("ok", "regressed", "inconclusive")
        assert list(gate_output.lines(result, rule))
        json.dumps(gate_files.to_json(result, rule), allow_nan=False)
        gate_files.to_junit(result, rule)

    fuzz("baselines", num, 1, read, RefusedError, lambda: {"baseline.json": file.read_bytes()}, tmp_path)


class RefusedError(Exception):
    """Raised with the gate's reason why there is no baseline."""


def test_a_checkpoint_is_trusted_only_with_its_checksum(tmp_path: Path) -> None:
    import torch

    stream = io.BytesIO()
    torch.save({"key": "k", "trainer": torch.arange(100)}, stream)
    folder = CellFolder(tmp_path, key="ab" * 32)
    folder.write_checkpoint(stream.getvalue())
    sound = (tmp_path / "checkpoint.pt").read_bytes()
    counts = {"sound": 0, "damaged": 0}

    def read(rng: random.Random) -> None:
        content = damaged(sound, rng)
        (tmp_path / "checkpoint.pt").write_bytes(content)
        ((_, found),) = list(folder.checkpoints())
        assert isinstance(found, bytes) == (content == sound)
        counts["sound" if content == sound else "damaged"] += 1

    fuzz("checkpoints", 300, 1, read, (), dict, tmp_path)
    assert counts["damaged"] > 250
