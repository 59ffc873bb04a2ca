"""The family "factors" on generators whose images are known functions of the latents."""

import json
import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_mutual_info_score
from torch import Tensor

from infogan.data import Dataset, Part
from infogan.measures.catalogue import FAMILIES, QUANTITIES
from infogan.measures.factors import family as M
from infogan.measures.factors.categories import (
    category_order,
    factor_states,
    information,
    omega_squared,
    score_categories,
)
from infogan.measures.factors.kinds import describe_factors
from infogan.measures.factors.readers import ReaderSet, factor_readers
from infogan.measures.factors.sweeps import NUM_COLUMNS, factor_change, sweep_positions, turning
from infogan.measures.trained import Measured
from tests.infogan.drawings import (
    NAMES,
    RECIPE,
    KnownGenerator,
    cell,
    drawn_dataset,
)

AZIMUTH, GLASSES, ROTATION, TILT = describe_factors(
    NAMES,
    np.column_stack([np.linspace(-1, 1, 400), np.arange(400) % 2, np.linspace(0, 6, 400), np.linspace(0, 1, 400)]),
)


@pytest.fixture(scope="module")
def drawings() -> Dataset:
    return drawn_dataset()


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("NUM_SAMPLES", 400), ("SELECTION_ROWS", 16), ("SCORING_ROWS", 32)):
        monkeypatch.setattr(M, name, value)
    monkeypatch.setattr(M, "factor_readers", partial(factor_readers, recipe=RECIPE))


@pytest.fixture(scope="module")
def measured(drawings: Dataset) -> Measured:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(M, "factor_readers", partial(factor_readers, recipe=RECIPE))
        patch.setattr(M, "NUM_SAMPLES", 400)
        patch.setattr(M, "SELECTION_ROWS", 16)
        patch.setattr(M, "SCORING_ROWS", 32)
        return M.measure_factors(cell(drawings))


def test_a_code_that_is_a_factor_takes_it_over_its_whole_range(measured: Measured) -> None:
    v, details = measured.values, measured.details["factors"]["azimuth"]
    assert details["code"] == "c2"
    assert v["azimuth_reader_score"] > 0.97
    assert v["azimuth_reader_agreement"] > 0.95
    assert v["azimuth_first_order"] == pytest.approx(1, abs=0.1)
    assert v["azimuth_total"] == pytest.approx(1, abs=0.1)
    assert v["azimuth_range_share"] == pytest.approx(1, abs=0.1)
    assert (v["azimuth_sign"], v["azimuth_sign_share"]) == (1, 1)
    assert v["azimuth_specificity"] > 4
    assert v["azimuth_over_noise"] > 20
    assert abs(v["azimuth_noise_first_order"]) < 0.02
    assert v["azimuth_noise_range_share"] < 0.1
    assert v["azimuth_outside"] < 0.1
    assert v["azimuth_information"] < 0.05
    assert v["azimuth_span"] < 0.2


def test_a_code_that_turns_half_a_turn_is_followed_across_the_wrap(measured: Measured) -> None:
    v = measured.values
    assert measured.details["factors"]["rotation"]["code"] == "c3"
    assert v["rotation_first_order"] == pytest.approx(1, abs=0.1)
    assert v["rotation_degrees"] == pytest.approx(180, abs=12)
    assert v["rotation_range_share"] == pytest.approx(0.5, abs=0.04)
    assert v["rotation_sign"] == -1
    assert v["rotation_monotone"] > 0.8
    assert v["rotation_resultant"] > 0.97
    assert v["rotation_flips"] == 0


def test_categories_that_wear_glasses_are_found(measured: Measured) -> None:
    v, details = measured.values, measured.details["factors"]["glasses"]
    assert details["category_code"] == "c1"
    assert v["glasses_information"] > 0.9
    assert v["glasses_category_first_order"] == pytest.approx(1, abs=0.1)
    assert v["glasses_highest"] > 0.9
    assert v["glasses_lowest"] < 0.1
    assert v["glasses_omega_squared"] > 0.8
    assert v["glasses_span"] > 0.8
    assert v["glasses_noise_information"] < 0.1
    assert abs(v["glasses_first_order"]) < 0.05
    assert abs(details["random_categories"]["information"]) < 0.1


