"""Which formulation of a layer is faster on the processor at hand: measured, in the process that asks.

Whether Winograd-type products pay hangs on the processor as much as on the layer. On a Xeon they take 0.85 of the time
of the MNIST networks' iteration, on an AMD EPYC 1.10: there PyTorch's own convolutions of 7x7 features run near the
rate of a matrix product, while those of 8x8 features still gain (bench/throughput/NOTES.md).
"""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from infogan.architectures import KERNEL, Strided
from infogan.runtime import prepare_worker
from infogan.winograd import conv4x4_stride2, conv_transpose4x4_stride2

MIN_PAIRS, MAX_PAIRS = 4, 12
CLEAR = 0.05  # pairs that all lie this far on one side decide early


def winograd_ratio(layer: Strided, batch_size: int) -> float:
    """Processor time of the layer with Winograd-type products over that with PyTorch's own, forward and backward.

    The median of interleaved pairs. Raises ValueError where the layer cannot be done so: an odd image.
    """
    sizes = (layer.image_channels, layer.image_side), (layer.feature_channels, layer.image_side // 2)
    images, features = (
        torch.randn(batch_size, channels, side, side).to(memory_format=torch.channels_last) for channels, side in sizes
    )
    weight = torch.randn(layer.feature_channels, layer.image_channels, KERNEL, KERNEL)
    weight = weight.to(memory_format=torch.channels_last).requires_grad_()
    if layer.kind == "conv":
        inputs, gradient = images.requires_grad_(), features
        times = _pair(conv4x4_stride2, partial(F.conv2d, stride=2, padding=1), inputs, weight, gradient)
    else:
        inputs, gradient = features.requires_grad_(), images
        own = partial(F.conv_transpose2d, stride=2, padding=1)
        times = _pair(conv_transpose4x4_stride2, own, inputs, weight, gradient)
    times()  # both warm up
    log_ratios: list[float] = []
    while len(log_ratios) < MAX_PAIRS:
        log_ratios.append(times())
        clear = min(log_ratios) > CLEAR or max(log_ratios) < -CLEAR
        if clear and len(log_ratios) >= MIN_PAIRS:
            break
    return math.exp(statistics.median(log_ratios))


def winograd_ratios(layers: Sequence[Strided], batch_size: int) -> list[float]:
    """The ratio of each layer, in a process set up as a cell's: call it in one of its own."""
    prepare_worker("cpu")
    return [winograd_ratio(layer, batch_size) for layer in layers]


Operation = Callable[[Tensor, Tensor], Tensor]


def _pair(a: Operation, b: Operation, inputs: Tensor, weight: Tensor, gradient: Tensor) -> Callable[[], float]:
    """A callable that runs both once and returns the log of a's processor time over b's."""

    def seconds(operation: Operation) -> float:
        start = time.process_time()
        operation(inputs, weight).backward(gradient)
        return time.process_time() - start

    return lambda: math.log(seconds(a) / seconds(b))
