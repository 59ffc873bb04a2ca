"""``--set`` is strict, overrides everything and is part of the key; the same settings select the same cells."""

from pathlib import Path
from typing import Any

import pytest

from bench.analysis.results import load
from bench.context import Context
from bench.report.inventory import command
from bench.spec.cells import Cell
from bench.spec.tables import Spec, SpecError, load_spec
from bench.spec.treatment import treatment_set
from tests.builders import experiment_text, finished_cell, planned, tiny_file

SETTINGS = ["training.beta1=0.9", "network.slope=0.01", "profile.iterations=20"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tiny_file(tmp_path, name="sound.toml")


def resolved(file: Path | Spec, *settings: str, experiment: str = "tiny") -> list[Cell]:
    return planned(file, experiment, settings=settings)


def test_a_setting_is_part_of_every_cell_and_of_its_key(file: Path) -> None:
    before, after = resolved(file), resolved(file, *SETTINGS)
    assert [cell.name for cell in before] == [cell.name for cell in after]
    assert not {cell.key for cell in before} & {cell.key for cell in after}
    for cell, was in zip(after, before, strict=True):
        training, network = cell.config["training"], cell.config["network"]
        assert (training["beta1"], network["slope"], cell.iterations) == (0.9, 0.01, 20)
        assert cell.definition["training"]["beta1"] == 0.9
        changed = {"beta1": 0.5, "iterations": 30}
        assert was.config == cell.config | {"training": training | changed, "network": network | {"slope": 0.1}}


def test_the_command_line_has_the_last_word_over_arms_and_variants(file: Path) -> None:
    variant = (
        "\n[experiments.tiny.variants.half]\ntraining = { mi_weight_generator = 0.5 }\nnetwork = { slope = 0.2 }\n"
    )
    file.write_text(file.read_text() + variant)
    found = resolved(file, "training.mi_weight_generator=2.0", "network.slope=0.3")
    assert {tuple(cell.config["training"]["mi_weight_generator"]) for cell in found} == {(2.0, 2.0)}
    assert {cell.config["network"]["slope"] for cell in found} == {0.3}
    words = treatment_set(load_spec(file, ["training.mi_weight_generator=2.0"]), "tiny", "cpu")
    assert words == ["training.mi_weight_generator = 2.0 (sound.toml: 0.5, 0.0)"]


# ruff: noqa: E501 - a table reads better with a row per case
MISTAKES = {
    "unknown field": ("training.beta3=0.9", r"--set: \[training\] beta3 = 0.9: unknown key \(did you mean 'beta2'\?\); choose from batch_size"),
    "unknown table": ("optim.beta1=0.9", "--set: optim = .*unknown key; choose from training, network, profile"),
    "out of bounds": ("training.beta1=1.5", r"--set: \[training\] beta1 = 1.5: Input should be less than 1"),
    "wrong type": ('training.beta1="0.9"', "--set: .*beta1 = '0.9': Input should be a valid number"),
    "out of bounds, where a word would do": ("training.learning_rate_q=2.0", r"\] learning_rate_q = 2.0: Input should be 'discriminator' or 'generator', or less than or equal to 1$"),
    "out of bounds in a list": ("training.mi_weight=[1.0, -1.0]", r"--set: \[training.mi_weight\] 1 = -1.0: Input should be greater than or equal to 0$"),
    "an option without end": ('training.optimizer={name="sgd", momentum=[0.9, nan]}', r"momentum = \[0.9, nan\]: expected a finite number"),
    "no TOML": ("training.step=reference", "text must be quoted: training.step='\"reference\"'"),
    "no value": ("training.beta1", "write a table, a field and a value"),
    "no table": ("beta1=0.9", "write a table, a field and a value"),
    "two lines": ("training.beta1=0.9\nx=1", "write a table, a field and a value"),
    "a digit too many": ("profile.iterations=" + "9" * 5000, "not TOML"),
    "what is no budget": ("profile.seeds=[1]", "unknown key; choose from iterations, width, num_images"),
    "what does not fit the codes": ("training.mi_weight=[1.0]", r"--set: experiments.tiny: mi_weight \(arm infogan\) = \[1.0\]: expected one number or 2"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(file: Path, name: str) -> None:
    text, message = MISTAKES[name]
    with pytest.raises(SpecError, match=message) as caught:
        load_spec(file, [text])
    assert "\n" not in str(caught.value)
    with pytest.raises(SpecError, match=r"training.beta1 is set twice"):
        load_spec(file, ["training.beta1=0.9", "training.beta1=0.8"])


def test_settings_are_for_the_experiments_that_are_named(tmp_path: Path) -> None:
    """A weight per code fits two codes and not one; who names the first experiment is not told of the second."""
    budget = "\n[experiments.other.profiles.cpu]\niterations = 9\nwidth = 0.06\n"
    file = tiny_file(tmp_path, name="sound.toml", more=experiment_text("other", budget))
    per_code = ["training.mi_weight=[1, 0.5]", "profile.iterations=20"]
    misfit = r"^--set: experiments.other: mi_weight \(arm infogan\) = \[1.0, 0.5\]: expected one number or 1"
    for names in (None, ["other"], ["tiny", "other"]):
        with pytest.raises(SpecError, match=misfit):
            load_spec(file, per_code, experiments=names)
    with pytest.raises(SpecError, match=r"^--set: experiments.tiny: mi_weight .*expected one number or 2"):
        load_spec(file, ["training.mi_weight=[1]"], experiments=["tiny"])
    spec = load_spec(file, per_code, experiments=["tiny"])
    assert tuple(resolved(spec)[0].config["training"]["mi_weight_generator"]) == (1.0, 0.5)
    assert spec.experiments["other"].profiles["cpu"].iterations == 9
    options: dict[str, Any] = {"results": tmp_path / "results", "device": "cpu", "no_tracking": True}
    context = Context(["tiny"], spec=file, settings=per_code, **options)
    assert {cell.iterations for cell in context.cells} == {20}
    named, all_of_them = load_spec(file, SETTINGS, experiments=["tiny"]), load_spec(file, SETTINGS)
    assert [cell.key for cell in resolved(named)] == [cell.key for cell in resolved(all_of_them)]


def test_who_selects_with_the_same_settings_finds_the_same_cells(tmp_path: Path) -> None:
    """Holds for the report and for every command that plans cells: run, plan, check, baseline."""
    results, settings = tmp_path / "results", [*SETTINGS[:2], "profile.width=0.1"]
    folder = finished_cell(results, settings=settings)
    file = tmp_path / "sound.toml"
    spec = load_spec(file, settings)
    found, plain = (load(results, spec=s).sweeps[0] for s in (spec, load_spec(file)))
    assert (found.is_current, plain.is_current) == (True, False)
    assert found.runs[0].cell.key == folder.cell().key
    said = command(found, spec.experiments["tiny"], spec.given)
    assert said.endswith("--set training.beta1=0.9 --set network.slope=0.01 --set profile.width=0.1")
    options: dict[str, Any] = {"spec": file, "results": results, "device": "cpu", "no_tracking": True}
    context = Context(["tiny"], **options, settings=settings)
    assert {cell.config["training"]["beta1"] for cell in context.cells} == {0.9}
    assert treatment_set(context.spec, "tiny", "cpu")[2] == "profile.width = 0.1 (sound.toml: 0.06)"
