"""An explorer shows the median seed first and the plain GAN beside it. Its images come only from valid atlases."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.analysis.results import load
from bench.records.storage import CorruptRecord
from bench.report import atlases
from bench.report import explorer as module
from bench.report.explorer import explorer
from bench.report.grids import MAX_BYTES as MAX_PICTURES
from infogan import atlas
from infogan.api import latent_spec, network_settings
from infogan.architectures import ARCHITECTURES
from infogan.networks import Generator, initialise
from infogan.weights import packed
from tests.bench.explored import DIGITS, planned, record
from tests.infogan.painted import SPEC, Painted
from tests.small_weights import small_weights

ORDER = ["infogan", "gan"]


@pytest.fixture(autouse=True)
def few_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atlas, "POSITIONS", (-2.0, 0.0, 2.0))


def explored(results: Path) -> tuple[Any, list[str]]:
    view, lines = explorer(load(results).sweeps[0], ORDER)
    return (json.loads(view.data) if view else None), lines


def test_the_median_seed_comes_first_and_the_plain_gan_beside_it(tmp_path: Path) -> None:
    for cell in planned(("infogan", "gan"), (0, 1, 2)):
        record(tmp_path, cell)
    data, lines = explored(tmp_path)
    assert lines == []
    (setting,) = data["settings"]
    assert setting["group"] == "infogan"
    words = [(data["cells"][k]["group"], data["cells"][k]["words"]) for k in setting["cells"] + setting["against"]]
    assert words[:3] == [("infogan", f"seed {seed}") for seed in ("2 (the median)", "1 (the best)", "0")]
    assert words[3][0] == "gan"
    first, other = data["cells"][setting["cells"][0]], data["cells"][setting["against"][0]]
    assert [panel["name"] for panel in first["panels"]] == ["codes", "noise"]
    assert [panel["name"] for panel in other["panels"]] == ["codes"]
    assert first["labels"] == [str(digit) if digit >= 0 else "-" for digit in DIGITS]
    assert all(panel["picture"].startswith("data:image/webp;base64,") for panel in first["panels"])


def test_what_has_no_room_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for cell in planned(("infogan", "gan"), (0, 1, 2)):
        folder = record(tmp_path, cell)
    size = sum(array.nbytes for array in folder.atlas().values())
    monkeypatch.setattr(module, "MAX_BYTES", 2 * size)
    monkeypatch.setattr(module, "MAX_WORTH_DRAWING", size)
    view, _ = explorer(load(tmp_path).sweeps[0], ORDER)
    assert view is not None
    words = [cell["words"] for cell in json.loads(view.data)["cells"]]
    assert words == ["seed 2 (the median)", f"seed {words[1][5]} (the median)"]
    assert "Left out to keep the page small: infogan, seeds 0-1" in view.notes[1]


def test_an_atlas_is_drawn_for_a_report_and_recorded(tmp_path: Path) -> None:
    (wide,) = planned(("infogan",), (0,))
    cell = replace(wide, config=wide.config | {"network": wide.config["network"] | {"width": 0.0625}})
    folder = record(tmp_path, cell, drawn=False)
    folder.write_weights(small_weights())
    assert "no images in the explorer of infogan/seed-0: no atlas of the codes" in explored(tmp_path)[1][0]
    generator = Generator(ARCHITECTURES["mnist"], latent_spec(cell.config), network_settings(cell.config))
    initialise(generator, network_settings(cell.config), torch.Generator().manual_seed(0))
    folder.write_weights(packed({"generator": generator.state_dict(), "discriminator": {}}))
    with folder.lock("a worker"):  # only the holder of the lock may write
        data, lines = explored(tmp_path)
    assert lines == []
    assert not folder.has_atlas()
    assert explored(tmp_path) == (data, [])
    (folder.path / "weights.safetensors").unlink()
    assert explored(tmp_path) == (data, [])  # the recorded atlas is used
    (folder.path / "atlas.npz").write_bytes(b"damaged")
    assert "atlas.npz: checksum does not match, 7 bytes; its weights are not here" in explored(tmp_path)[1][0]


def test_runs_without_atlas_and_weights_are_said_in_one_line(tmp_path: Path) -> None:
    for cell in planned(("infogan", "gan"), (0, 1)):
        record(tmp_path, cell, drawn=cell.arm == "infogan")
    view, _ = explorer(load(tmp_path).sweeps[0], ORDER)
    assert view is not None
    advice = "its weights are not here; where they are, `python -m bench report` draws an atlas"
    assert view.notes[1:] == [f"No images in the explorer of gan/seed-0 and gan/seed-1: {advice}."]


def arrays(**changes: Any) -> dict[str, np.ndarray]:
    """The arrays of an atlas with a changed layout."""
    drawn = atlas.draw_atlas(Painted(), SPEC, 0, signed=False)
    return atlas.Atlas(drawn.layout | changes, drawn.pictures).to_arrays()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "format"),
        ({"rows": 4}, "not 360 images"),
        ({"rows": 10**9}, "rows"),
        ({"width": "28"}, "width"),
        ({"panels": []}, "panels"),
        ({"panels": [{"name": "</script>", "axes": []}]}, r"panels.0.name"),
        (
            {"panels": [{"name": "codes", "axes": [{"name": "c1", "kind": "noise", "values": [0.0]}]}]},
            "its layout says",
        ),
    ],
)
def test_an_atlas_that_is_none_is_refused(changes: dict[str, Any], message: str) -> None:
    assert atlases.parsed(arrays()).codes[0].num_places == 90
    with pytest.raises(CorruptRecord, match=message):
        atlases.parsed(arrays(**changes))
    broken = arrays() | {"codes": np.frombuffer(b"<svg onload=alert(1)>", np.uint8)}
    with pytest.raises(CorruptRecord, match="no picture"):
        atlases.parsed(broken)


def test_the_page_of_the_mnist_experiments_has_room_for_its_explorer() -> None:
    """Without grids and explorers the page takes 1.4 MB at the paper's budget. They may fill the rest of 3 MB."""
    assert 1_400_000 + 4 / 3 * MAX_PICTURES < 3_000_000
    assert module.MAX_BYTES < MAX_PICTURES
