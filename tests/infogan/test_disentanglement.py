"""Disentanglement scores on representations whose scores are known."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from infogan.codes import Categorical, Continuous, LatentSpec, Noise
from infogan.measures.factors import disentanglement as D
from infogan.measures.factors.disentanglement import (
    CodeOutput,
    Scores,
    factor_vae,
    probability_code,
    scores,
    value_code,
)
from infogan.measures.factors.kinds import Factor, describe_factors

NAMES = ("azimuth", "lighting", "width")
RNG = np.random.default_rng(0)
TRUE_NF = RNG.uniform(-1, 1, (1000, 3))
FACTORS = describe_factors(NAMES, TRUE_NF)
VALUES = list(zip(FACTORS, TRUE_NF.T, strict=True))
NUMBERS = ("mig", "sap", "dci_disentanglement", "dci_completeness", "dci_informativeness")


def of(columns_NL: np.ndarray, values: list[tuple[Factor, np.ndarray]] = VALUES) -> Scores:
    return scores([value_code(column) for column in columns_NL.T], values, seed=0)


def test_a_perfect_representation_scores_near_1_whatever_its_scale_and_order() -> None:
    noisy = np.column_stack([5 - 3 * TRUE_NF[:, 2], TRUE_NF[:, 0], 0.1 * TRUE_NF[:, 1], RNG.normal(size=1000)])
    result = of(noisy)
    assert result.reasons == {}
    for name in NUMBERS:
        assert 0.9 < result.numbers()[name] <= 1, name


def test_a_constant_one_scores_0() -> None:
    assert of(np.ones((1000, 4))).numbers() == dict.fromkeys(NUMBERS, 0.0)


def test_a_duplicated_code_leaves_no_gap_but_is_informative() -> None:
    result = of(np.column_stack([TRUE_NF, TRUE_NF]))
    assert result.mig == pytest.approx(0, abs=1e-9)
    assert result.sap == pytest.approx(0, abs=1e-9)
    assert result.dci_disentanglement > 0.9
    assert 0.3 < result.dci_completeness < 0.8  # two codes share each factor: 1 - log 2 / log 6 = 0.61 at an even share
    assert result.dci_informativeness > 0.9


def test_a_rotated_one_is_informative_and_entangled() -> None:
    """R^2 of a code and a factor is the square of the rotation's entry, so the gaps are 1/6, 1/6 and 1/3."""
    rotation = np.array([[1, 1, 1], [1, -1, 0], [1, 1, -2]]) / np.sqrt([[3], [2], [6]])
    true = np.random.default_rng(1).uniform(-1, 1, (6000, 3))
    result = of(true @ rotation.T, list(zip(FACTORS, true.T, strict=True)))
    assert result.sap == pytest.approx(2 / 9, abs=0.04)
    assert result.mig < 0.2
    assert max(result.dci_disentanglement, result.dci_completeness) < 0.6
    assert result.dci_informativeness > 0.7


def test_shuffled_factors_score_what_bias_gives() -> None:
    order = RNG.permutation(1000)
    result = of(TRUE_NF, [(f, v[order]) for f, v in VALUES])
    assert max(result.mig, result.sap, result.dci_informativeness) < 0.06
    assert result.dci_disentanglement < 0.3


def test_categories_have_no_order_and_count_as_one_code() -> None:
    """One code names ten parts of the azimuth in a random order, another tells whether there are glasses."""
    parts = np.random.default_rng(1).permutation(10)[((TRUE_NF[:, 0] + 1) * 5).astype(int)]
    glasses = RNG.integers(2, size=1000).astype(np.float64)
    names = np.column_stack([TRUE_NF[:, 0], glasses])
    values = list(zip(describe_factors(("azimuth", "glasses"), names), names.T, strict=True))
    codes = [probability_code(np.eye(10)[parts]), probability_code(np.eye(10)[glasses.astype(int) * 3])]
    result = scores(codes, values, seed=0)
    for name in NUMBERS:
        assert result.numbers()[name] > 0.88, name


def test_an_angle_is_known_by_its_direction() -> None:
    true = np.column_stack([RNG.uniform(0, 2 * np.pi, 1000), TRUE_NF[:, 0]])
    factors = describe_factors(("rotation", "width"), true)
    values = list(zip(factors, true.T, strict=True))
    read = {"rotation": factors[0].components(true[:, 0]), "width": true[:, 1:]}
    result = scores(D.reader_codes(read, values), values, seed=0)
    for name in NUMBERS:
        assert result.numbers()[name] > 0.9, name


def test_what_an_experiment_has_too_few_codes_or_factors_for_is_not_defined() -> None:
    single = of(TRUE_NF[:, :1])
    assert single.mig is single.sap is single.dci_completeness is None
    assert single.dci_informativeness == pytest.approx(1 / 3, abs=0.05)
    assert "needs two, there is 1" in single.reasons["mig"]
    one_factor = of(TRUE_NF, VALUES[:1])
    assert one_factor.dci_disentanglement is None
    assert one_factor.mig > 0.9
    for values in ([(f, v[:30]) for f, v in VALUES], [(f, v * 0) for f, v in VALUES]):
        few = of(TRUE_NF[: len(values[0][1])], values)
        assert few.numbers() == {}
        assert set(few.reasons) == set(NUMBERS)


