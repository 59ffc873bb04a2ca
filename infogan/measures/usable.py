"""Usable information (Xu et al. 2020, arXiv 2002.10689): how much a fresh Q of given capacity can read of a code.

I(c; x) itself says nothing about a training: a deterministic generator that is injective in its latents has I = H(c),
trained or not. So fresh Qs of three capacities are trained on samples drawn online from a frozen generator, and their
L_I is reported by capacity. InfoGAN does not need it: its own L_I bounds what is left, H(c) - L_I.
Shape suffixes: N images, C channels, H height, W width.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from infogan.codes import LatentSpec
from infogan.measures.calibration import calibrate_generator
from infogan.measures.images import generated
from infogan.measures.probes import by_iteration
from infogan.measures.trained import Measured, Trained
from infogan.networks import Generator

Capacity = Literal["linear", "hidden", "convolutional"]
CAPACITIES: tuple[Capacity, ...] = ("linear", "hidden", "convolutional")
HIDDEN_WIDTH = 128
CONVOLUTION_WIDTH = 16
ITERATIONS = 600
BATCH_SIZE = 128
PEAK_LEARNING_RATE = 2e-3
NUM_EVALUATED = 5_000
ITERATIONS_OF_A_CELL = 200  # for each of a baseline cell's three generators


@dataclass(frozen=True)
class Usable:
    """L_I in nats of each code by capacity, on samples not used for training.

    For a categorical code the ceiling is H(c); a continuous one with a learned std has none. A negative value comes
    from a Q that has learned nothing: 0 nats are usable.
    """

    nats: dict[str, dict[str, float]]  # by capacity and code
    iterations: int
    num_images: int  # generated in total, for training and evaluation

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def usable_information(
    generator: Generator,
    spec: LatentSpec,
    stream: torch.Generator,
    iterations: int = ITERATIONS,
    capacities: tuple[Capacity, ...] = CAPACITIES,
    code_indices: tuple[int, ...] | None = None,
) -> Usable:
    """Train a fresh Q of each capacity for each code, all on the same samples, with the generator's frozen statistics.

    ``code_indices``: the codes to read; None: all. Calibrate the generator first. Generates ``128 * iterations +
    10000`` images. Raises ValueError without a code to read or without iterations.
    """
    if not spec.codes:
        raise ValueError("there is no code to read")
    if iterations < 1:
        raise ValueError(f"a fresh Q needs at least one iteration, got {iterations}")
    images_NCHW, _ = _samples(generator, spec, stream, NUM_EVALUATED)
    centre, scale = images_NCHW.mean(dim=0), images_NCHW.std().clamp_min(1e-6)
    # one Q per code, since shared layers would trade codes off against each other
    readers = {
        (capacity, index): _reader(capacity, images_NCHW.shape[1:], code.parameter_width, stream).to(images_NCHW)
        for capacity in capacities
        for index, code in enumerate(spec.codes)
        if code_indices is None or index in code_indices
    }
    optimizer = torch.optim.Adam([p for reader in readers.values() for p in reader.parameters()], fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_LEARNING_RATE, iterations + 1)

    def bounds(images_NCHW: Tensor, values: tuple[Tensor, ...]) -> Tensor:
        """L_I of each reader, in their order."""
        standardised = (images_NCHW - centre) / scale
        log_q = [spec.codes[i].posterior(q(standardised)).log_prob(values[i]).mean() for (_, i), q in readers.items()]
        return torch.stack([lq + spec.codes[i].entropy_nats for lq, (_, i) in zip(log_q, readers, strict=True)])

    for _ in range(iterations):
        # the losses share no parameters, so each Q learns as if alone
        loss = -bounds(*_samples(generator, spec, stream, BATCH_SIZE)).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        final = bounds(*_samples(generator, spec, stream, NUM_EVALUATED)).tolist()
    nats: dict[str, dict[str, float]] = {capacity: {} for capacity in capacities}
    for (capacity, index), value in zip(readers, final, strict=True):
        nats[capacity][spec.names[index]] = value
    return Usable(nats, iterations, BATCH_SIZE * iterations + 2 * NUM_EVALUATED)


@torch.no_grad()
def _samples(
    generator: Generator, spec: LatentSpec, stream: torch.Generator, num: int
) -> tuple[Tensor, tuple[Tensor, ...]]:
    latents = spec.sample(num, stream, next(generator.parameters()).dtype)
    return generated(generator, latents.inputs_NZ), latents.values


def _reader(capacity: Capacity, image_CHW: torch.Size, num_parameters: int, stream: torch.Generator) -> nn.Module:
    """A Q without batch norm, so it reads single images in training too. Its output layer starts at 0."""
    channels, height, width = image_CHW
    pixels = channels * height * width
    body: list[nn.Module]
    if capacity == "linear":
        body, features = [nn.Flatten()], pixels
    elif capacity == "hidden":
        body, features = [nn.Flatten(), nn.Linear(pixels, HIDDEN_WIDTH), nn.ReLU()], HIDDEN_WIDTH
    else:
        first, second = CONVOLUTION_WIDTH, 2 * CONVOLUTION_WIDTH
        body = [
            *(nn.Conv2d(channels, first, 4, stride=2, padding=1), nn.ReLU()),
            *(nn.Conv2d(first, second, 4, stride=2, padding=1), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(second * (height // 4) * (width // 4), HIDDEN_WIDTH), nn.ReLU()),
        ]
        features = HIDDEN_WIDTH
    hidden = nn.Sequential(*body).to(stream.device)
    for parameter in hidden.parameters():
        if parameter.dim() > 1:
            nn.init.kaiming_normal_(parameter, nonlinearity="relu", generator=stream)
        else:
            nn.init.zeros_(parameter)
    output = nn.Linear(features, num_parameters)
    for parameter in output.parameters():
        nn.init.zeros_(parameter)
    return nn.Sequential(hidden, output)


def measure_usable(cell: Trained) -> Measured:
    """How much fresh Qs of three capacities read of c1 in the generators kept by a baseline's probes.

    Empty for InfoGAN itself, whose L_I bounds what is left, and for a cell that kept no generator. Each Q is trained
    for ``ITERATIONS_OF_A_CELL`` iterations, so the result is what it can read with this budget, not I(c; x).
    """
    index = cell.first_categorical()
    found = by_iteration(cell.probes)
    kept = {i: {n: a for n, a in arrays.items() if n.startswith("generator/")} for i, arrays in found.items()}
    kept = {iteration: state for iteration, state in kept.items() if state}
    if index is None or not kept:
        return Measured()
    draws, final = cell.stream(), {n: value.clone() for n, value in cell.generator.state_dict().items()}
    names = ("iteration", *(f"usable_{capacity}_nats" for capacity in CAPACITIES))
    series: dict[str, list[float]] = {name: [] for name in names}
    try:
        for iteration, state in kept.items():
            tensors = {n.removeprefix("generator/"): torch.from_numpy(array) for n, array in state.items()}
            cell.generator.load_state_dict(tensors)
            calibrate_generator(cell.generator, cell.spec, draws)
            usable = usable_information(cell.generator, cell.spec, draws, ITERATIONS_OF_A_CELL, code_indices=(index,))
            series["iteration"].append(iteration)
            for capacity in CAPACITIES:
                series[f"usable_{capacity}_nats"].append(usable.nats[capacity][cell.spec.names[index]])
    finally:
        cell.generator.load_state_dict(final)
    values = {name: column[-1] for name, column in series.items() if name != "iteration"}
    return Measured(values, {"iterations": ITERATIONS_OF_A_CELL}, series=series)
