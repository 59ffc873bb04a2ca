"""``--images``: a folder in place of an experiment's data, in key and words, or one line before anything runs."""

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import cli
from bench.analysis.definitions import current_config
from bench.analysis.results import load
from bench.claims.judge import judge
from bench.commands.baseline import read_baseline
from bench.commands.overview import print_data
from bench.console import BadInput
from bench.context import Context
from bench.report.inventory import command
from bench.report.sentences import data_sentence
from bench.spec.images import Replacement
from bench.spec.reading import BUILTIN, SpecError
from bench.spec.tables import load_spec
from bench.spec.treatment import treatment_set
from infogan.data import DataError, OwnImages
from tests.builders import finished_cell, tiny_file
from tests.infogan.test_own_images import noise, save

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tiny_file(tmp_path, iterations=3, name="sound.toml")


def planned(file: Path, images: Path | None = None, **options: Any) -> Context:
    names = options.pop("experiments", ["tiny"])
    results = file.parent / "results"
    return Context(names, spec=file, results=results, images=images, device="cpu", no_tracking=True, **options)


def test_the_images_replace_the_data_and_are_part_of_the_key(file: Path, tmp_path: Path) -> None:
    folder = save(tmp_path / "shoes", noise(40, (28, 28)))
    before, after = planned(file), planned(file, folder)
    assert [cell.name for cell in before.cells] == [cell.name for cell in after.cells]
    assert not {cell.key for cell in before.cells} & {cell.key for cell in after.cells}
    cell = after.cells[0]
    made = {"size": 28, "colour": "grey", "resize": None, "held_out": 0.1, "split_seed": 0}
    assert (cell.config["data"]["images"], cell.config["data"]["num_images"]) == (made, 36)
    was = before.cells[0].config
    assert {name for name in was if was[name] != cell.config[name]} == {"data"}
    assert after.data_dirs == {"tiny": folder}
    assert treatment_set(after.spec, "tiny", "cpu") == ["data = shoes, 28x28 grey (sound.toml: mnist)"]
    folder.rename(tmp_path / "moved")
    assert [c.key for c in planned(file, tmp_path / "moved").cells] == [c.key for c in after.cells]
    assert current_config(after.spec, cell, 36) == cell.config  # a report that is given the same option
    assert current_config(before.spec, cell, 36) is None


def test_set_has_the_last_word_beside_them(file: Path, tmp_path: Path) -> None:
    found = planned(file, save(tmp_path / "shoes", noise(40, (28, 28))), settings=["training.beta1=0.9"])
    assert {cell.config["training"]["beta1"] for cell in found.cells} == {0.9}
    assert len(treatment_set(found.spec, "tiny", "cpu")) == 2


def test_a_command_to_copy_names_the_budget_settings_and_images_of_this_one(file: Path, tmp_path: Path) -> None:
    folder = save(tmp_path / "shoes", noise(40, (30, 50)))
    given = {"settings": ["training.beta1=0.9", "network.precision='float32'"], "profile": "cpu"}
    results, chosen = (
        f"--results {tmp_path / 'results'}",
        """--set training.beta1=0.9 --set 'network.precision='"'"'float32'"'"''""",
    )
    images, spec = f"--images {folder} --resize", f"--spec {file}"
    found = planned(file, folder, resize=True, **given)
    assert found.again("report", "tiny") == f"python -m bench report tiny {chosen} {images} {results} {spec}"
    none = tmp_path / "none.json"
    words = f"python -m bench baseline tiny --run --to {none} --profile cpu {chosen} {images} {results} {spec}"
    assert read_baseline(none, "tiny", found) == f"no baseline at {none}; make one with `{words}`"
    assert planned(file).again("report") == f"python -m bench report {results} {spec}"


