"""Networks that are trained once and kept on disk: what their file may and may not change."""

import io
from pathlib import Path

import pytest
import torch
from torch import nn

from infogan.data.base import read_cached, write_cached
from infogan.measures.kept import initialise, trained_once


def made(model: nn.Module) -> dict[str, float]:
    """A network whose training is one call: weights from a fixed stream, batch norm unchanged."""

    def train() -> dict[str, float]:
        initialise(model, torch.Generator().manual_seed(3))
        return {"accuracy": 0.5}

    return trained_once(model, "tests", "recipe", ("measures/kept",), train)


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))


@pytest.mark.parametrize("damage", ["a NaN in a gain", "no numbers", "half of the weights"])
def test_a_damaged_file_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    monkeypatch.setenv("INFOGAN_CACHE", str(tmp_path))
    first = network()
    assert made(first) == {"accuracy": 0.5}
    (path,) = tmp_path.glob("tests/*.pt")
    saved = torch.load(io.BytesIO(read_cached(path) or b""), weights_only=True)
    saved["model"]["1.weight"].fill_(7.0)
    if damage == "a NaN in a gain":
        saved["model"]["1.weight"][0] = torch.nan
    elif damage == "no numbers":
        del saved["numbers"]
    else:
        del saved["model"]["0.weight"]
    content = io.BytesIO()
    torch.save(saved, content)
    write_cached(path, content.getvalue())
    again = network()
    assert made(again) == {"accuracy": 0.5}
    for name, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
