"""Find the fastest implementation of a layer on this processor, by measuring it in the calling process.

The gain depends on the processor as much as on the layer. Winograd-type products take 0.85 of the iteration time of the
MNIST networks on a Xeon and 1.10 on an AMD EPYC; oneDNN's products of wide linear layers take half the time of MKL's on
an AMD EPYC with AVX512, nine tenths on one with AVX2 (bench/throughput/NOTES.md).
"""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from infogan.architectures import KERNEL, Dense, Strided
from infogan.products import has_onednn_product, linear
from infogan.runtime import prepare_worker
from infogan.winograd import conv4x4_stride2, conv_transpose4x4_stride2

MIN_PAIRS, MAX_PAIRS = 4, 12
CLEAR = 0.05  # log ratio; if all pairs exceed it on one side, measuring stops early


def time_ratio(layer: Strided | Dense, batch_size: int) -> float:
    """CPU time of the layer's alternative implementation over that of PyTorch's, forward and backward.

    The median of interleaved pairs; infinite if there is no alternative. Raises ValueError for an odd image side.
    """
    if isinstance(layer, Dense):
        times = _dense_pair(layer, batch_size) if has_onednn_product() else None
    else:
        times = _strided_pair(layer, batch_size)
    if times is None:
        return math.inf
    times()  # warm-up of both
    log_ratios: list[float] = []
    while len(log_ratios) < MAX_PAIRS:
        log_ratios.append(times())
        clear = min(log_ratios) > CLEAR or max(log_ratios) < -CLEAR
        if clear and len(log_ratios) >= MIN_PAIRS:
            break
    return math.exp(statistics.median(log_ratios))


def time_ratios(layers: Sequence[Strided | Dense], batch_size: int) -> list[float]:
    """The time ratio of each layer, with the process settings of a cell. Call it in a fresh process."""
    prepare_worker("cpu")
    return [time_ratio(layer, batch_size) for layer in layers]


Operation = Callable[[Tensor, Tensor], Tensor]
Times = Callable[[], float]  # runs both once and returns the log of their time ratio


def _dense_pair(layer: Dense, batch_size: int) -> Times:
    inputs = torch.randn(batch_size, layer.in_width, requires_grad=True)
    weight = torch.randn(layer.out_width, layer.in_width, requires_grad=True)
    return _pair(linear, F.linear, inputs, weight, torch.randn(batch_size, layer.out_width))


def _strided_pair(layer: Strided, batch_size: int) -> Times:
    sizes = (layer.image_channels, layer.image_side), (layer.feature_channels, layer.image_side // 2)
    images, features = (
        torch.randn(batch_size, channels, side, side).to(memory_format=torch.channels_last) for channels, side in sizes
    )
    weight = torch.randn(layer.feature_channels, layer.image_channels, KERNEL, KERNEL)
    weight = weight.to(memory_format=torch.channels_last).requires_grad_()
    if layer.kind == "conv":
        inputs, gradient = images.requires_grad_(), features
        return _pair(conv4x4_stride2, partial(F.conv2d, stride=2, padding=1), inputs, weight, gradient)
    inputs, gradient = features.requires_grad_(), images
    own = partial(F.conv_transpose2d, stride=2, padding=1)
    return _pair(conv_transpose4x4_stride2, own, inputs, weight, gradient)


def _pair(a: Operation, b: Operation, inputs: Tensor, weight: Tensor, gradient: Tensor) -> Times:
    def seconds(operation: Operation) -> float:
        start = time.process_time()
        operation(inputs, weight).backward(gradient)
        return time.process_time() - start

    return lambda: math.log(seconds(a) / seconds(b))