def test_a_factor_that_only_noise_moves_is_the_nulls(measured: Measured) -> None:
    """Its name is not in the catalogue, so everything is in the details."""
    numbers = measured.details["factors"]["tilt"]["numbers"]
    assert measured.details["factors"]["tilt"]["noise_dimension"] == "z1"
    assert numbers["noise_first_order"] == pytest.approx(1, abs=0.1)
    assert numbers["noise_range_share"] > 0.9
    assert numbers["over_noise"] < 0.1
    assert numbers["noise_information"] > 0.45  # log 4 / log 10 = 0.6 at best
    assert not any(name.startswith("tilt") for name in measured.values)


def test_q_knows_two_of_four_factors(measured: Measured) -> None:
    v = measured.values
    assert v["dci_disentanglement_shuffled"] + 0.1 < v["dci_disentanglement"] < v["dci_disentanglement_ceiling"]
    assert v["dci_informativeness_shuffled"] < 0.1
    assert v["dci_informativeness"] == pytest.approx(0.5, abs=0.12)
    assert v["dci_informativeness_ceiling"] > 0.9
    for name in ("mig", "sap"):
        assert v[f"{name}_shuffled"] < 0.15 < v[name] < v[f"{name}_ceiling"], name


def test_factor_vae_lies_between_its_bias_and_its_ceiling(measured: Measured) -> None:
    """Two varying codes can identify two of four factors: 1/2 is the most that this Q can reach, 1/4 is chance."""
    v = measured.values
    assert v["factor_vae_ceiling"] > 0.9
    assert v["factor_vae"] == 0.5
    assert v["factor_vae_shuffled"] < 0.45


def test_the_ceiling_is_the_renderers_own_sweep_and_the_true_values_cut(measured: Measured) -> None:
    v = measured.values
    assert v["azimuth_ceiling_range_share"] == pytest.approx(1, abs=0.05)
    assert v["rotation_ceiling_degrees"] == pytest.approx(360, abs=10)
    assert v["rotation_ceiling_monotone"] > 0.95
    assert v["rotation_ceiling_resultant"] > 0.97
    assert v["azimuth_ceiling_tau"] == 1
    assert v["azimuth_ceiling_omega_squared"] == pytest.approx(1 - 1 / 16, abs=0.04)  # four parts of a uniform factor
    assert v["glasses_ceiling_information"] > 0.9
    assert v["glasses_ceiling_highest"] > 0.9 > 0.1 > v["glasses_ceiling_lowest"]


def test_recorded_images_have_no_ceiling_of_sweeps_and_no_factor_vae(drawings: Dataset) -> None:
    result = M.measure_factors(cell(replace(drawings, controlled=None)))
    assert "azimuth_ceiling_range_share" not in result.values
    assert "azimuth_ceiling_tau" in result.values
    assert "factor_vae" not in result.values
    reason = result.details["disentanglement"][""]["reasons"]["factor_vae"]
    assert reason == "not defined: it needs images of which one factor is fixed, which only a renderer gives"


def test_pictures_are_of_the_codes_that_were_found_in_the_order_that_was_measured(measured: Measured) -> None:
    grids, glasses = measured.grids, measured.details["factors"]["glasses"]
    assert set(grids) == {
        f"{factor}-{latent}"
        for factor, code in (("azimuth", "c2"), ("rotation", "c3"), ("glasses", None))
        for latent in (code or measured.details["factors"]["glasses"]["code"], "noise", "c1")
    }
    assert {grid.shape[:2] for name, grid in grids.items() if name.endswith("c1")} == {(5, 4)}
    assert {grid.shape for name, grid in grids.items() if not name.endswith("c1")} == {(5, 10, 24, 24, 1)}
    bar_K = grids["azimuth-c2"][0, :, 20:, :, 0].mean(axis=1).argmax(axis=1)
    assert (np.diff(bar_K.astype(int)) > 0).all()  # from left to right
    wears_RK = grids["glasses-c1"][:, :, 1, 1, 0]
    assert (wears_RK == [0, 0, 255, 255]).all()
    assert sorted(glasses["category_order"][2:]) == [2, 3]


