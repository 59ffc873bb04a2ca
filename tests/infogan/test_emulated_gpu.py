"""Training and measuring on an emulated GPU: no mixed devices, captured equals eager to the bit, no host reads."""

import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from infogan.architectures import ARCHITECTURES
from infogan.blocks import NetworkSettings
from infogan.capture import WARM_UP, AutoStep
from infogan.codes import Categorical, Continuous, LatentSpec, Noise
from infogan.step import StepSettings, fused_step
from infogan.together import iterations, take_turns
from infogan.training import Trainer, TrainingConfig
from tests.infogan.emulated_gpu import EmulatedGpu, emulate, is_on_gpu

ROOT = Path(__file__).parents[2]
SPEC = LatentSpec(Noise(6), (Categorical(10), Continuous(std="sqrt-exp", std_clip=(0.1, 2.0))))
STEP = StepSettings(mi_weight_discriminator=(1.0, 0.1), mi_weight_generator=(1.0, 0.1))
CONFIG = TrainingConfig(
    "mnist", SPEC, STEP, iterations=9, network=NetworkSettings(width=0.05), batch_size=8, device="cuda"
)
STEPS: dict[str, StepSettings] = {
    "fresh": STEP,
    "reused latents": replace(STEP, latents="reused"),
    "real and fake together": replace(STEP, real_and_fake="together"),
    "Q learns with G": replace(STEP, q_learns_with="generator"),
    "instance noise": replace(STEP, instance_noise=0.2),
    "gan": replace(STEP, mi_weight_generator=(0.0, 0.0), mi_trains_trunk=False),
    "tiny": replace(STEP, tiny=1e-8),
    "warm-up and rule of giving up": replace(STEP, warm_up_iterations=6, give_up="authors"),
}


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatedGpu]:
    with emulate(monkeypatch) as device:
        yield device


def images(architecture: str = "mnist") -> Tensor:
    shape = (40, *ARCHITECTURES[architecture].image_CHW)
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0)).to(torch.uint8)


def trained(config: TrainingConfig, seed: int = 3) -> Trainer:
    run = Trainer(config, images(config.architecture), seed)
    for _ in run.run():
        pass
    return run


def weights(run: Trainer) -> list[Tensor]:
    return [*run.players.generator.parameters(), *run.players.discriminator.parameters()]


def same(a: Trainer, b: Trainer) -> bool:
    pairs = zip(weights(a), weights(b), strict=True)
    return all(torch.equal(x, y) for x, y in pairs) and bool((a.history() == b.history()).all())


# ---- the emulator leaves nothing behind, and finds planted mistakes


def test_torch_keeps_nothing_of_the_emulation() -> None:
    """In a process of its own: only one that had not imported torch._dynamo before could keep something."""
    program = """if True:
        import sys, pytest, torch
        from tests.infogan.test_emulated_gpu import CONFIG, emulate, replace, trained

        assert "torch._dynamo" not in sys.modules
        with pytest.MonkeyPatch.context() as patch, emulate(patch):
            trained(replace(CONFIG, iterations=1))
        from torch._dynamo.device_interface import CudaInterface

        names = ("Stream", "current_stream", "stream", "synchronize")
        print([name for name in names if getattr(CudaInterface, name) is not getattr(torch.cuda, name)])
    """
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_the_emulated_device_notes_what_a_gpu_would_refuse(gpu: EmulatedGpu) -> None:
    there, here = torch.ones(3, device="cuda"), torch.ones(3)
    assert there.device.type == "cuda"
    assert is_on_gpu(there + 1)
    assert gpu.problems == []
    _ = there + here
    _ = here[torch.zeros(1, dtype=torch.int64, device="cuda")]
    torch.rand(2, generator=torch.Generator("cuda"))
    there.numpy()
    assert [problem.partition(",")[0] for problem in gpu.problems] == [
        "add of tensors on two devices",
        "a tensor of the host indexed by one of the GPU",
        "rand: a generator of another device than the operation's",
        "numpy of a tensor on the GPU",
    ]
    before = gpu.host_reads
    there.sum().item()
    there.cpu()
    assert gpu.host_reads == before + 2


