"""Mutations of our own files without a checksum: they are read, refused in one line, or count as absent."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import environment
from bench.analysis.results import load
from bench.analysis.runs import Sweep
from bench.analysis.throughput import newest_ratio
from bench.claims.cost import RECORD, judge_cost, read_cost
from bench.console import BadInput
from bench.context import DEFAULT_SPEC
from bench.gate import compare as gate
from bench.gate import history as gate_history
from bench.records import leases, locks
from bench.records.schedule import largest
from bench.records.storage import write_plain_json
from bench.records.throughput import SuiteRow
from bench.report import throughput
from bench.report.costs import seeds_table
from bench.report.figures.harness import draw_schedule
from bench.report.figures.history import draw_history
from bench.report.figures.throughput import draw_throughput
from bench.report.tabular import cost_table
from bench.spec.tables import load_spec
from bench.throughput import cost as measuring
from bench.throughput.session import Session, read_baseline
from infogan.data.folders import cached_images
from infogan.data.rendering import controlled
from tests.bench.gate.baselines import converging
from tests.bench.records.test_schedule import cell, launch
from tests.bench.throughput_records import BESIDE
from tests.builders import finished_cell
from tests.fuzz.engine import counts, fuzz
from tests.fuzz.mutations import changed_json, damaged, rewritten

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "results" / "reference" / "throughput" / "paired.json"


def mutant(value: dict[str, Any], rng: random.Random) -> bytes:
    """A record with one wrong value, with edited text, or with damaged bytes."""
    kind = rng.random()
    if kind < 0.6:
        return json.dumps(changed_json(value, rng)).encode()
    text = json.dumps(value)
    return rewritten(text, rng) if kind < 0.8 else damaged(text.encode(), rng)


@pytest.fixture(scope="module")
def base() -> Sweep:
    """The committed baseline, as if its runs were this machine's."""
    sweep = converging()
    here = {"environment": environment.record("cpu")}
    versions = environment.key_versions()
    runs = [
        replace(run, cell=replace(run.cell, config=run.cell.config | {"versions": versions}), **here)
        for run in sweep.runs
    ]
    return replace(sweep, runs=runs)


@counts(40, 1500)
def test_launches(num: int, tmp_path: Path) -> None:
    """The record of what launches cost is separate from results: an invalid line is skipped, the others count."""
    results = tmp_path / "results"
    finished_cell(results)
    (sweep,) = load(results).sweeps
    sound = launch(*(cell(f"infogan/seed-{k}", 2 * k, 9 + k, 5, sweep.definition_key) for k in range(4)), jobs=2)
    sound["definitions"] = [sweep.definition_key]
    other = launch(cell("infogan/seed-0", 0, 3, 1, sweep.definition_key)) | {"definitions": [sweep.definition_key]}
    file = results / "launches.jsonl"

    def read(rng: random.Random) -> None:
        file.write_bytes(mutant(sound, rng) + b"\n" + json.dumps(other).encode() + b"\n")
        (found,) = load(results).sweeps
        table, shown = seeds_table([found]), largest(found.launches, found.definition_key)
        assert table is not None  # the sound line's
        assert shown is not None
        assert shown.wall_s > 0
        if rng.random() < 0.1:
            draw_schedule(shown, found.definition_key)

    fuzz("launches", num, 1, read, (), lambda: {"launches.jsonl": file.read_bytes()}, tmp_path)


@counts(12, 400)
def test_history_of_the_gate(num: int, tmp_path: Path, base: Sweep) -> None:
    rule = load_spec(DEFAULT_SPEC).experiments["mi-gate"].gate
    assert rule
    new = replace(base, runs=base.runs[:5])
    check = gate.compare(rule, base, new, tuple(rule.new_seeds))
    write_plain_json(tmp_path / "throughput" / "paired.json", here(json.loads(COMMITTED.read_text())))
    sound = gate_history.history_line(check, rule, new, tmp_path).model_dump()
    assert sound["throughput"]["ratio"] > 0
    sound["throughput"] = {"network": "mnist", "batch_size": 128, "width": 1.0, "clock": "processor"}
    sound["throughput"] |= {"ratio": 0.9, "low": 0.8, "high": 1.0}
    file = tmp_path / "history.jsonl"
    (group,) = sound["arms"]

    def read(rng: random.Random) -> None:
        file.write_bytes(mutant(sound, rng) + b"\n" + json.dumps(sound).encode() + b"\n")
        lines = gate_history.read_history(file)
        assert lines[-1] == gate_history.HistoryLine.model_validate(sound)
        drawn = draw_history([line for line in lines if line.experiment == "mi-gate"], group)
        assert drawn is not None
        assert "0.900 [0.800, 1.000]" in drawn.caption
        assert f"the tolerance of {100 * rule.tolerance:g} % and the margin of" in drawn.caption

    fuzz("gate history", num, 1, read, (), lambda: {"history.jsonl": file.read_bytes()}, tmp_path)


