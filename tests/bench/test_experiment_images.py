"""The user's own images in an experiment: from the file to a trained cell, or a one-line error before anything runs."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.definitions import current_config
from bench.console import BadInput
from bench.context import Context
from bench.records.folder import CellFolder
from bench.spec.tables import SpecError, load_spec
from infogan import data
from infogan.measures.digits import classifier
from tests.builders import tiny_file
from tests.end_to_end.harness import Bench
from tests.infogan.test_own_images import noise, save

NAMED = 'data = "mnist"\nsource = "embedded"\narchitecture = "mnist"'
OWN = 'data = { folder = "pictures/shoes", size = 32, colour = "grey" }\narchitecture = "auto"'


pytestmark = pytest.mark.usefixtures("cache")


def write_spec(folder: Path, own: str = OWN) -> Path:
    return tiny_file(folder, (NAMED, own), iterations=3)


def shoes(folder: Path, num: int = 40) -> Path:
    """Two classes of images, in the folder of the TOML file."""
    for k, name in enumerate(("boots", "sandals")):
        save(folder / "pictures" / "shoes" / name, noise(num, seed=k))
    return folder / "pictures" / "shoes"


@pytest.mark.parametrize(
    ("size", "colour", "architecture"),
    [(28, "grey", "mnist"), (32, "grey", "faces"), (32, "rgb", "celeba"), (64, "grey", "chairs")],
)
def test_auto_chooses_the_papers_networks(tmp_path: Path, size: int, colour: str, architecture: str) -> None:
    own = OWN.replace("size = 32", f"size = {size}").replace('"grey"', f'"{colour}"')
    experiment = load_spec(write_spec(tmp_path, own)).experiments["tiny"]
    assert experiment.architecture == architecture
    assert experiment.wanted_data == data.OwnImages(tmp_path / "pictures" / "shoes", size, colour)  # type: ignore[arg-type]
    named = load_spec(write_spec(tmp_path, 'data = "svhn"\narchitecture = "auto"')).experiments["tiny"]
    assert named.architecture == "svhn"


REFUSED = {
    "no networks of this size": (
        OWN.replace("32", "48"),
        r"\[experiments.tiny\] architecture = 'auto': the paper has no networks for size 48 grey, only for 28 grey",
    ),
    "networks of another size": (
        OWN.replace('"auto"', '"mnist"'),
        "architecture = 'mnist': expected one for images of 1 x 32 x 32 .* not 1 x 28 x 28; 'auto' chooses",
    ),
    "a variant's networks of another size": (
        OWN + '\nvariants = { big = { architecture = "mnist" } }',
        r"variants.big.architecture = 'mnist': expected one for .* 28 x 28; leave it out for the experiment's$",
    ),
    "a named set and other networks": (
        'data = "svhn"\narchitecture = "faces"',
        "architecture = 'faces': expected one for images of 3 x 32 x 32",
    ),
    "a wrong colour": (OWN.replace("grey", "gray"), r"\[experiments.tiny.data\] colour = 'gray': .*'grey' or 'rgb'"),
    "an unknown key": (
        OWN.replace("size", "sise"),
        r"\[experiments.tiny.data\] sise = 32: unknown key .*did you mean 'size'",
    ),
    "no size": (OWN.replace("size = 32, ", ""), r"\[experiments.tiny.data\] size: missing"),
    "a number": ('data = 5\narchitecture = "auto"', r"\[experiments.tiny\] data = 5"),
    "a source": (OWN + '\nsource = "rendered"', "source names 'rendered'; choose from auto, folder"),
    "a measure of digits' shapes": (
        OWN + '\nmeasures = ["strokes"]',
        "measures names 'strokes'; choose from digits, samples",
    ),
    "all held out": (OWN.replace("32,", "32, held_out = 1.0,"), "held_out = 1.0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_file_cannot_ask_is_one_line(tmp_path: Path, name: str) -> None:
    own, words = REFUSED[name]
    with pytest.raises(SpecError, match=words) as raised:
        load_spec(write_spec(tmp_path, own))
    assert "\n" not in str(raised.value)


def test_the_key_holds_what_the_images_are_made_as_and_not_where_they_lie(tmp_path: Path) -> None:
    folder = shoes(tmp_path)
    context = Context(["tiny"], spec=write_spec(tmp_path), results=tmp_path / "r", seeds=[0], arms="infogan")
    (cell,) = context.cells
    assert context.data_dirs == {"tiny": folder}
    recorded = {"size": 32, "colour": "grey", "resize": None, "held_out": 0.1, "split_seed": 0}
    assert cell.config["data"]["images"] == recorded
    assert (cell.config["data"]["name"], cell.config["data"]["num_images"]) == ("own", 72)
    assert current_config(context.spec, cell, 72) == cell.config
    assert str(tmp_path) not in json.dumps(cell.config)


def test_more_classes_than_can_be_told_apart_are_refused_before_training(tmp_path: Path) -> None:
    for k in range(11):
        save(tmp_path / "pictures" / "shoes" / f"kind-{k:02d}", noise(8, seed=k))
    spec = write_spec(tmp_path, OWN + '\nmeasures = ["digits"]')
    with pytest.raises(
        BadInput, match="tiny: measures names 'digits', but at most 10 classes are possible, the images have 11"
    ):
        Context(["tiny"], spec=spec, results=tmp_path / "r", no_tracking=True)


def test_too_few_with_labels_are_refused_before_training_or_measured_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The classifier needs one batch of that size."""
    assert classifier.Recipe().batch_size == data.own.MIN_LABELLED
    folder, own = shoes(tmp_path, num=70), OWN + '\nmeasures = ["digits", "usable"]'
    told = "at least 128 training images with labels are needed, there are 126"
    with pytest.raises(BadInput, match=f"tiny: measures names 'digits', but {told}: remove it"):
        Context(["tiny"], spec=write_spec(tmp_path, own), results=tmp_path / "r", no_tracking=True)
    spec = write_spec(tmp_path, NAMED + '\nmeasures = ["digits", "usable"]')
    context = Context(["tiny"], spec=spec, results=tmp_path / "r", images=folder, no_tracking=True)
    assert context.cells[0].measures == ("usable",)
    assert f"tiny: measured without digits, since {told}" in capsys.readouterr().out
    shoes(tmp_path, num=72)  # 144 of which a tenth is held out
    context = Context(["tiny"], spec=spec, results=tmp_path / "r", images=folder, no_tracking=True)
    assert context.cells[0].measures == ("digits", "usable")


