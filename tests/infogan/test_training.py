"""The trainer: same seed, same bits; a resumed run has the same bits; non-finite losses stop the run."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from infogan.batch_norm import frozen
from infogan.blocks import NetworkSettings
from infogan.codes import Categorical, Continuous, LatentSpec, Noise
from infogan.measures.bound import frozen_bounds_nats
from infogan.measures.calibration import calibrate_on_images, calibrate_on_prior
from infogan.measures.traversals import traversal
from infogan.step import StepSettings
from infogan.streams import stream
from infogan.training import BatchStream, NonFiniteLoss, Trainer, TrainingConfig

SPEC = LatentSpec(Noise(6), (Categorical(10), Continuous()))
CONFIG = TrainingConfig(
    "mnist",
    SPEC,
    StepSettings(mi_weight_discriminator=(1.0, 0.1), mi_weight_generator=(1.0, 0.1)),
    iterations=23,
    network=NetworkSettings(width=0.05),
    batch_size=16,
)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randint(0, 256, (75, 1, 28, 28), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


def finish(trainer: Trainer) -> Trainer:
    for _ in trainer.run(log_every=4):
        pass
    return trainer


def advance_to(trainer: Trainer, iteration: int) -> Trainer:
    for progress in trainer.run(log_every=1):
        if progress.iteration == iteration:
            break
    return trainer


def equal(a: Any, b: Any) -> bool:
    """Bitwise equality, through nested containers."""
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    return a == b


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    content = io.BytesIO()
    torch.save(state, content)
    return torch.load(io.BytesIO(content.getvalue()), weights_only=True)


def test_two_runs_of_one_seed_are_bit_equal_and_seeds_differ(images: torch.Tensor) -> None:
    first, again, other = (finish(Trainer(CONFIG, images, seed)) for seed in (1, 1, 2))
    assert equal(first.state_dict(), again.state_dict())
    assert not np.array_equal(first.history(), other.history())


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("stops", [(1,), (4,), (5, 6, 17), (22,)], ids=str)
def test_resumed_equals_uninterrupted(images: torch.Tensor, stops: tuple[int, ...], precision: Any) -> None:
    """Weights, Adam's moments, streams and curve; with 75 images and batches of 16 an epoch ends within the run."""
    config = replace(CONFIG, network=replace(CONFIG.network, precision=precision, kernels="fastest"))
    whole = finish(Trainer(config, images, 7))
    trainer = Trainer(config, images, 7)
    for stop in stops:
        state = through_a_file(advance_to(trainer, stop).state_dict())
        trainer = Trainer(config, images, 7)
        trainer.load_state_dict(state)
        assert trainer.iteration == stop
    assert equal(finish(trainer).state_dict(), whole.state_dict())


def test_the_state_of_a_generator_comes_back_to_the_cpu() -> None:
    """torch.load onto a GPU moves every tensor there, and a generator takes its state from the CPU only."""

    class OfAGpu(torch.Tensor):  # used instead of a GPU if this machine has none
        came_back = False

        def cpu(self) -> torch.Tensor:
            OfAGpu.came_back = True
            return self.as_subclass(torch.Tensor)

    batches, other = BatchStream(50, 8, stream(3, "data")), BatchStream(50, 8, stream(4, "data"))
    state = batches.state_dict()
    other.load_state_dict(state | {"epoch_state": state["epoch_state"].as_subclass(OfAGpu)})
    assert OfAGpu.came_back
    assert torch.equal(other.next(), batches.next())


def test_how_often_one_looks_changes_nothing(images: torch.Tensor) -> None:
    assert np.array_equal(
        finish(Trainer(CONFIG, images, 3)).history(), advance_to(Trainer(CONFIG, images, 3), 23).history()
    )


def test_arms_of_a_seed_share_their_start_and_their_data(images: torch.Tensor) -> None:
    gan = replace(CONFIG, step=replace(CONFIG.step, mi_weight_generator=(0.0, 0.0), mi_trains_trunk=False))
    a, b = Trainer(CONFIG, images, 5), Trainer(gan, images, 5)
    assert equal(a.players.generator.state_dict(), b.players.generator.state_dict())
    assert torch.equal(a.batches.next(), b.batches.next())
    first = [advance_to(trainer, 1).history()[0] for trainer in (a, b)]
    before_any_update = [i for i, name in enumerate(a.metric_names) if name != "loss/generator"]
    assert np.array_equal(first[0][before_any_update], first[1][before_any_update])


def test_each_image_comes_once_an_epoch() -> None:
    batches = BatchStream(75, 16, stream(0, "data"))
    for _ in range(3):
        epoch = torch.cat([batches.next() for _ in range(4)])
        assert len(epoch.unique()) == 64


