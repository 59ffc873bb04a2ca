"""The throughput gate decides by its rule, the yardsticks compute what they claim, and the record holds it all.

No test here asserts a time, but for the slow one at the end, which shows that the gate does.
"""

import json
import math
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from bench.throughput import command, gate, paired, session, suite
from bench.throughput.as_commonly_written import AsCommonlyWritten
from bench.throughput.ceiling import direct_flops, executed_flops
from bench.throughput.command import BadOption, Options
from bench.throughput.plain import PlainGan, plain_step
from bench.throughput.workloads import NETWORKS, VARIANTS, Workload, iteration, trainer
from infogan.networks import BatchNorm
from infogan.step import Players, reference_step
from infogan.training import Trainer

ROOT = Path(__file__).parents[2]
SMALL = Workload("mnist", batch_size=8, width=0.05)
FOUR = (10, 20, 30, 40)


def logs(ratio: float, spread: float = 0.03, num: int = 40, seed: int = 0) -> list[float]:
    return np.random.default_rng(seed).normal(math.log(ratio), spread, num).tolist()


# ---- the decision


@pytest.mark.parametrize(
    ("ratio", "spread", "expected"),
    [
        (1.0, 0.03, "ok"),
        (0.7, 0.03, "ok"),
        (1.03, 0.03, "ok"),  # slower, but by less than the tolerance, and the margin is excluded
        (1.12, 0.03, "regressed"),
        (1.0, 0.6, "inconclusive"),
        (1.12, 0.6, "inconclusive"),
    ],
)
def test_outcome_of_a_ratio_of_ratios(ratio: float, spread: float, expected: str) -> None:
    outcome, found = gate.compare_log_ratios(logs(0.8, spread), logs(0.8 * ratio, spread, seed=1))
    assert outcome == expected
    assert found.ratio == pytest.approx(ratio, rel=4 * spread / math.sqrt(40))


def test_a_shift_of_ten_per_cent_is_measured_exactly() -> None:
    base = logs(0.8)
    _, found = gate.compare_log_ratios(base, [value + math.log(1.1) for value in base])
    assert found.ratio == pytest.approx(1.1)


def test_a_regression_on_either_clock_is_one_and_the_first_clock_says_ok() -> None:
    same, slower, wild = logs(0.8, seed=1), logs(0.92, seed=1), logs(0.8, 0.9, seed=1)
    base = {"processor": logs(0.8), "wall": logs(0.8)}
    outcomes = {
        ("same", "same"): "ok",
        ("same", "wild"): "ok",
        ("wild", "same"): "inconclusive",
        ("same", "slower"): "regressed",
        ("slower", "same"): "regressed",
    }
    values = {"same": same, "slower": slower, "wild": wild}
    for (processor, wall), expected in outcomes.items():
        new: gate.LogRatios = {"processor": values[processor], "wall": values[wall]}
        assert gate.compare(base, new, ("processor", "wall")).outcome == expected, (processor, wall)


def test_processor_time_counts_on_one_thread_of_a_cpu_only() -> None:
    assert gate.clocks("cpu", 1) == ("processor", "wall")
    assert gate.clocks("cpu", 2) == ("wall",)
    assert gate.clocks("cuda", 1) == ("wall",)


def a_record(log_ratios: list[float], **fingerprint: object) -> dict:
    comparison = {"log_ratios": {"processor": log_ratios, "wall": log_ratios}, "alpha": 0.0125}
    machine = {
        "protocol": gate.PROTOCOL, "cpu": "X", "instructions": "AVX2", "cores": 2, "threads": 1, "device": "cpu",
        "gpu": None, "torch": "2.14.1",
    }  # fmt: skip
    measurement = {"workload": SMALL.record(), "comparisons": {"reference": comparison}}
    return {
        "format": session.FORMAT,
        "kind": "paired",
        "fingerprint": machine | fingerprint,
        "measurements": [measurement],
    }


