"""The fused step equals the reference step, and the comparison of the two fails on mutants of the fused step."""

import math
from dataclasses import replace

import pytest
import torch

from infogan.blocks import Block, NetworkSettings
from infogan.objectives import discriminator_loss, generator_loss
from infogan.step import Players, StepSettings, fused_step, metric_names, reference_step
from tests.infogan.steps import (
    ARMS,
    INFOGAN,
    ITERATIONS,
    MUTANTS,
    SPEC,
    STOP_GRADIENT,
    WITHOUT_NOISE,
    ZERO,
    largest_difference,
    mutant,
    state_after,
    trainer,
    without_kinks,
)


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("architecture", ["mnist", "celeba", "faces", "chairs"])
def test_fused_equals_reference_in_double_precision(architecture: str, arm: str) -> None:
    states = [
        state_after(trainer(architecture, ARMS[arm], kind, torch.float64), step, ITERATIONS)
        for kind, step in (("fused", fused_step), ("reference", reference_step))
    ]
    assert largest_difference(*states) < 1e-9


@pytest.mark.parametrize("kernels", ["winograd", "fastest"])
@pytest.mark.parametrize("architecture", ["mnist", "celeba", "faces", "chairs"])
def test_every_formulation_of_the_layers_is_the_same_function(architecture: str, kernels) -> None:
    """The fused step with the CPU's formulations equals the reference step with torch's, in networks wide enough."""
    states = []
    for kind, step, chosen in (("fused", fused_step, kernels), ("reference", reference_step, "torch")):
        network = NetworkSettings(width=0.8 if architecture == "mnist" else 0.4, kernels=chosen)
        run = trainer(architecture, INFOGAN, kind, torch.float64, network)
        formulations = {
            b.kernel
            for p in (run.players.generator, run.players.discriminator)
            for b in p.modules()
            if isinstance(b, Block)
        }
        wanted = {"winograd": {"torch", "winograd"}, "fastest": {"thin", "onednn"}, "torch": {"torch"}}[chosen]
        assert formulations >= wanted
        assert chosen == "fastest" or formulations == wanted
        states.append(state_after(run, step, 2))
    assert largest_difference(*states) < 1e-9


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("kernels", ["torch", "fastest"])
@pytest.mark.parametrize("architecture", ["mnist", "celeba", "faces", "chairs"])
def test_gradients_of_one_iteration_agree_in_single_precision(architecture: str, arm: str, kernels) -> None:
    """D must not learn between the phases: Adam's first update is the sign of a gradient, even of a rounding error."""
    settings = replace(ARMS[arm], learning_rate_discriminator=0.0, learning_rate_q=0.0)
    states = [
        state_after(
            without_kinks(trainer(architecture, settings, kind, torch.float32, NetworkSettings(0.06, kernels=chosen))),
            step,
            1,
        )
        for kind, step, chosen in (("fused", fused_step, kernels), ("reference", reference_step, "torch"))
    ]
    gradients = [{k: v for k, v in state.items() if k.endswith("gradient")} for state in states]
    assert largest_difference(*gradients) < 1e-4


@pytest.mark.parametrize("name", MUTANTS)
def test_equality_fails_on_a_mutant(name: str) -> None:
    mutated = state_after(trainer("mnist", INFOGAN, "fused", torch.float64), MUTANTS[name](), 3)
    reference = state_after(trainer("mnist", INFOGAN, "reference", torch.float64), reference_step, 3)
    assert largest_difference(mutated, reference) > 1e-6


def test_equality_fails_without_the_stop_gradient() -> None:
    mutated = state_after(trainer("mnist", ARMS["gan"], "fused", torch.float64), mutant(STOP_GRADIENT), 3)
    reference = state_after(trainer("mnist", ARMS["gan"], "reference", torch.float64), reference_step, 3)
    assert largest_difference(mutated, reference) > 1e-6


