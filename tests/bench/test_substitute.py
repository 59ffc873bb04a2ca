"""--data-dir and --substitute: a missing set is an error that says what to do, and a permitted substitute is used."""

import re
from pathlib import Path

import pytest

from bench.commands.run import task_maker
from bench.console import BadInput
from bench.context import Context
from infogan import data
from tests.end_to_end.harness import Bench

PAPERS = ["mnist-mi", "mnist", "faces", "chairs", "svhn", "celeba"]  # what reproduce-all runs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder that holds only faces."""
    import numpy as np
    from PIL import Image

    (tmp_path / "data" / "faces").mkdir(parents=True)
    for k in range(400):
        pixels = np.full((32, 32), k % 256, np.uint8)
        Image.fromarray(pixels).save(tmp_path / "data" / "faces" / f"{k:03d}.png")
    return tmp_path / "data"


def test_all_missing_sets_are_reported_at_once(folder: Path) -> None:
    with pytest.raises(BadInput) as caught:
        Context(PAPERS, data_dir=folder)
    said = str(caught.value)
    assert said.startswith(f"mnist: not in {folder}: looked for MNIST/raw/")
    assert "found faces/; chairs is missing too: looked for rendered_chairs/<model>" in said
    assert re.search(r"; svhn is missing too: looked for .*; celeba is missing too: looked for ", said)
    assert "faces is missing too" not in said
    names = "mnist,chairs,svhn,celeba"
    flag, sources = f"--substitute {names} (make: SUBSTITUTE={names})", '"embedded" or "rendered"'
    assert said.endswith(f"To use a substitute: {flag}, or source = {sources} in experiments.toml")


@pytest.mark.parametrize("substitute", ["mnist,chairs,svhn,celeba", "all", " all , mnist "])
def test_permitted_sets_are_substituted_and_present_ones_read(folder: Path, substitute: str, tmp_path: Path) -> None:
    context = Context(
        PAPERS, data_dir=folder, substitute=substitute, seeds=[0], results=tmp_path / "r", profile="smoke"
    )
    sources = {name: info.source for name, info in context.infos.items()}
    assert sources == dict.fromkeys(PAPERS, "rendered") | {"mnist-mi": "embedded", "mnist": "embedded", "faces": "real"}
    task_of = task_maker(context, 60.0, None)
    given = {cell.experiment: task_of(cell, context.results).data_dir for cell in context.cells}
    assert given == dict.fromkeys(PAPERS) | {"faces": folder}


@pytest.mark.parametrize("given", ["mnits", "mnist,face", ""])
def test_an_unknown_set_is_refused(folder: Path, given: str) -> None:
    with pytest.raises(BadInput, match=r"--substitute: unknown .*choose from mnist, faces, chairs, svhn, celeba, all"):
        Context(["mnist"], data_dir=folder, substitute=given)


@pytest.mark.parametrize("name", data.DATASETS)
def test_the_command_line_says_so_before_anything_is_written(name: str, tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    spec = (
        bench.spec.read_text()
        .replace('data = "mnist"', f'data = "{name}"')
        .replace('architecture = "mnist"', 'architecture = "auto"')
    )
    bench.spec.write_text(spec.replace('source = "embedded"', 'source = "auto"'))
    (tmp_path / "data").mkdir()
    bench.environment = {"INFOGAN_DATA": str(tmp_path / "data")}
    output = bench("run", "tiny", code=2)
    assert output.startswith(f"error: {name}: not in {tmp_path / 'data'}: looked for ")
    assert output.count("\n") == 1
    assert not bench.results.exists()
