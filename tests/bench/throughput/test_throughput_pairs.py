"""Interleaved pairs: when they end, in which order they run, and that a block waits for the device."""

import random

import pytest
import torch
from torch import Tensor

from bench.throughput import paired, session
from infogan.runtime import gpu_products

FOUR = (10, 20, 30, 40)


def test_pairs_are_measured_until_they_decide_and_alpha_is_shared_among_the_looks() -> None:
    seen: list[int] = []

    def decided(pairs: paired.Pairs) -> bool:
        seen.append(len(pairs))
        return len(pairs) >= 20

    pairs = paired.measure(lambda: None, lambda: None, decided, looks=FOUR, block_s=1e-5)
    assert seen == [10, 20]
    assert len(pairs) == len(pairs.log_ratios("processor")) == 20
    assert pairs.alpha == pytest.approx(paired.ALPHA / len(FOUR))


def test_both_of_a_pair_come_first_about_equally_often() -> None:
    order: list[str] = []
    paired.measure(
        lambda: order.append("a"), lambda: order.append("b"), lambda _: True, looks=(40,), block_s=0.0,
        rng=random.Random(1),
    )  # fmt: skip
    firsts = order[-80::2]
    assert sorted(order[-80:]) == ["a"] * 40 + ["b"] * 40
    assert 10 <= firsts.count("a") <= 30


def test_callables_that_take_turns_share_their_blocks_until_every_pair_is_decided() -> None:
    order: list[str] = []
    calls = {name: (lambda name=name: order.append(name)) for name in "abc"}
    wanted = [("a", "b"), ("a", "c"), ("c", "b")]
    answers = iter([True, False, True, True, True])  # the second pair needs one look more
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paired, "WARM_UP_S", 0.0)
        patch.setattr(paired, "BLOCK_S", 0.0)
        pairs = paired.turns(calls, wanted, lambda _: next(answers), looks=(5, 10, 15))
    assert [len(pairs[names]) for names in wanted] == [10, 10, 10]
    assert all(sorted(order[-3 * n : len(order) - 3 * n + 3]) == ["a", "b", "c"] for n in range(1, 11))
    assert pairs["a", "b"].a_s is pairs["a", "c"].a_s
    assert pairs["a", "b"].b_s is pairs["c", "b"].b_s
    assert pairs["a", "b"].alpha == pytest.approx(paired.ALPHA / 3)


def test_a_block_is_synchronised_at_both_ends() -> None:
    events: list[str] = []
    block = paired._Block(lambda: events.append("call"), 0.0, lambda: events.append("wait"))
    events.clear()
    block.time()
    assert events == ["wait", "call", "wait"]


def test_a_ratio_is_that_of_the_medians_logs() -> None:
    pairs = paired.Pairs()
    for clock in paired.CLOCKS:
        pairs.a_s[clock], pairs.b_s[clock] = [0.5, 1.0, 8.0, 1.0, 1.0], [1.0, 2.0, 4.0, 2.0, 2.0]
    ratio = pairs.ratio("wall")
    assert (ratio.ratio, ratio.low, ratio.high) == pytest.approx((0.5, 0.5, 2.0))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_blocks_wait_for_the_device() -> None:
    """Without waiting, a large product would appear to take only the microseconds of its launch."""
    product = torch.randn(4096, 4096, device="cuda")

    def multiply() -> Tensor:
        return product @ product

    pairs = paired.measure(multiply, lambda: None, lambda _: True, looks=(5,), synchronise=session.synchroniser("cuda"))
    assert min(pairs.a_s["wall"]) > 2 * 4096**3 / 2e15


def test_steps_that_are_called_by_themselves_are_exact_on_a_gpu() -> None:
    """By PyTorch's default, convolutions round to TF32, so a row labelled float32 would be wrong."""
    with gpu_products("tf32"):
        session.prepare("cuda", 1)
        found = (torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision)  # type: ignore[attr-defined]
    assert found == ("ieee", "ieee")
    assert torch.get_num_threads() == 1
