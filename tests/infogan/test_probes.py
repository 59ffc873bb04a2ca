"""Probes do not change a training's bits, and their numbers are right where the answer is known."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from infogan.blocks import NetworkSettings
from infogan.codes import Categorical, Continuous, LatentSpec, Noise
from infogan.data.base import Part
from infogan.measures import probes
from infogan.measures.trajectory import measure_trajectory
from infogan.step import StepSettings
from infogan.streams import stream
from infogan.training import Trainer, TrainingConfig

SPEC = LatentSpec(Noise(4), (Categorical(10), Continuous(std=1.0)))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "NUM_SAMPLES", 24)
    monkeypatch.setattr(probes, "NUM_HELD_OUT", 16)


def part(num: int, seed: int) -> Part:
    rng = np.random.default_rng(seed)
    return Part(rng.integers(0, 256, (num, 1, 28, 28), dtype=np.uint8), rng.integers(0, 10, num))


def trained(with_probes: bool) -> tuple[dict[str, torch.Tensor], np.ndarray, list[probes.Arrays]]:
    settings = StepSettings((1.0, 1.0), (1.0, 1.0))
    network = NetworkSettings(width=0.0625)
    config = TrainingConfig("mnist", SPEC, settings, iterations=4, network=network, batch_size=8)
    train, test, taken = part(40, 0), part(30, 1), []
    trainer = Trainer(config, torch.from_numpy(train.images), seed=3)
    players = trainer.players
    for _ in trainer.run(log_every=1):
        if with_probes:
            draws = stream(3, "evaluation")
            g, d = players.generator, players.discriminator
            taken.append(probes.take(g, d, SPEC, train, test, trainer.scaled, draws, signed=False))
    weights = {f"g.{n}": p.detach() for n, p in players.generator.named_parameters()}
    weights |= {f"d.{n}": p.detach() for n, p in players.discriminator.named_parameters()}
    return weights, trainer.history(), taken


def test_a_training_with_probes_has_the_bits_of_one_without(small: None) -> None:
    weights, history, _ = trained(with_probes=False)
    probed_weights, probed_history, taken = trained(with_probes=True)
    assert np.array_equal(history, probed_history)
    assert all(torch.equal(weights[name], probed_weights[name]) for name in weights)
    assert [sorted(arrays) for arrays in taken] == [
        ["samples", "test-categories", "test-labels", "train-categories", "train-labels"]
    ] * 4
    assert taken[0]["samples"].shape == (24, 1, 28, 28)
    assert all(np.array_equal(arrays["test-labels"], taken[0]["test-labels"]) for arrays in taken)


def test_probes_are_even_on_a_logarithmic_axis_and_hold_the_cuts() -> None:
    assert probes.probe_iterations(128) == [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128]
    assert probes.probe_iterations(1) == [1]
    for iterations in (5, 300, 1800, 5000):
        found = probes.probe_iterations(iterations)
        assert found == sorted(set(found))
        assert {1, iterations} <= set(found) <= set(range(1, iterations + 1))
        assert len(found) <= 14
        assert set(probes.generator_iterations(iterations)) <= set(found)
    assert probes.generator_iterations(128) == [8, 32, 128]


def test_iterations_of_seven_digits_come_after_those_of_six() -> None:
    kept = {f"{i:06d}-samples": np.zeros(1) for i in (1_000_000, 125, 93_750, 2_000_000)}
    assert list(probes.by_iteration(kept)) == [125, 93_750, 1_000_000, 2_000_000]


def test_a_perfect_q_and_copies_of_real_images_score_as_such() -> None:
    train, test = part(200, 0), part(60, 1)
    assert train.labels is not None
    assert test.labels is not None

    def features(images_NCHW: torch.Tensor) -> torch.Tensor:
        return images_NCHW.flatten(1)[:, :40]

    def kept(shift: int, samples: np.ndarray) -> probes.Arrays:
        categories = {f"{name}-categories": (p.labels + shift) % 10 for name, p in (("train", train), ("test", test))}
        return {"samples": samples, "train-labels": train.labels, "test-labels": test.labels, **categories}

    noise = np.zeros_like(train.images)
    taken = {1: kept(0, noise), 8: kept(3, train.images)}
    taken[1]["test-categories"] = (test.labels + 1) % 10  # right on training images, wrong on held-out ones
    cell = SimpleNamespace(
        probes={f"{i:06d}-{name}": array for i, arrays in taken.items() for name, array in arrays.items()},
        dataset=SimpleNamespace(train=train, test=test),
        spec=SPEC,
        seed=0,
        first_categorical=lambda: 0,
        classifier=SimpleNamespace(model=SimpleNamespace(features=features)),
    )
    series = measure_trajectory(cell).series  # type: ignore[arg-type]
    assert series["iteration"] == [1, 8]
    assert series["digit_error"] == [1.0, 0.0]
    assert series["kid"][0] > 0.5
    assert abs(series["kid"][1]) < 0.05
    assert measure_trajectory(SimpleNamespace(**vars(cell) | {"probes": {}})).series == {}  # type: ignore[arg-type]
