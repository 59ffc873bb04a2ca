"""Usable information for generators that show, hide or ignore their codes."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from infogan.blocks import NetworkSettings
from infogan.codes import Categorical, Continuous, LatentSpec, Noise
from infogan.measures import usable
from infogan.measures.calibration import calibrate_generator
from infogan.measures.usable import CAPACITIES, usable_information
from infogan.step import StepSettings
from infogan.streams import stream
from infogan.training import Trainer, TrainingConfig

SPEC = LatentSpec(Noise(2), (Categorical(2), Continuous()))  # columns: z1, z2, c1 one-hot, c2


class Shown(nn.Module):
    """8x8 images: the upper half shows c1, or c1 xor the sign of z1 beside that sign, or nothing; the lower half c2."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.brightness = nn.Parameter(torch.ones(()))

    def forward(self, inputs_NZ: Tensor) -> Tensor:
        bit, sign = inputs_NZ[:, 3], (inputs_NZ[:, 0] > 0).float()
        image = torch.zeros(len(inputs_NZ), 1, 8, 8)
        if self.how == "plain":
            image[:, 0, :4] = bit[:, None, None]
        elif self.how == "xor":
            image[:, 0, :2] = (bit != sign).float()[:, None, None]
            image[:, 0, 2:4] = sign[:, None, None]
        image[:, 0, 4:] = inputs_NZ[:, 4, None, None]
        return image * self.brightness


def nats(how: str) -> dict[str, dict[str, float]]:
    return usable_information(Shown(how), SPEC, stream(0, "evaluation"), iterations=300).nats


def test_a_code_in_plain_sight_is_usable_for_all() -> None:
    found = nats("plain")
    assert set(found) == set(CAPACITIES)
    for capacity in CAPACITIES:
        assert found[capacity]["c1"] == pytest.approx(math.log(2), abs=0.02)
        assert 0.3 < found[capacity]["c2"] < 5  # no ceiling: it grows as long as Q learns


def test_a_code_behind_an_exclusive_or_is_hidden_from_a_linear_q_only() -> None:
    found = nats("xor")
    assert found["linear"]["c1"] == pytest.approx(0, abs=0.02)
    assert found["hidden"]["c1"] == pytest.approx(math.log(2), abs=0.05)
    assert found["convolutional"]["c1"] == pytest.approx(math.log(2), abs=0.05)


def test_a_code_that_is_not_shown_gives_nothing() -> None:
    for value in nats("hidden").values():
        assert value["c1"] == pytest.approx(0, abs=0.02)
        assert value["c1"] < 0.005


def test_same_stream_same_result_and_the_generator_is_left_alone() -> None:
    generator = Shown("plain")
    first = usable_information(generator, SPEC, stream(0, "evaluation"), iterations=3, capacities=("linear",))
    again = usable_information(generator, SPEC, stream(0, "evaluation"), iterations=3, capacities=("linear",))
    assert first == again
    assert first.num_images == 3 * 128 + 2 * 5000
    assert generator.brightness.grad is None
    assert generator.brightness.item() == 1


def test_nothing_to_read_and_no_training_are_refused() -> None:
    with pytest.raises(ValueError, match="no code"):
        usable_information(Shown("plain"), LatentSpec(Noise(5), ()), stream(0, "evaluation"))
    with pytest.raises(ValueError, match="at least one iteration"):
        usable_information(Shown("plain"), SPEC, stream(0, "evaluation"), iterations=0)


def test_a_cells_kept_generators_are_read_and_its_own_is_put_back(monkeypatch) -> None:
    monkeypatch.setattr(usable, "ITERATIONS_OF_A_CELL", 2)
    monkeypatch.setattr(usable, "NUM_EVALUATED", 50)
    spec = LatentSpec(Noise(4), (Categorical(10),))
    config = TrainingConfig("mnist", spec, StepSettings((1.0,), (0.0,)), 1, NetworkSettings(width=0.0625), 8)
    generator = Trainer(config, torch.zeros(8, 1, 28, 28, dtype=torch.uint8), seed=0).players.generator
    monkeypatch.setattr(usable, "calibrate_generator", lambda g, s, d: calibrate_generator(g, s, d, 100))
    state = {name: value.numpy().copy() for name, value in generator.state_dict().items()}
    kept = {f"000001-generator/{name}": value for name, value in state.items()}
    kept |= {f"000008-generator/{name}": np.zeros_like(value) for name, value in state.items()}
    cell = SimpleNamespace(
        probes=kept | {"000001-samples": np.zeros(1)},
        generator=generator,
        spec=spec,
        first_categorical=lambda: 0,
        stream=lambda: stream(0, "evaluation"),
    )
    found = usable.measure_usable(cell)  # type: ignore[arg-type]
    assert found.series["iteration"] == [1, 8]
    assert set(found.values) == {f"usable_{capacity}_nats" for capacity in usable.CAPACITIES}
    assert all(nats <= math.log(10) for name in found.values for nats in found.series[name])
    # images that do not depend on the code tell nothing about it, whatever Q is
    assert all(found.series[name][1] < 0.1 for name in found.values)
    assert all(np.array_equal(state[name], value.numpy()) for name, value in generator.state_dict().items())
    cell.probes = {"000001-samples": np.zeros(1)}
    assert usable.measure_usable(cell).values == {}  # type: ignore[arg-type]
