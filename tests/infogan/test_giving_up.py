"""The authors' rule for giving up a run: what makes an epoch stuck, and when this ends a training."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from infogan.blocks import NetworkSettings
from infogan.codes import Categorical, Continuous, LatentSpec, Noise
from infogan.giving_up import EPOCH_ITERATIONS, PATIENCE_EPOCHS, given_up_at, stuck_epochs
from infogan.step import StepSettings, metric_names
from infogan.training import Trainer, TrainingConfig

SPEC = LatentSpec(Noise(8), (Continuous(), Categorical(10), Continuous(std="sqrt-exp")))
RULED = StepSettings((0.3, 1.0, 0.3), (0.3, 1.0, 0.3), give_up="authors")


def trainer() -> Trainer:
    config = TrainingConfig("mnist", SPEC, RULED, 20, network=NetworkSettings(width=0.06), batch_size=8)
    images = torch.randint(0, 256, (40, 1, 28, 28), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    return Trainer(config, images, seed=3)


NAMES = metric_names(SPEC, RULED)
GOOD = {"loss/discriminator": 1.0, "loss/generator": 1.0, "mi/c1": 0.1, "mi/c2": 1.0, "mi/c3": 0.1, "fake/max": 0.5}


def history(*epochs: dict[str, float]) -> np.ndarray:
    """A history that is constant within each epoch."""
    rows = [[(GOOD | epoch).get(name, 0.0) for name in NAMES] for epoch in epochs]
    return np.repeat(np.array(rows, np.float32), EPOCH_ITERATIONS, axis=0)


@pytest.mark.parametrize(
    ("epoch", "is_stuck"),
    [
        ({}, False),
        ({"loss/discriminator": 0.0009}, True),
        ({"loss/generator": 0.0009}, True),
        ({"loss/generator": 0.0011}, False),
        ({"fake/max": 0.009}, True),
        ({"mi/c1": -0.2}, True),  # the sum over both continuous codes is below 0
        ({"mi/c1": -0.05}, False),
        ({"mi/c2": 0.009}, True),
    ],
)
def test_what_makes_an_epoch_stuck(epoch: dict[str, float], is_stuck: bool) -> None:
    assert stuck_epochs(history(epoch), SPEC, RULED).tolist() == [is_stuck]


def test_fifty_stuck_epochs_in_a_row_end_a_run() -> None:
    stuck, fine = [{"fake/max": 0.0}] * PATIENCE_EPOCHS, [{}]
    assert given_up_at(history(*stuck[1:], {}, *stuck[1:]), SPEC, RULED) is None
    assert given_up_at(history(*fine, *stuck, *fine), SPEC, RULED) == 5_100
    assert given_up_at(history(*stuck)[:-1], SPEC, RULED) is None  # the last epoch is not over
    assert given_up_at(history(*stuck), SPEC, replace(RULED, give_up="never")) is None
    warmed = replace(RULED, warm_up_iterations=150)  # so the first two epochs do not count
    assert given_up_at(history(*stuck, *stuck), SPEC, warmed) == 5_200


@pytest.mark.parametrize("log_every", [1, 25, 1000])
def test_a_run_is_given_up_at_the_same_iteration_however_seldom_one_looks(
    monkeypatch: pytest.MonkeyPatch, log_every: int
) -> None:
    monkeypatch.setattr("infogan.giving_up.PATIENCE_EPOCHS", 2)
    monkeypatch.setattr("infogan.giving_up.EPOCH_ITERATIONS", 3)
    monkeypatch.setattr("infogan.training.EPOCH_ITERATIONS", 3)
    monkeypatch.setattr("infogan.giving_up.FAKE_PROBABILITY", 2.0)  # every epoch is stuck
    run = trainer()
    seen = [progress.iteration for progress in run.run(log_every)]
    assert run.given_up_at == seen[-1] == 6
    assert len(run.history()) == 6
    resumed = trainer()
    resumed.load_state_dict(run.state_dict())
    assert resumed.done
    assert list(resumed.run()) == []
