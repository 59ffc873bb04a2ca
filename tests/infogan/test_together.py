"""Several trainers in one process: each gets the same bits as alone, and none gets another's settings."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from infogan import runtime
from infogan.blocks import NetworkSettings
from infogan.codes import Categorical, Continuous, LatentSpec, Noise
from infogan.runtime import gpu_products, prepare_worker
from infogan.step import StepSettings
from infogan.together import iterations, take_turns
from infogan.training import Trainer, TrainingConfig

SPEC = LatentSpec(Noise(6), (Categorical(10), Continuous()))
STEP = StepSettings(mi_weight_discriminator=(1.0, 0.1), mi_weight_generator=(1.0, 0.1))
CONFIG = TrainingConfig("mnist", SPEC, STEP, iterations=11, network=NetworkSettings(width=0.05), batch_size=8)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randint(0, 256, (40, 1, 28, 28), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


def finish(trainer: Trainer) -> Trainer:
    for _ in trainer.run():
        pass
    return trainer


def equal(a: Trainer, b: Trainer) -> bool:
    states = [
        [*t.players.generator.state_dict().values(), *t.players.discriminator.state_dict().values()] for t in (a, b)
    ]
    return all(map(torch.equal, *states)) and bool((a.history() == b.history()).all())


def turns_of(trainers: list[Trainer], **reads: Any) -> list[dict[int, int]]:
    """For every round in which a trainer was read, the iterations of those that were read, by place."""
    found: list[dict[int, int]] = [{}]

    def part(place: int) -> Iterator[None]:
        for progress in iterations(trainers[place], **reads):
            if progress is not None:
                found[-1][place] = progress.iteration
            yield

    found.extend({} for _ in take_turns([part(place) for place in range(len(trainers))], "cpu"))
    return [round_ for round_ in found if round_]


def test_three_seeds_have_the_bits_of_each_alone(images: torch.Tensor) -> None:
    alone = [finish(Trainer(CONFIG, images, seed)) for seed in range(3)]
    trainers = [Trainer(CONFIG, images, seed) for seed in range(3)]
    reads = turns_of(trainers, log_every=4, also_at=[1, 6])
    assert reads == [dict.fromkeys(range(3), iteration) for iteration in (1, 4, 6, 8, 11)]
    assert all(map(equal, trainers, alone))
    assert not equal(alone[0], alone[1])


def test_trainers_of_other_lengths_and_places_take_turns(images: torch.Tensor) -> None:
    """One trainer is already at iteration 3; the other one has another arm and fewer iterations."""
    configs = [CONFIG, replace(CONFIG, iterations=5, step=replace(STEP, learning_rate_q=1e-3))]
    alone = [finish(Trainer(config, images, 7)) for config in configs]
    trainers = [Trainer(config, images, 7) for config in configs]
    trainers[0].enqueue(3)
    ends = {place: iteration for found in turns_of(trainers, log_every=4) for place, iteration in found.items()}
    assert ends == {0: 11, 1: 5}
    assert all(map(equal, trainers, alone))


# ---- reads


@pytest.mark.parametrize("log_every", [1, 4, 25])
def test_a_trainer_is_read_where_it_was_asked_to_be(images: torch.Tensor, log_every: int) -> None:
    asked = [1, 5, 7, 5, 0, 99]
    read = [p.iteration for p in Trainer(CONFIG, images, 0).run(log_every, also_at=asked)]
    wanted = {1, 5, 7, 11} | set(range(log_every, 12, log_every))
    assert read == sorted(wanted)


def test_enqueue_stops_at_the_end_and_read_gives_the_last(images: torch.Tensor) -> None:
    trainer = Trainer(CONFIG, images, 0)
    trainer.enqueue(1000)
    assert trainer.iteration == trainer.read().iteration == 11
    trainer.enqueue(1)
    assert trainer.iteration == 11
    assert np.isfinite(trainer.history()).all()


# ---- settings of the process


def switches() -> list[str]:
    return [switch.fp32_precision for switch in runtime._product_switches()]


@pytest.fixture
def _as_before() -> Any:
    before, threads = switches(), torch.get_num_threads()
    yield
    for switch, value in zip(runtime._product_switches(), before, strict=True):
        switch.fp32_precision = value
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("_as_before")
def test_a_gpus_precision_is_set_inside_and_put_back() -> None:
    before = switches()
    for precision, value in (("float32", "ieee"), ("tf32", "tf32"), ("bf16", "ieee")):
        with gpu_products(precision):  # type: ignore[arg-type]
            assert switches() == [value] * 3
            assert torch.backends.cuda.matmul.allow_tf32 == torch.backends.cudnn.allow_tf32 == (value == "tf32")
        assert switches() == before
    with pytest.raises(RuntimeError, match="within"), gpu_products("tf32"):
        raise RuntimeError("within")
    assert switches() == before


@pytest.mark.usefixtures("_as_before")
def test_trainers_of_two_precisions_take_turns_and_each_keeps_its_own(
    images: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device pretends to be a GPU once the trainers exist; the test reads the setting in each iteration."""
    trainers = [
        Trainer(replace(CONFIG, network=replace(CONFIG.network, precision=p)), images, 0) for p in ("float32", "tf32")
    ]
    seen: list[list[str]] = [[], []]
    for found, trainer in zip(seen, trainers, strict=True):
        own = trainer._step

        def watched(players, real_NCHW, own=own, found=found):
            found.extend(set(switches()))
            return own(players, real_NCHW)

        trainer._step = watched
        trainer.config = replace(trainer.config, device="cuda")
    monkeypatch.setattr(torch.cuda, "Stream", lambda: None)
    for _ in range(3):
        for trainer in trainers:
            trainer.enqueue(1)
    assert seen == [["ieee"] * 3, ["tf32"] * 3]


@pytest.mark.usefixtures("_as_before")
def test_a_gpus_worker_takes_few_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "usable_cores", lambda: 16)
    torch.set_num_threads(8)
    prepare_worker("cuda")
    assert torch.get_num_threads() == 2
    assert switches() == ["ieee"] * 3
