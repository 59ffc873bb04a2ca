"""The thin up-convolution equals PyTorch's, in values and gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from infogan.thin import upconv_to_few


def tensors(n: int, o: int, c: int, h: int, w: int, dtype: torch.dtype) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = ((n, o, h, w), (o, c, 4, 4), (c,))
    return [torch.randn(s, generator=generator, dtype=torch.float64).to(dtype).requires_grad_() for s in shapes]


@given(
    n=st.integers(1, 4), o=st.integers(1, 6), c=st.integers(1, 4), h=st.integers(1, 6), w=st.integers(1, 6),
    with_bias=st.booleans(), channels_last=st.booleans(),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_it_equals_pytorch(n: int, o: int, c: int, h: int, w: int, with_bias: bool, channels_last: bool) -> None:
    features, weight, bias = tensors(n, o, c, h, w, torch.float64)
    given_features = features.contiguous(memory_format=torch.channels_last) if channels_last else features
    chosen_bias = bias if with_bias else None
    ours = upconv_to_few(given_features, weight, chosen_bias)
    theirs = F.conv_transpose2d(features, weight, chosen_bias, stride=2, padding=1)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    direction = torch.randn(theirs.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    inputs = [features, weight, bias] if with_bias else [features, weight]
    for a, b in zip(
        torch.autograd.grad(ours, inputs, direction), torch.autograd.grad(theirs, inputs, direction), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


def test_single_precision_rounds_no_worse_than_a_convolution() -> None:
    exact = upconv_to_few(*tensors(32, 64, 1, 14, 14, torch.float64))
    rounded = upconv_to_few(*tensors(32, 64, 1, 14, 14, torch.float32))
    error = ((rounded.double() - exact).norm() / exact.norm()).item()
    assert 1e-9 < error < 1e-6


@pytest.mark.parametrize("size", [(5, 7), (1, 1)])
def test_the_image_is_twice_the_features(size: tuple[int, int]) -> None:
    assert upconv_to_few(torch.zeros(2, 3, *size), torch.zeros(3, 1, 4, 4), None).shape == (
        2,
        1,
        2 * size[0],
        2 * size[1],
    )