def here(record: dict[str, Any]) -> dict[str, Any]:
    """A record as if this machine and code had made it."""
    own = Session("cpu", 1, lambda _: None).record("paired")
    return record | {name: own[name] for name in ("fingerprint", "code")}


def suite() -> dict[str, Any]:
    """A suite's record of the smallest shape that can be drawn."""
    row = dict.fromkeys(SuiteRow.__annotations__, 2.0)
    row |= {"network": "mnist", "batch_size": 32, "threads": 1, "clock": "processor"}
    rows = [row | {"step": step} for step in ("fused", "reference")]
    return Session("cpu", 1, lambda _: None).record("suite") | {"rows": rows, **BESIDE}


@counts(40, 1500)
def test_throughput_records(num: int, tmp_path: Path, base: Sweep) -> None:
    """These records are read by the report, by the gate's history and as a baseline."""
    records = [here(json.loads(COMMITTED.read_text())), suite()]
    file = tmp_path / "throughput" / "mutant.json"
    file.parent.mkdir()

    def read(rng: random.Random) -> None:
        file.write_bytes(mutant(rng.choice(records), rng))
        found = throughput.read_records(file.parent)
        lines = throughput.missing(found)
        assert all(line.isprintable() for line in lines), lines
        throughput.tables(found)
        throughput.machines(found)
        if found.suite is not None and rng.random() < 0.1:
            draw_throughput(found.suite)
        ratio = newest_ratio(tmp_path, base.runs[0])
        assert ratio is None or 0 < ratio.low <= ratio.ratio <= ratio.high
        read_baseline(file)

    fuzz("throughput records", num, 1, read, BadInput, lambda: {"mutant.json": file.read_bytes()}, tmp_path)


@counts(40, 1500)
def test_the_cost_record(num: int, tmp_path: Path) -> None:
    claim = load_spec(DEFAULT_SPEC).cost
    assert claim
    network = {"network": "mnist", "ratio": 1.02, "low": 1.01, "high": 1.03, "level": 0.95, "num_pairs": 20}
    each = [f"{who}_{what}" for what in ("ms", "parameters", "gflop") for who in ("infogan", "gan")]
    network |= dict.fromkeys(each, 3)
    wanted = measuring.protocol(claim, "smoke")
    record = Session("cpu", 1, lambda _: None).record("cost") | {"format": 1, "clock": "processor", **wanted}
    stored = record | {"load": "1 to 1", "networks": [network]}
    file = tmp_path / RECORD
    file.parent.mkdir()
    write_plain_json(file, stored)
    assert measuring.is_held(tmp_path, record)

    def read(rng: random.Random) -> None:
        file.write_bytes(mutant(stored, rng))
        assert isinstance(measuring.is_held(tmp_path, record), bool)
        found = read_cost(tmp_path)
        results = judge_cost(claim, found)
        assert results
        cost_table(claim, found, results)

    found = fuzz("cost record", num, 1, read, ValueError, lambda: {"cost.json": file.read_bytes()}, tmp_path)
    assert found["refused"] > num // 4


@counts(40, 1500)
def test_leases(num: int, tmp_path: Path) -> None:
    """An unreadable lease has no known holder: it is waited out, or its holder seems gone; no lease breaks the lock."""
    path = tmp_path / "run.lease"
    with locks.Lock(path, "a sweep"):
        (sound,) = (json.loads(file.read_bytes()) for file in path.iterdir())

    def read(rng: random.Random) -> None:
        for file in path.iterdir():
            file.unlink()
        (path / "7").write_bytes(mutant(sound, rng))
        assert isinstance(leases.is_locked(path), bool)
        try:
            with locks.Lock(path, "the next", lapse_s=0.0):
                assert leases.is_locked(path)
        except locks.Locked as error:
            assert isinstance(error.holder, str)  # noqa: PT017 - of a process that seems to live
            raise

    fuzz("leases", num, 1, read, locks.Locked, lambda: {"lease": (path / "7").read_bytes()}, tmp_path)


@counts(40, 1000)
def test_kept_arrays(num: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Damaged files of decoded and rendered images are made again, to the same bytes."""
    monkeypatch.setenv("INFOGAN_CACHE", str(tmp_path))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, 3, 8, 8), np.uint8)
    decoded = tmp_path / "decoded.npy"
    assert (cached_images(decoded, images.shape, lambda: images) == images).all()

    def swept() -> np.ndarray:
        return controlled.ControlledImages("chairs", 512).swept("rotation", 2)

    rendered = swept()
    (archive,) = (tmp_path / "rendered").rglob("swept-*.npz")
    sound = {decoded: decoded.read_bytes(), archive: archive.read_bytes()}

    def read(rng: random.Random) -> None:
        file = rng.choice(list(sound))
        file.write_bytes(damaged(sound[file], rng))
        if file == decoded:
            kept = cached_images(decoded, images.shape, lambda: images)
            assert (kept.shape, kept.dtype) == (images.shape, images.dtype)
            np.asarray(kept).sum()
        else:
            assert (swept() == rendered).all()

    fuzz("kept arrays", num, 1, read, (), dict, tmp_path)
