"""oneDNN's product equals PyTorch's linear layer in values and gradients, up to float32 rounding."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from infogan import products
from infogan.products import has_onednn_product, linear, product

pytestmark = pytest.mark.skipif(not has_onednn_product(), reason="this PyTorch has no oneDNN product")
SIZES = st.integers(1, 300)


def with_gradients(layer, inputs_NI: Tensor, weight_OI: Tensor, gradient_NO: Tensor) -> list[Tensor]:
    inputs_NI, weight_OI = inputs_NI.detach().requires_grad_(), weight_OI.detach().requires_grad_()
    outputs_NO = layer(inputs_NI, weight_OI)
    outputs_NO.backward(gradient_NO)
    return [outputs_NO.detach(), inputs_NI.grad, weight_OI.grad]


@given(SIZES, SIZES, SIZES, st.integers(0, 2**31 - 1))
@settings(max_examples=40, deadline=None)
def test_linear_and_its_gradients_against_double_precision(N: int, I: int, O: int, seed: int) -> None:
    draws = torch.Generator().manual_seed(seed)
    inputs, weight, gradient = (torch.randn(*shape, generator=draws) for shape in ((N, I), (O, I), (N, O)))
    found = with_gradients(linear, inputs, weight, gradient)
    exact = with_gradients(F.linear, inputs.double(), weight.double(), gradient.double())
    sizes = with_gradients(F.linear, inputs.double().abs(), weight.double().abs(), gradient.double().abs())
    for ours, true, size in zip(found, exact, sizes, strict=True):
        assert ((ours - true).abs() <= 2e-6 * size).all()  # relative to the terms: a sum may cancel


def test_transposed_and_cut_operands_are_read_as_they_lie() -> None:
    draws = torch.Generator().manual_seed(0)
    a, b = torch.randn(70, 90, generator=draws), torch.randn(70, 50, generator=draws)
    torch.testing.assert_close(product(a.t(), b.t()), a.t() @ b, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(product(a[:, 10:40], a[5:25, 10:40]), a[:, 10:40] @ a[5:25, 10:40].t())


def test_only_the_gradients_that_are_needed_are_computed() -> None:
    inputs, weight = torch.randn(4, 8), torch.randn(6, 8, requires_grad=True)
    linear(inputs, weight).sum().backward()
    assert inputs.grad is None
    assert weight.grad is not None
    frozen = torch.randn(6, 8)
    assert not linear(inputs, frozen).requires_grad


def test_an_operator_that_fails_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> Tensor:
        raise NotImplementedError("no kernel for this processor")

    monkeypatch.setattr(products, "product", fails)
    assert has_onednn_product.__wrapped__() is False


def test_another_precision_is_left_to_pytorch() -> None:
    inputs, weight = torch.randn(4, 8, dtype=torch.float64), torch.randn(6, 8, dtype=torch.float64)
    assert torch.equal(linear(inputs, weight), F.linear(inputs, weight))