@pytest.mark.parametrize("changed", [{"cpu": "Y"}, {"cores": 4}, {"threads": 2}, {"torch": "2.15.0"}, {"gpu": "Z"}])
def test_another_machine_is_inconclusive_and_the_difference_named(changed: dict[str, object]) -> None:
    new = a_record(logs(0.8))
    verdict = gate.against(a_record(logs(0.8), **changed), new["fingerprint"], new["measurements"][0])
    ((name, value),) = changed.items()
    assert verdict.outcome == "inconclusive"
    assert f"{name}: {value!r}, now" in verdict.reason


def test_another_workload_is_inconclusive() -> None:
    new = a_record(logs(0.8))
    new["measurements"][0]["workload"]["batch_size"] = 16
    verdict = gate.against(a_record(logs(0.8)), new["fingerprint"], new["measurements"][0])
    assert (verdict.outcome, verdict.ratios) == ("inconclusive", {})


def test_against_the_same_machine_the_logs_decide() -> None:
    for ratio, expected in ((0.8, "ok"), (0.9, "regressed")):
        new = a_record(logs(ratio, seed=1))
        assert gate.against(a_record(logs(0.8)), new["fingerprint"], new["measurements"][0]).outcome == expected


def test_the_worst_outcome_of_several_networks_decides() -> None:
    assert gate.worst(["ok", "ok"]) == "ok"
    assert gate.worst(["ok", "inconclusive"]) == "inconclusive"
    assert gate.worst(["inconclusive", "regressed", "ok"]) == "regressed"
    assert {gate.EXIT[o] for o in ("ok", "regressed", "inconclusive")} == {0, 1, 3}


# ---- measuring


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


# ---- the yardsticks


def in_double_precision(workload: Workload, latents: str = "fresh", weight_discriminator: float = 1.0) -> Trainer:
    run = trainer(workload, "reference")
    settings = replace(
        run.config.step,
        latents=latents,
        mi_weight_discriminator=(weight_discriminator,) * len(run.config.latents.codes),
        learning_rate_generator=1e-3,
        learning_rate_discriminator=2e-4,
        learning_rate_q=2e-4,
    )
    return Trainer(replace(run.config, step=settings, dtype=torch.float64), run.images_NCHW, seed=0)


def batch(run: Trainer) -> Tensor:
    return run.scaled(run.images_NCHW[run.batches.next()])


@pytest.mark.parametrize("network", NETWORKS)
def test_the_plain_loop_is_the_reference_step(network: str) -> None:
    runs = [in_double_precision(replace(SMALL, network=network)) for _ in range(2)]
    for run, step in zip(runs, (plain_step, reference_step), strict=True):
        for _ in range(3):
            losses = step(run.players, batch(run))[:2]
        assert torch.isfinite(losses).all()
    for part in ("generator", "discriminator"):
        own, reference = (list(getattr(run.players, part).parameters()) for run in runs)
        assert all(torch.allclose(a, b, rtol=0, atol=1e-9) for a, b in zip(own, reference, strict=True))


class _NormPerFeature(nn.Module):
    """The library's batch norm of a reshaped linear layer, in the place of the ports' one per channel."""

    def __init__(self, norm: BatchNorm, spatial: int) -> None:
        super().__init__()
        self.norm, self.spatial = norm, spatial

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x.permute(0, 2, 3, 1).flatten(1))
        return x.unflatten(1, (self.spatial, self.spatial, -1)).permute(0, 3, 1, 2)