@pytest.mark.parametrize(
    "blind",
    [
        ("players.gan(loss_d)", "loss_d"),
        ("players.gan(loss_g)", "loss_g"),
        ("explained, logits[num:])", "explained, logits[:num])"),
    ],
    ids=["D does not warm up", "G does not warm up", "largest D(real)"],
)
def test_equality_fails_where_a_warm_up_or_the_rule_of_giving_up_is_missed(blind: tuple[str, str]) -> None:
    settings = replace(INFOGAN, warm_up_iterations=2, give_up="authors")
    reference = state_after(trainer("mnist", settings, "reference", torch.float64), reference_step, 3)
    mutated = state_after(trainer("mnist", settings, "fused", torch.float64), mutant(blind), 3)
    assert largest_difference(mutated, reference) > 1e-6
    fused = state_after(trainer("mnist", settings, "fused", torch.float64), fused_step, 3)
    assert largest_difference(fused, reference) < 1e-9


@pytest.mark.parametrize(
    ("settings", "network"),
    [
        (INFOGAN, NetworkSettings(width=0.06, batch_norm_eps=1e-4)),
        (replace(INFOGAN, adam_eps=1e-6), NetworkSettings(width=0.06)),
        (INFOGAN, NetworkSettings(width=0.06, slope=0.11)),
    ],
    ids=["batch-norm eps", "Adam eps", "slope"],
)
def test_equality_fails_on_another_constant(settings: StepSettings, network: NetworkSettings) -> None:
    changed = state_after(trainer("mnist", settings, "fused", torch.float64, network), fused_step, 3)
    reference = state_after(trainer("mnist", INFOGAN, "reference", torch.float64), reference_step, 3)
    assert largest_difference(changed, reference) > 1e-6


def test_arms_differ_in_what_they_say() -> None:
    """`gan` trains G and D as if Q were not there; Q's rate changes Q alone; in `gan-shared` D learns from L_I."""
    runs = {arm: state_after(trainer("mnist", ARMS[arm], "fused", torch.float64), fused_step, 5) for arm in ARMS}
    plain = runs["gan"]
    assert all(torch.equal(plain[k], runs["gan-fast-q"][k]) for k in ("generator", "discriminator"))
    assert not torch.equal(plain["q"], runs["gan-fast-q"]["q"])
    assert not torch.equal(plain["discriminator"], runs["gan-shared"]["discriminator"])


def test_step_reports_the_bound_of_the_fresh_latents_before_the_update() -> None:
    run = trainer("mnist", INFOGAN, "fused", torch.float64)
    twin = trainer("mnist", INFOGAN, "fused", torch.float64)
    images = run.scaled(run.images_NCHW[run.batches.next()])
    metrics = dict(zip(metric_names(SPEC), fused_step(run.players, images).tolist(), strict=True))
    latents = twin.players.sample(len(images))
    d = twin.players.discriminator
    parameters = d.q_of(twin.players.generator(latents.inputs_NZ))
    expected = SPEC.bounds_nats(parameters, latents.values).tolist()
    assert [metrics["mi/c1"], metrics["mi/c2"]] == pytest.approx(expected, rel=1e-9)
    assert set(metrics) == {"loss/discriminator", "loss/generator", "mi/c1", "mi/c2", "explained/c2"}


def test_a_separate_q_is_the_same_in_both_steps_and_leaves_the_trunk_to_d() -> None:
    network = NetworkSettings(width=0.06, q_network="separate")
    states = {
        (arm, kind): state_after(trainer("mnist", ARMS[arm], kind, torch.float64, network), step, 5)
        for arm in ("infogan", "gan-shared")
        for kind, step in (("fused", fused_step), ("reference", reference_step))
    }
    for arm in ("infogan", "gan-shared"):
        assert largest_difference(states[arm, "fused"], states[arm, "reference"]) < 1e-9
    plain = state_after(trainer("mnist", ARMS["gan"], "fused", torch.float64), fused_step, 5)
    for player in ("generator", "discriminator"):  # a separate Q does not train D, so G and D are a plain GAN's
        assert torch.allclose(states["gan-shared", "fused"][player], plain[player], rtol=0, atol=1e-12)


