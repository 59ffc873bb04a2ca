"""A trained cell becomes a folder and the folder a model, as docs/API.md shows; mistakes give one line."""

import doctest
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import infogan
from bench import cli
from bench.analysis.results import load
from bench.analysis.wanted import Wanted, chosen, chosen_run
from bench.commands import export
from bench.console import BadInput
from bench.environment import key_versions
from bench.records.folder import CellFolder
from bench.records.packs import pack
from bench.records.schema import Measured, Result
from bench.spec.cells import Cell
from bench.spec.reading import BUILTIN
from bench.spec.tables import load_spec
from infogan.data import describe
from tests.bench.tracked_cells import begin, done_cell, make_cell
from tests.builders import finished, planned, tiny_file
from tests.infogan.test_exchange import needs_onnx

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "API.md").read_text()
REFERENCE = ROOT / "results" / "reference" / "mnist-mi-cpu" / "cells.zip"
SPEAK = Callable[..., tuple[int, str, str]]


@pytest.fixture
def speak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> SPEAK:
    """Run ``python -m bench`` with these arguments in an empty folder; returns exit code, standard output and error."""
    monkeypatch.chdir(tmp_path)

    def say(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bench", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    return say


def toy(seed: int) -> Cell:
    """A fabricated cell with consistent records, except that it does not state its architecture."""
    cell = make_cell(seed)
    return replace(cell, config=cell.config | {"network": {"width": 1.0}})


def results_of(folder: CellFolder) -> Path:
    return folder.path.parents[len(folder.cell().folder.parts) - 1]


def blocks(kind: str) -> list[str]:
    fenced = re.findall(r"^```([^\n]*)\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)
    return [content for of, content in fenced if of == kind]


def test_the_page_does_what_it_says(trained: CellFolder, speak: SPEAK, tmp_path: Path) -> None:
    shutil.copytree(results_of(trained), tmp_path / "results" / "latest")
    for line in "".join(blocks("")).splitlines():
        code, _, error = speak(*line.removeprefix(".venv/bin/python -m bench ").split())
        assert (code, error) == (0, ""), line
    names: dict[str, object] = {}
    (example,) = blocks("python")
    exec(compile(example, "docs/API.md", "exec"), names)
    assert names["images"].shape == (10, 1, 28, 28)  # type: ignore[attr-defined]
    assert all(np.asarray(Image.open(name)).std() > 10 for name in ("c1.png", "c2.png"))
    (shown,) = doctest.DocTestFinder().find(infogan.load, globs={"load": infogan.load})
    assert doctest.DocTestRunner().run(shown) == (0, len(shown.examples))
    card = names["model"].card  # type: ignore[attr-defined]
    assert (card["experiment"], card["arm"], card["licence"]) == ("mnist", "infogan", "MIT")
    assert card["data"]["digest"] == trained.cell().config["data"]["digest"]
    assert card["budget"]["iterations"] == 2
    assert {verdict["claim"] for verdict in card["verdicts"]} >= {"F2a"}
    assert all(verdict["verdict"] and verdict["data"] and verdict["budget"] for verdict in card["verdicts"])


def test_the_page_does_what_it_says_of_training_in_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    drawn = np.random.default_rng(0)
    np.savez("mine.npz", images=drawn.integers(0, 256, (130, 28, 28), np.uint8), angle=drawn.normal(size=130))
    (example,) = blocks("python training")
    names: dict[str, Any] = {}
    exec(compile(example.replace("iterations=300", "iterations=2"), "docs/API.md", "exec"), names)
    assert names["model"].sample(3, c1=7).shape == (3, 1, 28, 28)
    (iteration, nats), (correlation,) = map(str.split, capsys.readouterr().out.splitlines())
    assert (iteration, float(nats) < 2.303, abs(float(correlation)) < 1) == ("2", True, True)


@needs_onnx
@pytest.mark.slow
def test_the_page_does_what_it_says_of_onnx(trained: CellFolder, speak: SPEAK) -> None:
    assert speak("export", trained.path, "--to", "digits", "--onnx")[::2] == (0, "")
    model = infogan.load("digits")
    names: dict[str, object] = {"model": model}
    (example,) = blocks("python onnx")
    torch.manual_seed(0)
    exec(compile(example, "docs/API.md", "exec"), names)
    torch.manual_seed(0)
    expected = model.sample(10, c1=3).numpy()
    assert np.abs(names["images"] - expected).max() < 1e-5  # type: ignore[operator]


def test_onnx_without_its_packages_is_one_line(
    trained: CellFolder, speak: SPEAK, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "ONNX_PACKAGES", ("json", "no_such_package"))
    code, _, error = speak("export", trained.path, "--to", "digits", "--onnx")
    assert (code, error) == (2, "error: --onnx needs no_such_package: pip install infogan-bench[onnx]\n")
    assert not Path("digits").exists()


def test_a_cells_folder_and_a_pack_give_the_same_model(trained: CellFolder, speak: SPEAK) -> None:
    cells_zip = pack(results_of(trained), Path("cells.zip"), weights=True).files[0]
    assert speak("export", trained.path, "--to", "one")[0] == 0
    assert speak("export", cells_zip, "--seed", trained.cell().seed, "--to", "two")[0] == 0
    first, second = infogan.load("one"), infogan.load("two")
    assert first.card == second.card
    draws = [model.sample(3, generator=torch.Generator().manual_seed(1)) for model in (first, second)]
    assert torch.equal(*draws)
    assert sorted(path.name for path in Path().iterdir()) == ["cells.zip", "one", "two"]  # nothing half-done is left


def test_a_cell_is_loaded_without_a_folder_between(trained: CellFolder, speak: SPEAK) -> None:
    """It gives the same card and pictures as the exported folder, for one latent or a thousand."""
    cells_zip = pack(results_of(trained), Path("cells.zip"), weights=True).files[0]
    speak("export", trained.path, "--to", "one")
    exported, seed = infogan.load("one"), trained.cell().seed
    noise = exported.noise(1000, torch.Generator().manual_seed(1))
    many = exported.sample(1000, noise=noise, c1=3, c2=0.5, c3=0)
    for model in (
        infogan.load(results_of(trained), "mnist", arm="infogan", seed=seed),
        infogan.load(str(cells_zip), seed="median", profile="smoke"),
        infogan.load(trained.path, "mnist", arm="infogan", seed=seed, profile="smoke"),
        infogan.load("one", "mnist", arm="infogan", seed=seed, profile="smoke"),
    ):
        assert model.card == exported.card
        assert torch.equal(model.sample(1000, noise=noise, c1=3, c2=0.5, c3=0), many)
        assert (model.sample(1, noise=noise[500], c1=3, c2=0.5, c3=0)[0] - many[500]).abs().max() < 1e-6


@pytest.mark.parametrize(
    ("source", "asked", "words"),
    [
        ("none", {}, "none does not exist"),
        ("made", {}, "made holds several experiments; choose one with experiment=: mnist, toy"),
        ("made", {"experiment": "mnits"}, "no cell of experiment 'mnits' (did you mean 'mnist'?)"),
        ("made", {"experiment": "mnist", "arm": "infogam"}, "no cell of arm 'infogam' (did you mean 'infogan'?)"),
        ("made", {"experiment": "mnist", "seed": 77}, "no cell has seed 77; choose from 0"),
        ("made", {"experiment": "mnist", "seed": "first"}, "seed='first': expected best, median or a number"),
        ("made", {"experiment": "mnist", "seed": -1}, "seed='-1': expected best, median or a number"),
        ("made", {"experiment": "mnist", "profile": "huge"}, "unknown profile 'huge'"),
        ("made", {"experiment": "toy", "seed": 1}, "is partial: only a finished cell has trained networks"),
        ("cell", {"seed": 77}, "cell is one cell, mnist/smoke/infogan/seed-0, which does not match seed=77"),
        ("cell", {"arm": "gan"}, "cell is one cell, mnist/smoke/infogan/seed-0, which does not match arm='gan'"),
        ("exported", {"arm": "gan"}, "exported is an exported network of arm 'infogan', not 'gan'"),
        ("exported", {"seed": 77}, "exported is an exported network of seed 0, not 77"),
        ("exported", {"seed": "best"}, "exported is an exported network of seed 0, not 'best'"),
        ("bare.zip", {}, "toy/smoke/infogan/seed-0 came without its weights: pack with --weights where it was trained"),
        (
            REFERENCE,
            {"arm": "infogan", "seed": 2},
            "python -m bench run mnist-mi --profile cpu --arms infogan --seeds 2 --results results/with-weights",
        ),
        (__file__, {}, "File is not a zip file"),
        ("made/cells", {}, "is not a cell's folder, and it holds neither cells nor packs"),
    ],
)
def test_what_cannot_be_loaded_is_one_line_of_the_functions_parameters(
    made: Path, trained: CellFolder, speak: SPEAK, source: str, asked: dict[str, Any], words: str
) -> None:
    shutil.copytree(trained.path, "cell")
    assert source != "exported" or speak("export", "cell", "--to", "exported")[0] == 0
    with pytest.raises(infogan.ModelError) as raised:
        infogan.load(source, **asked)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not re.search(r"--(experiment|arm|seed)\b", str(raised.value))


def test_the_advice_for_a_cell_without_weights_works(speak: SPEAK, tmp_path: Path) -> None:
    """The cell is done in two folders already, under the key that it has here."""
    spec, data = tiny_file(tmp_path), describe("mnist", "embedded", num_images=640)
    (cell,) = planned(spec, data=data, versions=key_versions(), arms=("infogan",), seeds=(0,))
    done_cell(Path("there"), cell)
    pack(Path("there"), Path("bare.zip"))
    for results in "results/latest", "results/with-weights":
        assert speak("unpack", "bare.zip", "--results", results)[0] == 0
        code, _, error = speak("export", results, "--to", "x")
        assert code == 2
        words = shlex.split(error.partition("load that: ")[2])
        assert words[-1] == ("results/with-weights-2" if results == "results/with-weights" else "results/with-weights")
    assert words[:3] == ["python", "-m", "bench"]
    assert speak(*words[3:], "--spec", spec, "--no-tracking")[0] == 0
    assert speak("export", words[-1], "--to", "x")[0] == 0
    assert infogan.load("x").card["key"] == cell.key


def test_a_damaged_cell_is_skipped_with_a_warning(made: Path) -> None:
    (path,) = (made / "cells").glob("toy/**/cell.json")
    path.write_bytes(b"{")
    with pytest.warns(UserWarning, match=r"cell\.json"):
        assert infogan.load(made).card["experiment"] == "mnist"


def test_of_cells_with_other_settings_it_is_said_which_are_passed_over(tmp_path: Path) -> None:
    file, said = tiny_file(tmp_path), list[str]()
    (other,) = planned(file, settings=("network.slope=0.3",), arms=("gan",), seeds=(0,))
    for cell in (other, *planned(file, arms=("infogan",), seeds=(1, 2))):
        finished(tmp_path, cell)

    def seed(spec: Path, **wanted: str) -> int:
        return chosen_run(tmp_path, tmp_path, Wanted(**wanted), load_spec(spec), said.append)[1].cell.seed

    there = f"1 cell of other settings, data or versions passed over; .* such as {other.folder} in {tmp_path}"
    assert seed(BUILTIN) in (1, 2)
    assert re.fullmatch(f"tiny/cpu: {there}", said.pop())
    with pytest.raises(BadInput, match=f"holds no cell of arm 'gan': {there}"):
        seed(BUILTIN, arm="gan")
    assert seed(BUILTIN, arm="infogan") == seed(file)  # no other cell of the arm, and no doubt what the file asks for
    assert said == []


def test_without_the_harness_results_are_one_line(made: Path, speak: SPEAK, tmp_path: Path) -> None:
    """The library alone is copied to where no package provides a reader; an exported model still loads."""
    assert speak("export", made, "--experiment", "mnist", "--to", "exported")[0] == 0
    shutil.copytree(ROOT / "infogan", tmp_path / "alone" / "infogan", ignore=shutil.ignore_patterns("__pycache__"))
    script = "import infogan; print(infogan.load('exported').image_CHW); infogan.load('made')"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", script]
    ended = subprocess.run(
        command, capture_output=True, text=True, env=environment | {"PYTHONPATH": str(tmp_path / "alone")}
    )
    assert ended.stdout == "(1, 28, 28)\n"
    assert ended.stderr.splitlines()[-1] == (
        "infogan.arguments.ModelError: made has no card.json; results and packs need the harness, bench, which is not "
        "installed here: python -m bench export writes a folder that does not need it"
    )


def test_statistics_are_those_that_the_cell_recorded(trained: CellFolder, speak: SPEAK) -> None:
    """The frozen L_I of the record is what the exported model gives on fresh prior samples."""
    speak("export", trained.path, "--to", "one")
    model = infogan.load("one")
    latents = model.spec.sample(4000, torch.Generator().manual_seed(3))
    codes = dict(zip(model.spec.names, latents.values, strict=True))
    noise = latents.inputs_NZ[:, : model.spec.noise.size]
    probabilities = model.encode(model.sample(4000, noise=noise, **codes))["c1"]
    rows = torch.arange(4000)
    bound_nats = probabilities[rows, codes["c1"]].log().mean() + model.codes[0].ceiling_nats
    assert bound_nats == pytest.approx(model.card["mi_frozen_nats"]["c1"], abs=0.02)


def test_which_seed_is_the_best(tmp_path: Path) -> None:
    for seed, (nats, error) in enumerate([(2.0, None), (1.0, 0.1), (1.9, 0.3), (2.2, None)]):
        folder = done_cell(tmp_path, toy(seed))
        folder.write_result(Result(status="done", mi_frozen_nats={"c1": nats, "c2": 9.0}))
        if error is not None:
            folder.write_measures("digits", Measured(key="k", values={"digit_error_train": error}, seconds=1.0))
    begin(tmp_path, toy(4), 10)
    (sweep,) = load(tmp_path).sweeps
    asked = ["best", "median", "0", "4"]
    assert [chosen(sweep, "infogan", seed).cell.seed for seed in asked] == [1, 3, 0, 4]


@pytest.fixture
def made(trained: CellFolder, tmp_path: Path) -> Path:
    """The trained cell beside an unfinished one; elsewhere one of unknown networks and a pack without weights."""
    shutil.copytree(results_of(trained), tmp_path / "made")
    begin(tmp_path / "made", toy(1), 10)
    done_cell(tmp_path / "other", toy(0))
    pack(tmp_path / "other", tmp_path / "bare.zip")
    return tmp_path / "made"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("none --to x", "none does not exist"),
        ("made --to x", "made holds several experiments; choose one with --experiment: mnist, toy"),
        ("made --experiment mnits --to x", "no cell of experiment 'mnits' (did you mean 'mnist'?)"),
        ("made --experiment mnist --arm gan --to x", "no cell of arm 'gan' (did you mean 'infogan'?)"),
        ("made --experiment mnist --seed 77 --to x", "no cell has seed 77"),
        ("made --experiment mnist --seed first --to x", "--seed first: expected best, median or a number"),
        ("made --experiment mnist --profile huge --to x", "unknown profile 'huge'"),
        ("made --experiment toy --to x", "no cell of infogan is finished (states: partial)"),
        ("made --experiment toy --seed 1 --to x", "is partial: only a finished cell has trained networks"),
        ("made --experiment mnist --to made", "--to made is not empty"),
        ("made --experiment mnist --to bare.zip", "--to bare.zip is not a folder"),
        ("other --to x", "toy/smoke/infogan/seed-0: cell.json lacks a setting of its networks: 'architecture'"),
        ("bare.zip --to x", "toy/smoke/infogan/seed-0 came without its weights"),
        ("made/cells --to x", "is not a cell's folder, and it holds neither cells nor packs"),
    ],
)
def test_what_cannot_be_exported_is_one_line(made: Path, speak: SPEAK, arguments: str, words: str) -> None:
    code, _, error = speak("export", *arguments.split())
    assert (code, error.count("\n")) == (2, 1)
    assert words in error
    assert not Path("x").exists()