def test_larger_pictures_are_made_smaller_where_that_is_asked(file: Path, tmp_path: Path) -> None:
    folder = save(tmp_path / "shoes", noise(40, (30, 50, 3)))
    found = planned(file, folder, resize=True)
    assert found.cells[0].config["data"]["images"]["resize"] == "area"
    assert found.infos["tiny"].num_train == 36


@pytest.mark.parametrize(
    ("is_array", "shape", "words"),
    [
        (False, (28, 28), "28x28 grey"),
        (False, (28, 28, 3), "28x28 grey"),  # the paper has no others of this size
        (False, (32, 32), "32x32 grey, networks of faces"),
        (False, (32, 32, 3), "32x32 rgb, networks of celeba"),
        (True, (28, 28), "28x28 grey"),
        (True, (3, 32, 32), "32x32 rgb, networks of celeba"),
        (True, (64, 64, 1), "64x64 grey, networks of chairs"),
    ],
)
def test_size_and_colour_are_those_of_the_files(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], is_array: bool, shape: tuple[int, ...], words: str
) -> None:
    if is_array:
        (tmp_path / "shoes").mkdir()
        np.save(tmp_path / "shoes" / "all.npy", noise(40, shape))
    else:
        save(tmp_path / "shoes", noise(40, shape))
    found = planned(file, tmp_path / "shoes")
    print_data(found)
    said = capsys.readouterr().out
    assert f"in shoes, {words.partition(',')[0]}: 36 to train on" in said
    assert f"set data = shoes, {words} (sound.toml: mnist)" in said
    config, size = found.cells[0].config, int(words[:2])
    assert (config["data"]["images"]["size"], config["data"]["images"]["colour"]) == (size, words.split(",")[0][6:])
    assert config["architecture"] == (words.rpartition(" ")[2] if "," in words else "mnist")


def test_one_picture_in_colour_is_enough(file: Path, tmp_path: Path) -> None:
    save(tmp_path / "shoes", noise(40, (32, 32)))
    save(tmp_path / "one", noise(1, (32, 32, 3)))
    next((tmp_path / "one").iterdir()).rename(tmp_path / "shoes" / "last.png")
    found = planned(file, tmp_path / "shoes").spec.experiments["tiny"].wanted_data
    assert found == OwnImages(tmp_path / "shoes", 32, "rgb")


def test_images_in_place_of_other_images_are_asked_the_same(file: Path, tmp_path: Path) -> None:
    own = 'data = { folder = "here", size = 28, colour = "grey", held_out = 0.25 }'
    text = file.read_text().replace('data = "mnist"\nsource = "embedded"', own)
    file.write_text(text)
    save(tmp_path / "here", noise(48, (28, 28)))
    folder = save(tmp_path / "there", noise(48, (28, 28)))
    assert [cell.key for cell in planned(file, folder).cells] == [cell.key for cell in planned(file).cells]


def test_the_papers_claims_and_measures_of_its_own_sets_go(tmp_path: Path) -> None:
    save(tmp_path / "shoes", noise(4, (32, 32, 3)))
    spec = load_spec(BUILTIN, (), Replacement(tmp_path / "shoes", ("mnist", "celeba")))
    mnist, celeba, faces = (spec.experiments[name] for name in ("mnist", "celeba", "faces"))
    assert celeba.wanted_data == OwnImages(tmp_path / "shoes", 32, "rgb")
    assert (mnist.claims, celeba.claims, mnist.paper, mnist.blank) == ([], [], None, None)
    assert "strokes" not in mnist.measures
    assert "digits" in mnist.measures
    assert "factors" not in celeba.measures
    assert faces == load_spec(BUILTIN).experiments["faces"]
    assert spec.cost is None  # its claim stands beside mnist
    assert load_spec(BUILTIN, (), Replacement(tmp_path / "shoes", ("celeba",))).cost is not None


