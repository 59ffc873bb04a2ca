"""Between log steps the host reads nothing; a captured iteration equals the eager one; reduced precision trains.

Tests that need a GPU are marked and say why they are skipped. On a CPU, operations that would make a host wait are
counted as they are dispatched: the step and its bookkeeping are the same code on both.
"""

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from infogan.blocks import NetworkSettings
from infogan.capture import WARM_UP
from infogan.codes import Categorical, Continuous, LatentSpec, Noise
from infogan.step import Players, StepSettings, fused_step
from infogan.together import iterations, take_turns
from infogan.training import Progress, Trainer, TrainingConfig

SPEC = LatentSpec(Noise(6), (Categorical(10), Continuous()))
CONFIG = TrainingConfig(
    "mnist",
    SPEC,
    StepSettings(mi_weight_discriminator=(1.0, 0.1), mi_weight_generator=(1.0, 0.1)),
    iterations=20,
    network=NetworkSettings(width=0.05, kernels="fastest"),
    batch_size=16,
)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randint(0, 256, (75, 1, 28, 28), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


# ---- synchronisations

READS = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "unique", "_unique2")


class HostReads(TorchDispatchMode):
    """Counts operations whose result the host needs before it can continue; ``watching`` turns the count on and off."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.num_operations = 0
        self.watching = True

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self.watching:
            self.num_operations += 1
            name = func.overloadpacket.__name__
            by_mask = name in ("index", "index_put_") and any(
                i is not None and i.dtype in (torch.bool, torch.uint8) for i in args[1]
            )
            if name in READS or by_mask:
                self.found.append(name)
        return func(*args, **(kwargs or {}))


def host_reads(monkeypatch: pytest.MonkeyPatch, run: Trainer, log_every: int = 10) -> HostReads:
    """Number of host reads of a whole training, without its log steps."""
    counter, read_last = HostReads(), Trainer.read

    def at_log_step(self: Trainer) -> Progress:
        counter.watching = False
        progress = read_last(self)
        counter.watching = True
        return progress

    monkeypatch.setattr(Trainer, "read", at_log_step)
    with counter:
        num_log_steps = sum(1 for _ in run.run(log_every))
    assert num_log_steps == run.config.iterations / log_every
    assert counter.num_operations > 100 * run.config.iterations
    return counter


@pytest.mark.parametrize("latents", ["fresh", "reused"])
@pytest.mark.parametrize("codes", [SPEC, LatentSpec(Noise(3), (Continuous(std=1.0),))], ids=["two codes", "fixed std"])
def test_nothing_is_read_between_log_steps(
    monkeypatch: pytest.MonkeyPatch, images: Tensor, codes: LatentSpec, latents: Any
) -> None:
    weights = (1.0,) * len(codes.codes)
    step = replace(CONFIG.step, latents=latents, mi_weight_discriminator=weights, mi_weight_generator=weights)
    run = Trainer(replace(CONFIG, step=step, latents=codes), images, 1)
    assert host_reads(monkeypatch, run).found == []


PLANTED: dict[str, Callable[[Tensor], object]] = {
    "_local_scalar_dense": lambda metrics_M: metrics_M[0].item(),
    "nonzero": lambda metrics_M: metrics_M.nonzero(),
    "index": lambda metrics_M: metrics_M[metrics_M > 0],
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_read_is_found_in_every_iteration(monkeypatch: pytest.MonkeyPatch, images: Tensor, name: str) -> None:
    def reading_step(players: Players, real_NCHW: Tensor) -> Tensor:
        metrics_M = fused_step(players, real_NCHW)
        PLANTED[name](metrics_M)
        return metrics_M

    run = Trainer(CONFIG, images, 1)
    run._step = reading_step
    assert host_reads(monkeypatch, run).found.count(name) == CONFIG.iterations


def test_the_reference_step_reads_its_adams_step_count(monkeypatch: pytest.MonkeyPatch, images: Tensor) -> None:
    """This is allowed, since it is the readable version. The count finds these reads, though they were not planted."""
    run = Trainer(replace(CONFIG, step_kind="reference"), images, 1)
    assert "_local_scalar_dense" in host_reads(monkeypatch, run).found


# ---- precision


def trained(config: TrainingConfig, images: Tensor) -> Trainer:
    run = Trainer(config, images, 3)
    for _ in run.run():
        pass
    return run


def test_bf16_trains_and_leaves_weights_moments_and_metrics_in_float32(images: Tensor) -> None:
    runs = [trained(replace(CONFIG, network=replace(CONFIG.network, precision=p)), images) for p in ("float32", "bf16")]
    exact, rounded = (run.history() for run in runs)
    assert rounded.dtype == exact.dtype
    for parameter in (*runs[1].players.generator.parameters(), *runs[1].players.discriminator.parameters()):
        assert parameter.dtype == torch.float32
        assert torch.isfinite(parameter).all()
    names = runs[1].metric_names
    assert abs(rounded[0] - exact[0]).max() < 0.05  # bf16 has eight bits: 0.4 % of values near 1
    assert abs(rounded - exact).max() > 0
    assert math.isclose(rounded[-1, names.index("mi/c1")], exact[-1, names.index("mi/c1")], abs_tol=0.3)


def test_tf32_is_a_gpus_and_on_a_cpu_the_same_bits(images: Tensor) -> None:
    runs = [trained(replace(CONFIG, network=replace(CONFIG.network, precision=p)), images) for p in ("float32", "tf32")]
    assert (runs[0].history() == runs[1].history()).all()


# ---- capture


def test_capture_without_a_gpu_is_refused(images: Tensor) -> None:
    with pytest.raises(ValueError, match=r"capture='graph' needs device 'cuda', got 'cpu'"):
        Trainer(replace(CONFIG, capture="graph"), images, 0)


ON_GPU = replace(CONFIG, device="cuda")


@pytest.fixture
def _deterministic(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Exclude kernels that add in any order: a difference in the last bit grows to 0.1 in 20 iterations of a GAN."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    torch.use_deterministic_algorithms(True, warn_only=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*deterministic.*")
        yield
    torch.use_deterministic_algorithms(False)


def weights(run: Trainer) -> list[Tensor]:
    return [*run.players.generator.parameters(), *run.players.discriminator.parameters()]


@pytest.mark.gpu
@needs_gpu
@pytest.mark.usefixtures("_deterministic")
@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
def test_a_captured_iteration_is_the_eager_one(images: Tensor, precision: Any) -> None:
    """Same random streams and deterministic kernels: curve and weights of 20 iterations, of which 16 are replayed."""
    base = replace(ON_GPU, network=replace(CONFIG.network, precision=precision))
    eager, captured = (trained(replace(base, capture=c), images) for c in ("off", "graph"))
    assert captured._step._graph is not None  # type: ignore[attr-defined]
    first = slice(WARM_UP + 1)  # until the first replay a difference in the last bit has had no time to grow
    assert abs(captured.history() - eager.history())[first].max() < 1e-4
    for a, b in zip(weights(captured), weights(eager), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.gpu
@needs_gpu
@pytest.mark.usefixtures("_deterministic")
@pytest.mark.parametrize("stop", [2, 7, 15])
def test_a_captured_training_resumes(images: Tensor, stop: int) -> None:
    """Before and after capture: the stream of latents and Adam's moments continue where they were."""
    config = replace(ON_GPU, capture="graph")
    whole, first = trained(config, images), Trainer(config, images, 3)
    for progress in first.run(log_every=1):
        if progress.iteration == stop:
            break
    second = Trainer(config, images, 3)
    second.load_state_dict(first.state_dict())
    for _ in second.run():
        pass
    assert abs(second.history() - whole.history()).max() < 1e-3