def test_non_finite_loss_stops_with_its_iteration(images: torch.Tensor) -> None:
    trainer = Trainer(CONFIG, images, 1)
    advance_to(trainer, 6)
    trainer.players.generator.body[0].op.weight.data[0, 0] = float("nan")
    with pytest.raises(NonFiniteLoss, match="iteration 7") as caught:
        finish(trainer)
    assert caught.value.iteration == 7
    assert set(caught.value.values) == set(trainer.metric_names)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (torch.zeros(40, 1, 32, 32, dtype=torch.uint8), "needs images"),
        (torch.zeros(40, 1, 28, 28), "uint8"),
        (torch.zeros(8, 1, 28, 28, dtype=torch.uint8), "batch size 16 exceeds"),
    ],
)
def test_images_that_do_not_fit_are_refused(bad: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Trainer(CONFIG, bad, 0)


def test_scaling_follows_the_generators_output(images: torch.Tensor) -> None:
    assert Trainer(CONFIG, images, 0).scaled(torch.tensor([[[[0, 255]]]], dtype=torch.uint8)).flatten().tolist() == [
        0.0,
        1.0,
    ]
    colour = torch.zeros(20, 3, 32, 32, dtype=torch.uint8)
    signed = Trainer(replace(CONFIG, architecture="celeba"), colour, 0)
    assert signed.scaled(torch.tensor([[[[0, 255]]]], dtype=torch.uint8)).flatten().tolist() == pytest.approx(
        [-1.0, 1.0]
    )


@pytest.fixture(scope="module")
def trained(images: torch.Tensor) -> Trainer:
    trainer = finish(Trainer(CONFIG, images, 1))
    calibrate_on_prior(trainer.players.generator, trainer.players.discriminator, SPEC, stream(1, "evaluation"), 1000)
    return trainer


@torch.no_grad()
def test_a_picture_and_a_prediction_do_not_depend_on_their_batch(trained: Trainer) -> None:
    g, d = trained.players.generator, trained.players.discriminator
    latents = SPEC.sample(50, stream(2, "evaluation"))
    with frozen(g, d):
        together = g(latents.inputs_NZ)
        alone = torch.cat([g(row) for row in latents.inputs_NZ.split(1)])
        torch.testing.assert_close(alone, together, rtol=0, atol=1e-6)
        q_together = d.q_of(together)
        q_alone = torch.cat([d.q_of(image) for image in together.split(1)])
        torch.testing.assert_close(q_alone, q_together, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(g(latents.inputs_NZ[:5]), g(latents.inputs_NZ)[:5], atol=1e-6)


def test_frozen_bound_is_repeatable_and_at_most_the_entropy(trained: Trainer) -> None:
    p = trained.players
    bounds = [frozen_bounds_nats(p.generator, p.discriminator, SPEC, stream(1, "evaluation"), 1000) for _ in range(2)]
    assert torch.equal(bounds[0], bounds[1])
    assert bounds[0][0] <= SPEC.codes[0].entropy_nats


def test_calibration_on_images_replaces_calibration_on_fakes(trained: Trainer, images: torch.Tensor) -> None:
    norm = trained.players.discriminator.body[1].norm
    on_fakes = norm.frozen_mean.clone()
    calibrate_on_images(trained.players.discriminator, trained.scaled(images))
    assert not torch.allclose(norm.frozen_mean, on_fakes)


def test_a_last_batch_of_one_image_joins_the_one_before(trained: Trainer, images: torch.Tensor) -> None:
    """Batch norm after a linear layer needs two rows; 251 images, or a user's folder of 2,001, must not be an error."""
    many = trained.scaled(images).repeat(4, 1, 1, 1)[:251]
    calibrate_on_images(trained.players.discriminator, many)
    norm = trained.players.discriminator.body[1].norm
    frozen_mean = norm.frozen_mean.clone()
    calibrate_on_images(trained.players.discriminator, many[:250])
    torch.testing.assert_close(frozen_mean, norm.frozen_mean, rtol=0.1, atol=0.02)
    calibrate_on_prior(trained.players.generator, trained.players.discriminator, SPEC, stream(1, "evaluation"), 501)


def test_traversals_vary_one_code_and_nothing_else(trained: Trainer) -> None:
    grids = [traversal(trained.players.generator, SPEC, i, stream(3, "evaluation"), signed=False) for i in (0, 1)]
    assert [tuple(g.shape) for g in grids] == [(5, 10, 28, 28, 1)] * 2
    assert grids[0].dtype == torch.uint8
    again = traversal(trained.players.generator, SPEC, 0, stream(3, "evaluation"), signed=False)
    assert torch.equal(grids[0], again)
    assert not torch.equal(grids[0][0], grids[0][1])  # rows differ in noise
    assert not torch.equal(grids[0][:, 0], grids[0][:, 5])  # columns in the code
