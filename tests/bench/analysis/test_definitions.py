"""A report never mixes two configurations of an arm, and shows that of experiments.toml, whichever files are newest."""

import os
from pathlib import Path
from typing import Any

import pytest

from bench import environment
from bench.analysis.definitions import current_config
from bench.analysis.results import Loaded, load
from bench.analysis.sweep_file import from_json, to_json
from bench.records.folder import LAUNCHES, CellFolder
from bench.records.storage import append_line
from bench.report import write_report
from bench.spec.cells import Cell, digest
from bench.spec.schema import PROFILES
from bench.spec.tables import Spec, load_spec
from infogan.data import DataInfo
from tests.bench.records.test_schedule import cell as launched_cell
from tests.bench.records.test_schedule import launch
from tests.builders import DATA, SHIPPED, begun, finished_cell, planned, tiny_file

ARM = "[arms.infogan]\n"
FASTER = ARM + "learning_rate_generator = 5e-3\n"


def spec_of(folder: Path, *edits: tuple[str, str]) -> Spec:
    return load_spec(tiny_file(folder, *edits, name="edited.toml"))


def record(results: Path, spec: Spec, *, data: DataInfo = DATA, selection: dict[str, Any] | None = None) -> list[Cell]:
    """Write finished cells of the tiny experiment, as made with this spec."""
    made = planned(spec, data=data, versions=environment.key_versions(), **(selection or {"seeds": (0, 1)}))
    source = finished_cell(results.parent / "source")
    history, result = source.history(), source.result()
    assert history is not None
    assert result is not None
    for cell in made:
        begun(results, cell, history, environment={"cpu": "a cpu"}, **environment.data_record(data)).write_result(
            result
        )
    return made


def shown(loaded: Loaded) -> dict[str, list[tuple[int, float]]]:
    """Seeds and G's learning rates of the shown runs, by group."""
    (sweep,) = loaded.sweeps
    return {
        group: [(run.cell.seed, run.cell.config["training"]["learning_rate_generator"]) for run in runs]
        for group, runs in sweep.groups().items()
    }


@pytest.mark.parametrize("newest", ["old", "new"])
def test_an_edited_arm_is_shown_as_the_file_has_it_now(tmp_path: Path, newest: str) -> None:
    results = tmp_path / "results"
    old, new = spec_of(tmp_path), spec_of(tmp_path, (ARM, FASTER))
    record(results, old)
    record(results, new)
    for path in (results / "cells").rglob("cell.json"):
        is_new = CellFolder(path.parent).cell().config["training"]["learning_rate_generator"] == 5e-3
        os.utime(path, (2e9, 2e9) if is_new == (newest == "new") else (1e9, 1e9))
    for spec, rate in ((old, 1e-3), (new, 5e-3)):
        loaded = load(results, spec=spec)
        assert shown(loaded) == {"gan": [(0, 1e-3), (1, 1e-3)], "infogan": [(0, rate), (1, rate)]}
        assert loaded.sweeps[0].is_current
        ((apart,), num) = loaded.kept_apart, 2
        assert len(apart.runs) == num
        assert {run.cell.group for run in apart.runs} == {"infogan"}


def test_an_arm_that_was_not_trained_anew_is_left_out(tmp_path: Path) -> None:
    """The other arm matches the file, so the edited one would appear beside it in one table."""
    record(tmp_path / "results", spec_of(tmp_path))
    loaded = load(tmp_path / "results", spec=spec_of(tmp_path, (ARM, FASTER)))
    assert shown(loaded) == {"gan": [(0, 1e-3), (1, 1e-3)]}
    assert [len(apart.runs) for apart in loaded.kept_apart] == [2]


def test_where_nothing_is_of_the_file_that_is_said(tmp_path: Path) -> None:
    results = tmp_path / "results"
    record(results, spec_of(tmp_path))
    spec = spec_of(tmp_path, ("iterations = 30", "iterations = 60"))
    loaded = load(results, spec=spec)
    assert not loaded.sweeps[0].is_current
    assert len(loaded.sweeps[0].runs) == 4
    written = write_report(results, spec)
    assert "none of these cells has the configuration that edited.toml now gives" in " ".join(written.missing)