def test_all_numbers_are_finite_and_in_the_catalogue(measured: Measured) -> None:
    assert measured.values.keys() <= FAMILIES["factors"].keys()
    assert all(type(value) is float and math.isfinite(value) for value in measured.values.values())
    assert "NaN" not in json.dumps(measured.details)
    given = measured.details["factors"]
    for name in ("azimuth", "glasses", "rotation"):
        assert {f"{name}_{what}" for what in given[name]["numbers"]} <= measured.values.keys()


def test_a_name_of_two_families_means_the_same() -> None:
    for numbers in FAMILIES.values():
        for name, quantity in numbers.items():
            other = QUANTITIES[name]
            assert (quantity.words, quantity.unit, quantity.decimals) == (other.words, other.unit, other.decimals)


def test_same_cell_same_numbers(measured: Measured, drawings: Dataset) -> None:
    again = M.measure_factors(cell(drawings))
    assert again.values == measured.values
    assert again.details == measured.details


def test_readers_that_disagree_measure_nothing(drawings: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    readers = factor_readers(drawings, RECIPE)
    untrained = factor_readers(drawings, replace(RECIPE, iterations=1), num_readers=1)
    mixed = ReaderSet((*readers.readers[:2], *untrained.readers), readers.factors, (), readers.held_out)
    monkeypatch.setattr(M, "factor_readers", lambda _: mixed)
    result = M.measure_factors(cell(drawings))
    for name in NAMES:
        details = result.details["factors"][name]
        assert "the readers agree to" in details["reason"]
        assert all(
            name in ("reader_score", "reader_agreement", "outside") or name.startswith("ceiling_")
            for name in details["numbers"]
        )
    assert "azimuth_first_order" not in result.values


def test_a_generator_that_varies_nothing_measures_nothing(drawings: Dataset) -> None:
    class Blank(KnownGenerator):
        def forward(self, inputs_NZ: Tensor) -> Tensor:
            return torch.zeros(len(inputs_NZ), 1, 24, 24)

    result = M.measure_factors(cell(drawings, generator=Blank()))
    assert all("reason" in details for details in result.details["factors"].values())
    assert "NaN" not in json.dumps(result.details)


def test_data_without_usable_factors_measure_nothing_and_say_why(drawings: Dataset) -> None:
    train = drawings.train
    assert train.factors is not None
    cases = {
        "no known factors": Part(train.images),
        "every factor of drawings is constant": replace(train, factors=train.factors * 0),
        "needs 64 training images": Part(train.images[:10], factors=train.factors[:10]),
    }
    for reason, broken in cases.items():
        result = M.measure_factors(cell(replace(drawings, train=broken)))
        assert result.values == {}
        assert reason in result.details["reason"]


def test_information_is_the_share_of_the_factors_entropy() -> None:
    rng = np.random.default_rng(0)
    categories = rng.integers(10, size=4000)
    assert information(categories, categories) == pytest.approx(1)
    assert information(categories, categories % 2) == pytest.approx(1)  # a symmetric NMI would be 0.46
    assert information(categories, rng.integers(10, size=4000)) == pytest.approx(0, abs=0.01)
    half = np.where(rng.random(4000) < 0.5, categories, rng.integers(10, size=4000))
    assert 0.15 < information(categories, half) < 0.35
    assert information(categories, categories * 0) is None
    pairs = categories // 5, half  # the factor has more entropy than the code
    assert information(*pairs) == pytest.approx(adjusted_mutual_info_score(*pairs, average_method="max"))


def test_omega_squared_is_the_share_between_categories() -> None:
    rng = np.random.default_rng(0)
    categories = rng.integers(4, size=4000)
    noise = rng.normal(size=4000) * math.sqrt(1.25)  # the variance of 0, 1, 2, 3
    assert omega_squared(categories, categories + noise) == pytest.approx(0.5, abs=0.03)
    assert omega_squared(categories, noise) == pytest.approx(0, abs=0.005)
    assert omega_squared(categories, categories.astype(float)) == pytest.approx(1)
    assert omega_squared(categories, np.ones(4000)) == 0


def test_categories_run_from_less_to_more_and_unseen_ones_come_last() -> None:
    categories_N = np.array([2, 2, 0, 0, 3, 3])
    order = category_order(AZIMUTH, categories_N, np.array([[0.5, 0.7, -1, -0.8, 0.1, 0.1]]).T, 4)
    assert order == [0, 3, 2, 1]
    angles = np.array([3.0, 3.2, 6.1, 6.4, 0.2, 0.3])  # 6.25 is just before a whole turn
    assert category_order(ROTATION, categories_N, ROTATION.components(angles), 4) == [3, 2, 0, 1]
    one_of_three = replace(AZIMUTH, kind="classes", values=(0.0, 1.0, 2.0))
    likely = np.array([[0, 0.4, 0.6], [0, 0.4, 0.6], [0, 0, 1], [0, 0, 1], [1, 0, 0], [1, 0, 0]])
    assert category_order(one_of_three, categories_N, likely, 4) == [3, 0, 2, 1]


def test_ordered_categories_are_scored_on_the_other_half() -> None:
    rng = np.random.default_rng(0)

    def half(effect: float) -> tuple[np.ndarray, np.ndarray]:
        categories = rng.integers(10, size=2000)
        return categories, (effect * (categories / 4.5 - 1) + 0.05 * rng.normal(size=2000))[:, None]

    score = score_categories(AZIMUTH, half(0.5), half(0.5), 10)
    assert score.tau == pytest.approx(1)
    assert score.span == pytest.approx(1 / (AZIMUTH.high - AZIMUTH.low), abs=0.03)
    assert score.omega_squared > 0.9
    nulls = [score_categories(AZIMUTH, half(0), half(0), 10) for _ in range(20)]
    assert np.mean([null.span for null in nulls]) == pytest.approx(0, abs=0.005)
    assert np.mean([null.tau for null in nulls]) == pytest.approx(0, abs=0.2)
    states = factor_states(AZIMUTH, np.array([[-9.0], [AZIMUTH.low + 1e-6], [0.001], [9.0]]))
    assert states.tolist() == [0, 0, 5, 9]


def angles(per_unit: float, offset_R: np.ndarray) -> np.ndarray:
    angle_N = (offset_R[:, None] + per_unit * sweep_positions()).ravel()
    return np.stack([np.cos(angle_N), np.sin(angle_N)], axis=1)


def test_turning_knows_a_full_turn_an_offset_and_a_flip() -> None:
    full = turning(ROTATION, angles(math.pi, np.full(50, 0.3)))
    assert (full.degrees, full.monotone, full.resultant, full.flips) == pytest.approx((360, 1, 1, 0), abs=0.01)
    assert full.slope_degrees == pytest.approx(180, abs=1)
    assert full.error_degrees == pytest.approx(0, abs=1e-6)
    both = np.concatenate([angles(s * math.pi / 4, np.zeros(25)) for s in (1, -1)])
    assert turning(ROTATION, both).degrees == pytest.approx(0, abs=1e-6)
    assert turning(ROTATION, both).error_degrees == pytest.approx(90 / math.sqrt(49))  # 25 rows at 90, 25 at -90
    spread = turning(ROTATION, angles(-math.pi / 2, np.linspace(0, 2 * math.pi, 50, endpoint=False)))
    assert (spread.degrees, spread.monotone) == pytest.approx((180, 1))
    assert spread.resultant < 0.01  # the code does not say which angle, only how far
    flipped = angles(0.5, np.zeros(50)).reshape(50, NUM_COLUMNS, 2)
    flipped[:10, 20] *= -1
    assert turning(ROTATION, flipped.reshape(-1, 2)).flips == pytest.approx(0.2)


def test_changes_are_in_units_of_the_range() -> None:
    rising = np.tile(np.linspace(AZIMUTH.low, AZIMUTH.high, NUM_COLUMNS), 10)[:, None]
    change = factor_change(AZIMUTH, rising)
    assert (change.share, change.moved, change.sign, change.share_of_sign) == pytest.approx((1, 1, 1, 1))
    against = rising.copy()
    against[: 4 * NUM_COLUMNS] *= -1
    change = factor_change(AZIMUTH, against)
    assert (change.share, change.moved, change.share_of_sign) == pytest.approx((0.2, 1, 0.6))
    (classes,) = describe_factors(("digit",), np.arange(20.0)[:, None] % 3)
    swap = np.tile(np.eye(3)[[0] * 20 + [2] * 21], (10, 1))
    assert factor_change(classes, swap).share == factor_change(classes, swap).moved == 1