def copy_weights(source: nn.Module, target: nn.Sequential) -> None:
    """The library's blocks into the ports' layers: a linear layer's columns and rows are in (H, W, C) order."""
    modules = iter(enumerate(target))
    blocks = list(source.children()) if isinstance(source, nn.Sequential) else [source]
    for block in blocks:
        op, norm = (block.op, block.norm) if hasattr(block, "op") else (block, None)
        layer = next(m for _, m in modules if isinstance(m, nn.Conv2d | nn.ConvTranspose2d))
        weight = op.weight.detach()
        if isinstance(op, nn.Linear):
            side = layer.kernel_size[0]
            if isinstance(layer, nn.ConvTranspose2d):
                weight = weight.view(side, side, -1, weight.shape[1]).permute(3, 2, 0, 1)
            else:
                weight = weight.view(weight.shape[0], side, side, -1).permute(0, 3, 1, 2)
        layer.weight.data.copy_(weight)
        if op.bias is not None:
            layer.bias.data.copy_(op.bias.detach())
        if norm is None:
            continue
        index, own = next((i, m) for i, m in modules if isinstance(m, nn.BatchNorm2d))
        if len(norm.weight) == own.num_features:
            own.weight.data.copy_(norm.weight.detach())
            own.bias.data.copy_(norm.bias.detach())
        else:
            twin = BatchNorm(len(norm.weight), norm.eps).to(weight.dtype)
            twin.load_state_dict(norm.state_dict())
            target[index] = _NormPerFeature(twin, layer.kernel_size[0])


def gradients(modules: list[nn.Module]) -> list[float]:
    """Norm of each parameter's gradient: does not depend on how a weight is laid out."""
    return [float(p.grad.norm()) for module in modules for p in module.parameters() if p.grad is not None]


@pytest.mark.parametrize("network", NETWORKS)
def test_the_common_way_is_the_reference_step_where_the_algorithm_is_the_same(network: str) -> None:
    """D without L_I, G's phase on D's fake batch, per-feature batch norm swapped in: then losses and gradients agree,
    and what D learns. Q learns in the other phase, and is left out."""
    run, twin = (in_double_precision(replace(SMALL, network=network), "reused", 0.0) for _ in range(2))
    common = AsCommonlyWritten(network, run.players, SMALL.width)
    g, d, n = run.players.generator, run.players.discriminator, common.networks
    copy_weights(g.body, n.generator)
    copy_weights(d.body, n.trunk)
    copy_weights(d.d_head, n.d_head)
    copy_weights(nn.Sequential(*d.q_hidden, d.q_out), n.q_head)
    images = batch(run)
    before = [p.detach().clone() for p in n.trunk.parameters()]
    loss_d, loss_g = common.step(images.contiguous())
    twin_players: Players = twin.players
    metrics = reference_step(twin_players, images)
    assert loss_d == pytest.approx(float(metrics[0]), rel=1e-9)
    common_g = gradients([n.generator])
    assert common_g == pytest.approx(gradients([twin_players.generator.body]), rel=1e-6)
    moved = [float((p.detach() - q).norm()) for p, q in zip(n.trunk.parameters(), before, strict=True)]
    reference_moved = [
        float((p - q).detach().norm())
        for p, q in zip(twin_players.discriminator.body.parameters(), d.body.parameters(), strict=True)
    ]
    assert moved == pytest.approx(reference_moved, rel=1e-6)
    assert math.isfinite(loss_g)