def test_categories_of_images_without_labels_have_no_error_to_measure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measures = '\nmeasures = ["digits", "samples", "trajectory"]'
    folder = save(tmp_path / "pictures" / "shoes", noise(80))
    with pytest.raises(BadInput, match="tiny: measures names 'digits', but the images have no labels: remove it"):
        Context(["tiny"], spec=write_spec(tmp_path, OWN + measures), results=tmp_path / "r", no_tracking=True)
    spec = write_spec(tmp_path, NAMED + measures)
    context = Context(["tiny"], spec=spec, results=tmp_path / "r", images=folder, no_tracking=True)
    assert context.cells[0].measures == ("samples",)
    assert "tiny: measured without digits, trajectory, since the images have no labels" in capsys.readouterr().out


@pytest.mark.slow
def test_the_error_of_categories_is_measured_as_for_digits_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the command line, with folders of three classes that any network distinguishes: dark, medium and bright."""
    bench, folder = Bench(tmp_path), tmp_path / "pictures"
    for k, name in enumerate(("dark", "middling", "bright")):
        save(folder / name, noise(80, (32, 32, 3), seed=k) // 4 + np.uint8(90 * k))
    write_spec(tmp_path, NAMED + '\nmeasures = ["digits", "samples"]')
    bench.environment = {"INFOGAN_CACHE": str(tmp_path / "cache")}
    with monkeypatch.context() as patch:  # the command finds this briefly trained classifier in its cache
        asked, full = data.OwnImages(folder, 32, "rgb"), classifier._train
        patch.setattr(classifier, "_train", lambda m, images, recipe: full(m, images, replace(recipe, iterations=60)))
        classifier.digit_classifier(data.load(asked, "auto", folder))
    arguments = ("tiny", "--images", str(folder))
    output = bench("run", *arguments, "--arms", "infogan", "--seeds", "0", "--no-tracking", "--device", "cpu")
    assert "in pictures, 32x32 rgb: 216 to train on, 24 held out; 3 classes: bright, dark, middling" in output
    assert "set data = pictures, 32x32 rgb, networks of celeba (experiments.toml: mnist)" in output
    (cell,) = bench.cells().values()
    records = CellFolder(cell)
    assert str(tmp_path) not in (cell / "cell.json").read_text()
    assert records.traversals()["c1"].shape[2:] == (32, 32, 3)
    measured = records.measures()
    values = measured["digits"].values
    assert values is not None
    assert values["digit_error_majority"] <= 2 / 3  # each category has the most frequent of three classes
    assert values["digit_error_probe"] < 0.1
    assert measured["digits"].details["classifier_accuracy"] > 0.9
    assert (measured["samples"].values or {})["kid"] > 0
    bench("report", *arguments)
    (table,) = (bench.results / "report" / "tables").glob("*-digits.csv")
    (row,) = csv.DictReader(table.read_text().splitlines())
    assert (row["arm"], row["seed"], float(row["digit_error"])) == (
        "infogan",
        "0",
        pytest.approx(values["digit_error"]),
    )
    report = (bench.results / "report" / "report.md").read_text()
    assert f"| infogan | 0 (best) | {values['digit_error']:.3f} " in report


def test_other_images_give_other_cells(tmp_path: Path) -> None:
    shoes(tmp_path)
    spec = write_spec(tmp_path)

    def key() -> str:
        return Context(["tiny"], spec=spec, results=tmp_path / "r", seeds=[0], no_tracking=True).cells[0].key

    first = key()
    (tmp_path / "pictures" / "shoes" / "boots" / "000.png").unlink()
    second = key()
    write_spec(tmp_path, OWN.replace("32,", "32, split_seed = 1,"))
    assert len({first, second, key()}) == 3


def test_the_command_line_says_what_was_found_before_anything_is_written(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    write_spec(tmp_path)
    save(tmp_path / "pictures" / "shoes", np.zeros((3, 40, 40), np.uint8))
    bench.environment = {"INFOGAN_CACHE": str(tmp_path / "cache")}
    output = bench("run", "tiny", code=2)
    assert re.match(r"error: images: .*000\.png is 40x40 pixels, but size = 32 requires 32x32; resize = ", output)
    assert output.count("\n") == 1
    assert not bench.results.exists()
