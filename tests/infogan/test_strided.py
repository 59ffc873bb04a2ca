"""Convolutions with a product of their own equal PyTorch's, in values and gradients."""

from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from infogan.strided import Way, conv, upconv

WAYS: tuple[Way, ...] = get_args(Way)


def tensors(n: int, o: int, c: int, h: int, w: int, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """Images and features of a convolution, its weight, and a bias for each side."""
    generator = torch.Generator().manual_seed(0)
    shapes = {"images": (n, c, 2 * h, 2 * w), "features": (n, o, h, w), "weight": (o, c, 4, 4), "c": (c,), "o": (o,)}
    draws = {k: torch.randn(s, generator=generator, dtype=torch.float64) for k, s in shapes.items()}
    return {name: draw.to(dtype).requires_grad_() for name, draw in draws.items()}


def assert_same(ours: Tensor, theirs: Tensor, inputs: list[Tensor]) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    direction = torch.randn(theirs.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    pairs = zip(*(torch.autograd.grad(y, inputs, direction) for y in (ours, theirs)), strict=True)
    for a, b in pairs:
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


@given(
    n=st.integers(1, 4), o=st.integers(1, 6), c=st.integers(1, 4), h=st.integers(1, 6), w=st.integers(1, 6),
    with_bias=st.booleans(), channels_last=st.booleans(), way=st.sampled_from(WAYS), transposed=st.booleans(),
)  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_it_equals_pytorch(
    n: int, o: int, c: int, h: int, w: int, with_bias: bool, channels_last: bool, way: Way, transposed: bool
) -> None:
    drawn = tensors(n, o, c, h, w)
    x, bias = (drawn["features"], drawn["c"]) if transposed else (drawn["images"], drawn["o"])
    given_x = x.contiguous(memory_format=torch.channels_last) if channels_last else x
    added = bias if with_bias else None
    ours = (upconv if transposed else conv)(given_x, drawn["weight"], added, way)
    theirs = (F.conv_transpose2d if transposed else F.conv2d)(x, drawn["weight"], added, stride=2, padding=1)
    assert_same(ours, theirs, [x, drawn["weight"], bias] if with_bias else [x, drawn["weight"]])


@pytest.mark.parametrize(
    ("way", "dtype", "largest"),
    [
        ("thin", torch.float32, (1e-6, 3e-6)),
        ("gathered", torch.float32, (1e-6, 3e-6)),
        ("gathered", torch.bfloat16, (1e-2, 1e-2)),
    ],
)
def test_it_rounds_no_worse_than_a_convolution(way: Way, dtype: torch.dtype, largest: tuple[float, float]) -> None:
    """Norm of the error over the norm, of the output and of each gradient: at most twice that of PyTorch's own."""

    def results(dtype: torch.dtype, ours: bool) -> list[Tensor]:
        found = []
        for transposed in (False, True):
            drawn = tensors(32, 64, 1, 14, 14, dtype)
            x = drawn["features" if transposed else "images"]
            if ours:
                y = (upconv if transposed else conv)(x, drawn["weight"], None, way)
            else:
                y = (F.conv_transpose2d if transposed else F.conv2d)(x, drawn["weight"], stride=2, padding=1)
            seen = torch.randn(y.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64).to(y.dtype)
            found += [y, *torch.autograd.grad(y, [x, drawn["weight"]], seen)]
        return [part.double() for part in found]

    exact, own, peers = results(torch.float64, False), results(dtype, True), results(dtype, False)
    bounds = 2 * (largest[0], largest[1], largest[1])  # of an output and its two gradients
    for a, b, c, bound in zip(own, peers, exact, bounds, strict=True):
        error, peers_error = (((part - c).norm() / c.norm()).item() for part in (a, b))
        assert 1e-9 < error < bound
        assert error < 2 * peers_error + 1e-7


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("height", "width"), [(5, 7), (1, 1)])
def test_the_image_is_twice_the_features(way: Way, height: int, width: int) -> None:
    image = upconv(torch.zeros(2, 3, height, width), torch.zeros(3, 1, 4, 4), None, way)
    assert image.shape == (2, 1, 2 * height, 2 * width)
    assert conv(image, torch.zeros(3, 1, 4, 4), None, way).shape == (2, 3, height, width)