def test_the_plain_gan_has_no_codes_and_leaves_q_alone() -> None:
    run = trainer(SMALL, "fused")
    gan = PlainGan(run.players)
    q = [p.clone() for p in run.players.discriminator.q_parameters()]
    body = [p.clone() for p in run.players.discriminator.body.parameters()]
    assert torch.isfinite(gan.step(batch(run))).all()
    assert gan._noise(5).shape == (5, run.players.spec.input_width)
    assert all(torch.equal(a, b) for a, b in zip(q, run.players.discriminator.q_parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(body, run.players.discriminator.body.parameters(), strict=True))


# ---- arithmetic


@pytest.mark.parametrize("network", NETWORKS)
def test_the_counted_operations_are_those_of_the_tables(network: str) -> None:
    """But for the first layer's gradient for its input, which D's own phase does not need."""
    workload = Workload(network, batch_size=4, width=0.25)
    for variant in ("fused", "reference"):
        counted = executed_flops(iteration(variant, workload))
        assert counted == pytest.approx(direct_flops(workload), rel=0.03)


def test_winograd_convolutions_execute_fewer_operations() -> None:
    direct = executed_flops(iteration("fused", Workload("mnist", batch_size=32)))
    winograd = executed_flops(iteration("fused", Workload("mnist", batch_size=32, convolutions="winograd")))
    assert 0.7 * direct < winograd < 0.9 * direct


# ---- command and record


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few, short blocks: these tests are about what is written."""
    monkeypatch.setattr(paired, "WARM_UP_S", 0.0)
    monkeypatch.setattr(paired, "BLOCK_S", 0.0)
    monkeypatch.setattr(paired, "LOOKS", (6,))
    monkeypatch.setattr(session, "YARDSTICK_LOOKS", (6,))
    monkeypatch.setattr("bench.throughput.ceiling.SIZES", {"cpu": 64})


QUICK = Options(networks="mnist,faces", batch_size=4, width=0.03, convolutions="direct", device="cpu")


@pytest.mark.usefixtures("quick")
def test_the_record_holds_log_ratios_shares_and_the_machine(tmp_path: Path) -> None:
    console = Console(record=True, width=200)
    assert command.throughput(tmp_path, QUICK, console) == 0
    record = json.loads((tmp_path / "throughput" / "paired.json").read_text())
    assert [m["workload"]["network"] for m in record["measurements"]] == ["mnist", "faces"]
    assert set(gate.SAME_MACHINE) == set(record["fingerprint"])
    assert record["fingerprint"]["threads"] == 1
    assert set(record["load"]) == {"before", "after"}
    for measurement in record["measurements"]:
        assert set(measurement["comparisons"]) == {"reference", "plain", "plain_gan", "as_commonly_written"}
        for comparison in measurement["comparisons"].values():
            for clock in paired.CLOCKS:
                values, ratio = comparison["log_ratios"][clock], comparison["ratio"][clock]
                assert ratio["num"] == len(values) == 6
                assert ratio["ratio"] == pytest.approx(math.exp(np.median(values)), rel=1e-5)
        ceiling = measurement["ceiling"]
        rate = ceiling["matrix_gflops_per_s"]
        ms = measurement["ceiling"]["time_ratio"]["step_ms"]["processor"]
        assert ceiling["direct"]["share"] == pytest.approx(ceiling["direct_gflop"] / rate / ms * 1e3, rel=0.9)
        assert ceiling["executed_gflop"] == pytest.approx(ceiling["direct_gflop"], rel=0.1)
    text = console.export_text()
    assert text.count("step_time_ratio") == 2
    assert "GFLOP direct" in text
    assert "GFLOP executed" in text
    assert str(ROOT) not in json.dumps(record)


@pytest.mark.usefixtures("quick")
def test_against_a_record_of_another_machine_ends_with_3(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    file.write_text(json.dumps(a_record(logs(0.8))))
    console = Console(record=True, width=200)
    options = replace(QUICK, networks="mnist", against=file)
    assert command.throughput(tmp_path, options, console) == 3
    assert "inconclusive mnist: the baseline is another machine's: cpu: 'X', now" in console.export_text()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("ratio", "code"), [(1000.0, 0), (1e-3, 1)])
def test_against_a_record_of_this_machine_the_outcome_is_the_exit_code(tmp_path: Path, ratio: float, code: int) -> None:
    here = session.fingerprint("cpu")
    baseline = a_record(logs(ratio), **here)
    baseline["measurements"][0]["workload"] = Workload("mnist", 4, 0.03).record()
    file = tmp_path / "baseline.json"
    file.write_text(json.dumps(baseline))
    options = replace(QUICK, networks="mnist", against=file)
    assert command.throughput(tmp_path, options, Console(quiet=True)) == code


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(networks="mnits"), "unknown network 'mnits'.*did you mean 'mnist'"),
        (Options(convolutions="fast"), "unknown convolutions 'fast'.*choose from direct, winograd, fastest"),
        (Options(width=0.0), "--width must be above 0"),
        (Options(threads=1000), "--threads 1000 is more than the"),
        (Options(device="tpu"), "unknown device 'tpu'"),
        (Options(suite=True, against=Path("x.json")), "leave out --suite"),
        (Options(against=Path("missing.json")), "missing.json: No such file"),
    ],
)
def test_a_wrong_option_is_one_line(tmp_path: Path, options: Options, message: str) -> None:
    with pytest.raises(BadOption, match=message) as caught:
        command.throughput(tmp_path, options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not a record"),
        ('{"kind": "suite", "format": 1}', "not a record"),
        ('{"kind": "paired", "format": 1, "fingerprint": {}, "measurements": []}', "incomplete"),
    ],
)
def test_a_file_that_is_no_baseline_is_refused(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "b.json"
    file.write_text(content)
    with pytest.raises(session.BadBaseline, match=message):
        session.read_baseline(file)


def test_bad_use_ends_with_2_through_the_command_line(tmp_path: Path) -> None:
    arguments = ["throughput", "--networks", "dcgan", "--results", str(tmp_path / "new")]
    run = subprocess.run(
        [sys.executable, "-m", "bench", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (run.returncode, len(run.stderr.strip().splitlines())) == (2, 1)
    assert "unknown network 'dcgan'" in run.stderr
    assert not (tmp_path / "new").exists()


# ---- the suite


def test_the_suite_measures_every_step_and_each_network_it_names() -> None:
    cases = suite.cases("cpu", 2)
    assert {case.workload.network for case in cases} == {"mnist", "chairs", "svhn", "celeba"}
    assert {case.workload.batch_size for case in cases if case.workload.network == "mnist"} == {32, 128}
    assert {step for case in cases for step in case.steps} <= set(VARIANTS)
    assert {case.threads for case in cases} == {1, 2}
    assert all(case.threads == 1 for case in suite.cases("cpu", 1))
    assert all(case.workload.convolutions == "direct" for case in suite.cases("cuda", 8))


@pytest.mark.usefixtures("quick")
def test_a_case_gives_a_row_a_step_a_table_and_a_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.report.figures import draw_throughput

    monkeypatch.setattr(suite, "ROUNDS", 2)
    rows = []
    for size in (2, 4):
        rows += suite.measure_case(suite.Case(Workload("mnist", size, 0.03)), random.Random(0))
    assert [row["step"] for row in rows[:5]] == list(suite.STEPS)
    assert all(row["of_fused"] == 1 for row in rows if row["step"] == "fused")
    table = suite.to_csv(rows).splitlines()
    assert table[0] == ",".join(suite.COLUMNS)
    assert len(table) == 11
    drawing = draw_throughput({"rows": rows})
    assert drawing is not None
    assert drawing.svg.lstrip().startswith(b"<?xml")
    assert drawing.png.startswith(b"\x89PNG")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_blocks_wait_for_the_device() -> None:
    """Without waiting, a large product would seem to take the microseconds of its launch."""
    product = torch.randn(4096, 4096, device="cuda")

    def multiply() -> Tensor:
        return product @ product

    pairs = paired.measure(multiply, lambda: None, lambda _: True, looks=(5,), synchronise=session.synchroniser("cuda"))
    assert min(pairs.a_s["wall"]) > 2 * 4096**3 / 2e15


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_gate_finds_a_slowdown_of_ten_per_cent_and_no_other() -> None:
    """A short version of ``python -m bench.throughput.proof``, whose counts are in NOTES.md."""
    from bench.throughput.proof import prove

    counts = prove(3, 3)
    assert counts["A/A"]["regressed"] == 0
    assert counts["slower by 10 %"]["regressed"] >= 2