def test_what_is_left_out_is_said_with_its_settings(tmp_path: Path) -> None:
    results, spec = tmp_path / "results", spec_of(tmp_path, (ARM, FASTER))
    record(results, spec_of(tmp_path))
    record(results, spec)
    written = write_report(results, spec)
    line = "tiny, cpu: 2 cells of infogan, trained with other settings than edited.toml now gives"
    assert f"left out: {line}; training.learning_rate_generator: 0.001 (shown: 0.005)" in written.left_out
    text = written.markdown.read_text()
    assert line in text
    assert "training.learning\\_rate\\_generator: 0.001 (shown: 0.005)" in text or (
        "training.learning_rate_generator: 0.001 (shown: 0.005)" in text
    )


def test_of_two_data_sets_that_of_the_last_launch_is_shown(tmp_path: Path) -> None:
    results, spec = tmp_path / "results", spec_of(tmp_path)
    other = DataInfo("mnist", "embedded", "note", "cd" * 32, 4000, 1000, False)
    one, two = record(results, spec), record(results, spec, data=other)
    for first, last in ((one, two), (two, one)):
        (results / LAUNCHES).unlink(missing_ok=True)
        for launched in (first, last):
            append_line(results / LAUNCHES, launch() | {"definitions": [launched[0].definition_key]})
        loaded = load(results, spec=spec)
        assert loaded.sweeps[0].definition_key == last[0].definition_key
        assert [len(apart.runs) for apart in loaded.kept_apart] == [4]


def test_times_of_launches_are_those_of_the_shown_cells(tmp_path: Path) -> None:
    results, spec = tmp_path / "results", spec_of(tmp_path, (ARM, FASTER))
    old, new = record(results, spec_of(tmp_path)), record(results, spec)
    for launched in (old, new):
        ran = [launched_cell(c.name, 1, 4, 2, c.definition_key) | {"key": c.key} for c in launched]
        append_line(results / LAUNCHES, launch(*ran) | {"definitions": [launched[0].definition_key]})
    first, second = load(results, spec=spec).sweeps[0].launches
    counted = {c.name for c in first.cells if c.definition == new[0].definition_key}
    assert counted == {"gan/seed-0", "gan/seed-1"}
    assert {c.definition for c in second.cells} == {new[0].definition_key}


def test_curves_that_mix_two_configurations_are_refused(tmp_path: Path) -> None:
    results = tmp_path / "results"
    record(results, spec_of(tmp_path))
    raw = to_json(load(results).sweeps[0])
    from_json(raw)
    changed: list[dict[str, Any]] = [dict(run) for run in raw["runs"]]
    changed[0] = changed[0] | {"config": changed[0]["config"] | {"device": "cuda"}}
    with pytest.raises(ValueError, match="runs of two configurations"):
        from_json(raw | {"runs": changed})
    with pytest.raises(ValueError, match="a seed of an arm is there twice"):
        from_json(raw | {"runs": [*raw["runs"], raw["runs"][0]]})


@pytest.mark.parametrize("profile", PROFILES)
def test_every_cell_of_experiments_toml_is_known_again(profile: str) -> None:
    """With data sets that are larger and smaller than asked for, with and without their recorded size."""
    spec = load_spec(SHIPPED)
    for name, experiment in spec.experiments.items():
        if profile not in experiment.profiles:
            continue
        for num_train in (1_000, 300_000):
            source = experiment.source if experiment.source != "auto" else "files"
            info = DataInfo(experiment.data, source, "", "ab" * 32, num_train, 10, False)
            budget = experiment.profiles[profile].num_images  # type: ignore[index]
            for cell in planned(spec, name, profile, data=info, seeds=(3,)):
                for known in (num_train, None):
                    expected = current_config(spec, cell, known)
                    if source == "rendered" and budget and num_train < budget:
                        continue  # a renderer makes as many as are asked for
                    assert expected is not None
                    assert digest(expected) == cell.key


def test_other_budgets_and_sources_are_known_for_what_they_are(tmp_path: Path) -> None:
    (cell,) = planned(spec_of(tmp_path), arms=("gan",), seeds=(0,))
    for edit in (
        ("num_images = 640", "num_images = 320"),
        ("num_images = 640", "num_images = 3200"),
        ("width = 0.06", "width = 0.12"),
        ("size = 10", "size = 12"),
        ('source = "embedded"', 'source = "torchvision"'),
        ("mi_weight_generator = 0.0", "mi_weight_generator = 0.5"),
    ):
        expected = current_config(spec_of(tmp_path, edit), cell, DATA.num_train)
        assert expected is None or digest(expected) != cell.key, edit
    assert digest(current_config(spec_of(tmp_path), cell, DATA.num_train)) == cell.key