PICTURES = {
    "nothing in it": (0, (28, 28), r"holds nothing; expected pictures \(PNG, JPEG\)"),
    "another size": (
        4,
        (40, 40, 3),
        r"--images: .* holds 40x40 rgb; the paper has networks for 28x28 grey, .*--resize.*; "
        "tiny's own data is 28x28 grey$",
    ),
    "smaller ones": (4, (20, 20), "holds 20x20 grey"),
    "no square": (4, (28, 40), "holds 40x28 pixels, which is not square; .*--resize"),
    "too few": (
        9,
        (28, 28),
        r"batch_size = 32 exceeds the 8 training images of profile cpu; set a smaller training.batch_size with --set",
    ),
}


@pytest.mark.parametrize("name", PICTURES)
def test_what_cannot_be_trained_on_is_one_line(file: Path, tmp_path: Path, name: str) -> None:
    num, shape, words = PICTURES[name]
    folder = save(tmp_path / "shoes", noise(num, shape))
    with pytest.raises((DataError, SpecError, BadInput), match=words) as caught:
        planned(file, folder)
    assert "\n" not in str(caught.value)


def test_mixed_sizes_and_a_folder_that_is_not_there_end_the_command_before_anything(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = save(tmp_path / "shoes", noise(30, (28, 28)))
    save(folder, np.concatenate([noise(1, (28, 28))] * 3))
    save(folder / "..", noise(1, (40, 28)))
    (tmp_path / "000.png").rename(folder / "004.png")
    monkeypatch.chdir(tmp_path)
    words = {
        "shoes": "error: --images: .*004.png is 28x40 pixels and .*000.png is 28x28.*--resize.*; tiny's own data is ",
        "nowhere": "error: --images: [^:]*nowhere does not exist; tiny's own data is 28x28 grey",
    }
    for place, said in words.items():
        monkeypatch.setattr("sys.argv", ["bench", "run", "tiny", "--spec", str(file), "--images", place])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        error = capsys.readouterr().err
        assert (ended.value.code, error.count("\n")) == (2, 1)
        assert re.match(said, error), error
    assert not (tmp_path / "results").exists()


def test_pictures_whose_names_are_not_utf8_are_planned_and_a_folder_is_one_line(file: Path, tmp_path: Path) -> None:
    folder = save(tmp_path / "shoes", noise(40, (28, 28)))
    (folder / "000.png").rename(folder / os.fsdecode(b"caf\xe9.png"))
    assert planned(file, folder).cells[0].config["data"]["num_images"] == 36
    other = folder.rename(tmp_path / os.fsdecode(b"caf\xe9"))
    with pytest.raises(SpecError, match=r"^--images .*caf\\udce9: the path is not UTF-8, and records are; rename"):
        planned(file, other)


def test_it_wants_experiments_that_there_are(file: Path, tmp_path: Path) -> None:
    for names, words in ((None, "--images .*: name the experiments"), (["tyni"], "unknown experiment 'tyni'")):
        with pytest.raises(SpecError, match=words):
            planned(file, tmp_path, experiments=names)
    with pytest.raises(SpecError, match="--resize needs --images"):
        planned(file, None, resize=True)


def test_a_report_without_the_option_judges_no_claim_on_them(tmp_path: Path) -> None:
    """The claims speak of MNIST; the cells may lie in the same results folder."""
    finished_cell(tmp_path / "results")
    (sweep,) = load(tmp_path / "results").sweeps
    named = load_spec(BUILTIN).experiments["mnist"]
    assert judge(named, sweep)
    sweep.definition["data"] |= {"name": "own"}
    assert judge(named, sweep) == []
    assert "substitute" not in data_sentence(sweep, named)


def test_the_report_names_the_command_that_remakes_it(file: Path, tmp_path: Path) -> None:
    finished_cell(tmp_path / "results")
    (sweep,) = load(tmp_path / "results").sweeps
    spec = load_spec(file, (), Replacement(tmp_path / "my shoes", ("tiny",), resize=True))
    said = command(sweep, spec.experiments["tiny"], spec.given)
    assert said.endswith(" --images 'my shoes' --resize")
