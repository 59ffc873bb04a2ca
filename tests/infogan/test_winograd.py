"""The Winograd convolutions equal PyTorch's own in values and gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from infogan.winograd import TILINGS, conv4x4_stride2, conv_transpose4x4_stride2

# (channels in, channels out, side of the input) of every layer of the paper's networks that these functions apply to
CONVOLUTIONS = [(64, 128, 14), (64, 128, 16), (128, 256, 8), (64, 128, 32), (128, 256, 16)]
TRANSPOSED = [(128, 64, 7), (448, 256, 2), (256, 128, 4), (128, 64, 8), (256, 128, 8), (128, 64, 16)]


def conv(images: Tensor, weight: Tensor, tiling: str | None) -> Tensor:
    return F.conv2d(images, weight, None, 2, 1) if tiling is None else conv4x4_stride2(images, weight, tiling)


def conv_transpose(features: Tensor, weight: Tensor, tiling: str | None) -> Tensor:
    if tiling is None:
        return F.conv_transpose2d(features, weight, None, 2, 1)
    return conv_transpose4x4_stride2(features, weight, tiling)


def problem(transposed: bool, num_images: int, channels: tuple[int, int], size: tuple[int, int]) -> list[Tensor]:
    """Input, weight and the gradient of the output, in float64."""
    generator = torch.Generator().manual_seed(0)
    height, width = size
    weight_channels = channels if transposed else channels[::-1]
    output_size = (2 * height, 2 * width) if transposed else (height // 2, width // 2)
    shapes = [(num_images, channels[0], *size), (*weight_channels, 4, 4), (num_images, channels[1], *output_size)]
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def results(transposed: bool, tensors: list[Tensor], tiling: str | None) -> list[Tensor]:
    """Output and both gradients."""
    inputs, weight, grad_output = tensors
    inputs, weight = inputs.detach().requires_grad_(), weight.detach().requires_grad_()
    output = (conv_transpose if transposed else conv)(inputs, weight, tiling)
    return [output.detach(), *torch.autograd.grad(output, (inputs, weight), grad_output)]


def relative_errors(actual: list[Tensor], expected: list[Tensor]) -> list[float]:
    return [float((a - e).norm() / e.norm()) for a, e in zip(actual, expected, strict=True)]


@pytest.mark.parametrize(
    ("transposed", "layer"), [(False, layer) for layer in CONVOLUTIONS] + [(True, layer) for layer in TRANSPOSED]
)
@pytest.mark.parametrize("divisor", [2, 4])
def test_equal_in_double_precision_on_the_papers_layers(
    transposed: bool, layer: tuple[int, int, int], divisor: int
) -> None:
    inputs, outputs, side = layer
    tensors = problem(transposed, 2, (inputs // divisor, outputs // divisor), (side, side))
    actual, expected = results(transposed, tensors, "43x43"), results(transposed, tensors, None)
    assert max(relative_errors(actual, expected)) < 1e-13


@pytest.mark.parametrize("tiling", TILINGS)
@pytest.mark.parametrize(("transposed", "layer"), [(False, CONVOLUTIONS[0]), (True, TRANSPOSED[0])])
def test_every_tiling_of_seven_is_exact_and_rounds_as_documented(
    tiling: str, transposed: bool, layer: tuple[int, int, int]
) -> None:
    inputs, outputs, side = layer
    tensors = problem(transposed, 4, (inputs, outputs), (side, side))
    expected = results(transposed, tensors, None)
    double = relative_errors(results(transposed, tensors, tiling), expected)
    single = results(transposed, [tensor.float() for tensor in tensors], tiling)
    assert max(double) < 1e-13
    limit = {"43x43": 1.2e-6, "43x7": 4e-6, "7x7": 1.2e-5}[tiling]
    errors = relative_errors([tensor.double() for tensor in single], expected)
    # not smaller by a factor of twenty, so a float32 path that silently ran in float64 would show
    assert all(limit / 20 < error < limit for error in errors)


@pytest.mark.parametrize("channels", [3, 64, 256])
@pytest.mark.parametrize("transposed", [False, True])
def test_single_precision_error_of_cells_of_four(transposed: bool, channels: int) -> None:
    tensors = problem(transposed, 4, (channels, channels), (8, 8))
    single = results(transposed, [tensor.float() for tensor in tensors], "43x43")
    errors = relative_errors([tensor.double() for tensor in single], results(transposed, tensors, None))
    assert all(1e-7 < error < 1.5e-6 for error in errors)


@settings(max_examples=60, deadline=None)
@given(
    transposed=st.booleans(),
    num_images=st.integers(1, 3),
    channels=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    halves=st.tuples(st.integers(1, 17), st.integers(1, 17)),
    tiling=st.sampled_from(TILINGS),
    layouts=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_equal_for_any_size_and_memory_layout(
    transposed: bool,
    num_images: int,
    channels: tuple[int, int],
    halves: tuple[int, int],
    tiling: str,
    layouts: tuple[bool, bool, bool],
) -> None:
    size = halves if transposed else (2 * halves[0], 2 * halves[1])
    tensors = problem(transposed, num_images, channels, size)
    expected = results(transposed, tensors, None)
    laid_out = [
        tensor.contiguous(memory_format=torch.channels_last) if channels_last else tensor
        for tensor, channels_last in zip(tensors, layouts, strict=True)
    ]
    actual = results(transposed, laid_out, tiling)
    assert actual[0].is_contiguous(memory_format=torch.channels_last)
    assert max(relative_errors(actual, expected)) < 1e-12


@pytest.mark.parametrize("function", [conv4x4_stride2, conv_transpose4x4_stride2])
def test_gradcheck(function) -> None:  # type: ignore[no-untyped-def]
    # 5x4 features in two cells, one sticking out, and one
    size = (5, 4) if function is conv_transpose4x4_stride2 else (10, 8)
    inputs, weight, _ = problem(False, 1, (2, 2), size)
    assert torch.autograd.gradcheck(function, (inputs.requires_grad_(), weight.requires_grad_()))


@pytest.mark.parametrize("function", [conv4x4_stride2, conv_transpose4x4_stride2])
@pytest.mark.parametrize("needed", [(True, False), (False, True), (False, False)])
def test_only_the_gradient_that_is_needed_is_computed(function, needed: tuple[bool, bool], monkeypatch) -> None:  # type: ignore[no-untyped-def]
    inputs, weight, _ = problem(False, 2, (3, 3), (8, 8))
    inputs.requires_grad_(needed[0])
    weight.requires_grad_(needed[1])
    output = function(inputs, weight)
    if not any(needed):
        assert not output.requires_grad
        return
    saved = [tensor for tensor in output.grad_fn.saved_tensors if tensor is not None]
    products = []
    bmm = torch.bmm
    monkeypatch.setattr(torch, "bmm", lambda a, b: products.append(a.shape) or bmm(a, b))
    output.sum().backward()
    assert len(saved) == 1
    # transform of the output's gradient, product, and for the input's gradient the transform back
    assert len(products) == (3 if needed[0] else 2)
    assert (inputs.grad is not None, weight.grad is not None) == needed


def test_errors_name_what_is_wrong() -> None:
    weight = torch.zeros(2, 3, 4, 4)
    with pytest.raises(ValueError, match=r"even, not \(7, 8\)"):
        conv4x4_stride2(torch.zeros(1, 3, 7, 8), weight)
    with pytest.raises(ValueError, match="4x4 kernels"):
        conv4x4_stride2(torch.zeros(1, 3, 8, 8), torch.zeros(2, 3, 3, 3))
    with pytest.raises(ValueError, match="4x4 kernels"):
        conv_transpose4x4_stride2(torch.zeros(1, 2, 8, 8), torch.zeros(2, 3, 4, 5))
    with pytest.raises(ValueError, match="inputs have 2 channels, the weight expects 3"):
        conv4x4_stride2(torch.zeros(1, 2, 8, 8), weight)
    with pytest.raises(ValueError, match="tiling must be one of 43x43"):
        conv4x4_stride2(torch.zeros(1, 3, 8, 8), weight, tiling="9x9")