def test_same_seed_same_scores() -> None:
    assert of(TRUE_NF) == of(TRUE_NF)


def drawn(factor: int, rng: np.random.Generator, num: int = 64) -> np.ndarray:
    values = rng.uniform(-1, 1, (num, 3))
    values[:, factor] = values[0, factor]
    return values


def test_factor_vae_names_the_factor_that_was_fixed() -> None:
    reference = [value_code(column) for column in TRUE_NF.T]

    def perfect(factor: int, rng: np.random.Generator) -> list[CodeOutput]:
        return [value_code(column) for column in drawn(factor, rng).T]

    def blind(_: int, rng: np.random.Generator) -> list[CodeOutput]:
        return [value_code(column) for column in rng.uniform(-1, 1, (64, 3)).T]

    assert factor_vae(perfect, reference, 3, np.random.default_rng(0)).score == 1
    guessed = factor_vae(blind, reference, 3, np.random.default_rng(0), num_votes=600)
    assert guessed.score == pytest.approx(1 / 3, abs=0.1)
    assert (guessed.low, guessed.high) == pytest.approx(proportion_confint(round(300 * guessed.score), 300))
    assert guessed.low < 1 / 3 < guessed.high
    collapsed = [value_code(np.zeros(1000))]
    assert factor_vae(perfect, collapsed, 3, np.random.default_rng(0)) is None
    assert factor_vae(perfect, reference, 1, np.random.default_rng(0)) is None

    def with_a_dead_code(factor: int, rng: np.random.Generator) -> list[CodeOutput]:
        return [value_code(np.zeros(64)), *perfect(factor, rng)]

    assert factor_vae(with_a_dead_code, [*collapsed, *reference], 3, np.random.default_rng(0)).score == 1


def proportion_confint(num_right: int, num: int) -> tuple[float, float]:
    """Wilson's interval written out."""
    z, share = 1.959963984540054, num_right / num
    centre, half = share + z**2 / (2 * num), z * np.sqrt(share * (1 - share) / num + z**2 / (4 * num**2))
    return (centre - half) / (1 + z**2 / num), (centre + half) / (1 + z**2 / num)


@pytest.mark.parametrize(("num_perfect", "num_random"), [(3, 0), (5, 0), (10, 0), (4, 6)])
def test_perfect_codes_of_discrete_factors_score_1(num_perfect: int, num_random: int) -> None:
    """Also beside codes without information. Trees that see the square root of the codes give 0.56 to 0.98."""
    rng = np.random.default_rng(0)
    true = rng.integers([2 + k % 5 for k in range(num_perfect)], size=(1000, num_perfect)).astype(np.float64)
    factors = describe_factors([f"factor {k}" for k in range(num_perfect)], true)
    codes = [*true.T, *rng.normal(size=(num_random, 1000))]
    result = scores([value_code(code) for code in codes], list(zip(factors, true.T, strict=True)), seed=0)
    for name in ("dci_disentanglement", "dci_completeness", "dci_informativeness"):
        assert result.numbers()[name] > 0.99, name


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_what_is_not_finite_is_named_and_nothing_is_measured(broken: float) -> None:
    values = VALUES[2][1].copy()
    values[[3, 500]] = broken
    of_factor = of(TRUE_NF, [*VALUES[:2], (FACTORS[2], values)])
    codes = TRUE_NF.copy()
    codes[7, 1] = broken
    of_code = of(codes)
    for result, words in ((of_factor, "factor width is not finite in 2 of 1000"), (of_code, "code 2 of 3 is not")):
        assert result.numbers() == {}
        assert set(result.reasons) == set(NUMBERS)
        assert all(words in reason for reason in result.reasons.values())


class KnownQ(nn.Module):
    """Returns the pixels of an "image" as Q's parameters."""

    def q_of(self, images_NCHW: Tensor) -> Tensor:
        return images_NCHW.flatten(1)


def test_q_is_represented_by_its_means_and_probabilities() -> None:
    spec = LatentSpec(Noise(1), (Categorical(3), Continuous()))
    images = torch.tensor([[0.0, 9.0, 0.0, 0.7, -1.0], [1.0, 0.0, 0.0, -0.2, 3.0]])[:, None, None]
    kind, value = D.q_codes(KnownQ(), spec, images)
    assert kind.columns_NM.sum(axis=1) == pytest.approx(1)
    assert kind.states_N.tolist() == [1, 0]
    assert value.columns_NM[:, 0] == pytest.approx([0.7, -0.2])


def test_a_factor_of_one_quantile_state_is_left_out_of_the_gap() -> None:
    """Nineteen of twenty images have the lowest value: the factor varies, but its quantile states do not."""
    rare = np.where(np.arange(1000) % 20 == 0, np.linspace(1, 2, 1000), 0.0)
    factors = describe_factors((*NAMES, "rare"), np.column_stack([TRUE_NF, rare]))
    columns = np.column_stack([TRUE_NF, rare])
    result = of(columns, list(zip(factors, columns.T, strict=True)))
    assert result.mig == pytest.approx(of(columns).mig)
    alone = of(columns, [(factors[-1], rare)])
    assert alone.mig is None
    assert "more than one state" in alone.reasons["mig"]