# ---- training


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
@pytest.mark.parametrize("precision", ["float32", "tf32"])
def test_training_mixes_no_devices(gpu: EmulatedGpu, architecture: str, precision: Any) -> None:
    network = replace(CONFIG.network, precision=precision, q_network="separate-categories")
    run = trained(replace(CONFIG, architecture=architecture, network=network, iterations=2))
    assert gpu.problems == []
    assert all(map(is_on_gpu, weights(run)))
    last = torch.channels_last if precision == "tf32" else torch.contiguous_format
    convolution = run.players.discriminator.body[1].op.weight
    assert convolution.is_contiguous(memory_format=last)


def test_the_host_reads_at_log_steps_alone(gpu: EmulatedGpu) -> None:
    run = Trainer(replace(CONFIG, iterations=20), images(), 1)
    run.enqueue(2)
    before = gpu.host_reads
    run.enqueue(18)
    assert gpu.host_reads == before
    run.read()
    assert gpu.host_reads > before


# ---- capture


@pytest.mark.parametrize("name", STEPS)
def test_a_captured_iteration_is_the_eager_one(gpu: EmulatedGpu, name: str) -> None:
    eager, captured = (trained(replace(CONFIG, step=STEPS[name], capture=c)) for c in ("off", "graph"))
    assert captured._step._graph is not None  # type: ignore[attr-defined]
    assert captured.players.latents in captured._step._graph.registered  # type: ignore[attr-defined]
    assert same(eager, captured)
    assert gpu.problems == []


@pytest.mark.parametrize("stop", [2, WARM_UP + 1, 7])
def test_a_captured_training_resumes_to_the_same_bits(gpu: EmulatedGpu, stop: int) -> None:
    config = replace(CONFIG, capture="graph")
    first = Trainer(config, images(), 3)
    first.enqueue(stop)
    second = Trainer(config, images(), 3)
    second.load_state_dict(first.state_dict())
    for _ in second.run():
        pass
    assert same(second, trained(config))


def test_auto_takes_a_graph_where_one_can_be_captured(gpu: EmulatedGpu) -> None:
    run = trained(replace(CONFIG, capture="auto"))
    assert isinstance(run._step, AutoStep)
    assert run.capture_note is None
    assert same(run, trained(replace(CONFIG, capture="graph")))


@pytest.mark.parametrize("at", ["begin", "in the middle"])
def test_auto_goes_on_eagerly_to_the_same_bits_where_capture_fails(
    gpu: EmulatedGpu, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    if at == "begin":
        monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: torch.ones(2) @ torch.ones(3))
    run = Trainer(replace(CONFIG, capture="auto"), images(), 3)
    calls = 0

    def breaking(players: Any, real_NCHW: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        if at == "in the middle" and calls == WARM_UP + 1:
            players.sample(len(real_NCHW))
            players.discriminator.requires_grad_(False)
            raise RuntimeError("operation not permitted\nwhen stream is capturing")
        return fused_step(players, real_NCHW)

    run._step = AutoStep(breaking, run.players)
    for _ in run.run():
        pass
    assert run.capture_note is not None
    assert run.capture_note.startswith("no CUDA graph, each iteration launched anew: ")
    assert "\n" not in run.capture_note
    assert same(run, trained(CONFIG))


def test_a_generator_is_registered_whether_or_not_torch_warns_of_it(
    gpu: EmulatedGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch 2.14 deprecates the registration; a later version may not have it."""

    def warns(self: Any, generator: torch.Generator) -> None:
        warnings.warn("register_generator_state is deprecated", FutureWarning, stacklevel=2)

    monkeypatch.setattr(torch.cuda.CUDAGraph, "register_generator_state", warns)
    assert same(trained(replace(CONFIG, capture="graph")), trained(CONFIG))
    monkeypatch.delattr(torch.cuda.CUDAGraph, "register_generator_state")
    assert same(trained(replace(CONFIG, capture="graph")), trained(CONFIG))


def test_seeds_together_have_the_bits_of_each_alone(gpu: EmulatedGpu) -> None:
    config = replace(CONFIG, capture="graph")
    together = [Trainer(config, images(), seed) for seed in range(3)]
    for _ in take_turns([iterations(trainer) for trainer in together], "cuda"):
        pass
    streams = {run._step._graph.stream for run in together}  # type: ignore[attr-defined]
    for seed, run in enumerate(together):
        alone = trained(config, seed)
        assert same(run, alone)
        assert alone._step._graph.stream not in streams  # type: ignore[attr-defined]
    assert len(streams) == 3  # of one stream, they would share cuBLAS's workspace
    assert gpu.problems == []