@pytest.mark.gpu
@needs_gpu
@pytest.mark.usefixtures("_deterministic")
def test_seeds_together_on_a_gpu_train_as_each_alone(images: Tensor) -> None:
    """The first one ends earlier, and its graph and memory go while the graphs of the others are replayed."""
    histories: dict[int, np.ndarray] = {}

    def part(config: TrainingConfig, seed: int) -> Iterator[None]:
        run = Trainer(config, images, seed)
        for _ in iterations(run):
            yield
        histories[seed] = run.history()

    configs = [replace(ON_GPU, capture="graph", iterations=num) for num in (8, 20, 20)]
    for _ in take_turns([part(config, seed) for seed, config in enumerate(configs)], "cuda"):
        torch.cuda.empty_cache()
    for seed, config in enumerate(configs):
        alone = Trainer(config, images, seed)
        alone.enqueue(config.iterations)
        assert abs(histories[seed] - alone.history()).max() < 1e-3


@pytest.mark.gpu
@needs_gpu
@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
@pytest.mark.parametrize("capture", ["off", "graph"])
def test_on_a_gpu_an_iteration_waits_for_nothing(images: Tensor, capture: Any) -> None:
    """PyTorch's own check of synchronising calls between two log steps, after the warm-up and the capture."""
    run = Trainer(replace(ON_GPU, capture=capture), images, 3)
    steps = run.run(log_every=5)
    next(steps)
    read_last = run.read

    def at_log_step() -> Progress:
        torch.cuda.set_sync_debug_mode("default")
        return read_last()

    run.read = at_log_step  # type: ignore[method-assign]
    torch.cuda.set_sync_debug_mode("error")
    try:
        assert next(steps).iteration == 10
    finally:
        torch.cuda.set_sync_debug_mode("default")