def test_a_cells_folder_is_that_cell_and_no_other(trained: CellFolder, speak: SPEAK) -> None:
    for option, value in (
        ("seed", "77"),
        ("seed", "median"),
        ("arm", "gan"),
        ("experiment", "toy"),
        ("profile", "cpu"),
    ):
        code, _, error = speak("export", trained.path, f"--{option}", value, "--to", "x")
        assert (code, error.count("\n")) == (2, 1)
        assert (
            f"is one cell, mnist/smoke/infogan/seed-{trained.cell().seed}, which does not match --{option} {value}"
            in error
        )


def test_damaged_weights_are_reported(made: Path, speak: SPEAK) -> None:
    (path,) = made.rglob("weights.safetensors")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    code, _, error = speak("export", made, "--experiment", "mnist", "--to", "x")
    assert (code, error.count("\n")) == (2, 1)
    assert "weights.safetensors" in error
    path.unlink()
    assert "its weights are missing" in speak("export", made, "--experiment", "mnist", "--to", "x")[2]
    assert not Path("x").exists()


def test_what_cannot_be_drawn_is_one_line(trained: CellFolder, speak: SPEAK, tmp_path: Path) -> None:
    assert speak("export", trained.path, "--to", "model")[0] == 0
    for arguments, words in (
        ("model --vary c9 --to x.png", "unknown code 'c9'; this model has c1, c2, c3"),
        ("none --vary c1 --to x.png", "none does not exist"),
        (". --vary c1 --to x.png", "is not a cell's folder, and it holds neither cells nor packs"),
        ("model --arm gan --vary c1 --to x.png", "model is an exported network of arm 'infogan', not 'gan'"),
        ("model --vary c1 --to model", "--to model is a folder"),
        ("model --vary c1 --to x.gif", "--to x.gif: it writes a picture, FILE.png"),
    ):
        code, _, error = speak("sample", *arguments.split())
        assert (code, error.count("\n")) == (2, 1), arguments
        assert words in error
    (tmp_path / "model" / "weights.safetensors").write_bytes(b"")
    assert "is damaged" in speak("sample", "model", "--vary", "c1", "--to", "x.png")[2]
    assert not (tmp_path / "x.png").exists()