def test_q_that_learns_with_g_leaves_the_trunk_to_d() -> None:
    """After one iteration D is that of a plain GAN, and Q's gradient comes from G's phase."""
    run = state_after(trainer("mnist", ARMS["Q learns with G"], "fused", torch.float64), fused_step, 1)
    plain = state_after(trainer("mnist", ARMS["gan"], "fused", torch.float64), fused_step, 1)
    assert torch.allclose(run["discriminator"], plain["discriminator"], rtol=0, atol=1e-12)
    assert float(run["q gradient"].norm()) > 0
    assert not torch.allclose(run["q gradient"], plain["q gradient"])
    with pytest.raises(ValueError, match="nothing else trains Q"):
        trainer("mnist", replace(ARMS["Q learns with G"], mi_weight_generator=ZERO), "fused", torch.float32)


@pytest.mark.parametrize("blind", WITHOUT_NOISE.values(), ids=WITHOUT_NOISE)
def test_equality_fails_where_an_image_is_seen_without_its_noise(blind: tuple[str, str]) -> None:
    network = NetworkSettings(width=0.06, q_network="separate")
    settings = ARMS["instance noise"]
    mutated = state_after(trainer("mnist", settings, "fused", torch.float64, network), mutant(blind), 3)
    reference = state_after(trainer("mnist", settings, "reference", torch.float64, network), reference_step, 3)
    assert largest_difference(mutated, reference) > 1e-6
    fused = state_after(trainer("mnist", settings, "fused", torch.float64, network), fused_step, 3)
    assert largest_difference(fused, reference) < 1e-9


def test_instance_noise_has_its_standard_deviation_and_leaves_a_run_without_it_alone() -> None:
    players = trainer("mnist", ARMS["instance noise"], "fused", torch.float32).players
    images = torch.rand(64, 1, 28, 28)
    noise = players.seen(images) - images
    assert float(noise.std()) == pytest.approx(0.1, rel=0.02)
    assert abs(float(noise.mean())) < 0.003
    without = trainer("mnist", INFOGAN, "fused", torch.float32).players
    before = without.latents.get_state()
    assert without.seen(images) is images
    assert torch.equal(without.latents.get_state(), before)


def test_tiny_bounds_the_losses_where_the_logits_do_not() -> None:
    logits = torch.tensor([-50.0, 0.0, 3.0], dtype=torch.float64)
    assert float(generator_loss(logits[:1])) == pytest.approx(50.0)
    assert float(generator_loss(logits[:1], 1e-8)) == pytest.approx(8 * math.log(10), rel=1e-6)
    moderate = logits[1:]
    for exact, tiny in (
        (generator_loss(moderate), generator_loss(moderate, 1e-8)),
        (discriminator_loss(moderate, -moderate), discriminator_loss(moderate, -moderate, 1e-8)),
    ):
        assert float(tiny) == pytest.approx(float(exact), rel=1e-6)


def test_one_weight_per_code_is_required() -> None:
    with pytest.raises(ValueError, match="one value for each of 2 codes"):
        trainer("mnist", replace(INFOGAN, mi_weight_generator=(1.0,)), "fused", torch.float32)


def test_players_share_the_optimisers_of_the_paper() -> None:
    players: Players = trainer("mnist", ARMS["infogan-fast-q"], "fused", torch.float32).players
    rates = [group["lr"] for group in players.optimizer_discriminator.param_groups]
    assert rates == [2e-4, 1e-3]
    in_d = {id(p) for group in players.optimizer_discriminator.param_groups for p in group["params"]}
    assert in_d == {id(p) for p in players.discriminator.parameters()}
