"""Factor readers read what they learned, are reproducible, come from the cache, and show when they disagree."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from infogan.data import Dataset, Part
from infogan.data.base import make_dataset
from infogan.measures.catalogue import FACTORS
from infogan.measures.factors import readers as R
from infogan.measures.factors.kinds import KINDS, Factor, describe_factors
from infogan.measures.factors.reader_network import FactorReader, Recipe
from infogan.measures.factors.readers import ReaderSet, factor_readers, vector_correlation

QUICK = Recipe(iterations=200, max_epochs=40, width=8)
FEW = replace(QUICK, iterations=3)
NAMES = ("azimuth", "glasses", "rotation", "style")


def drawn(factors_NF: np.ndarray) -> np.ndarray:
    """Draw a bar at the azimuth, a square for glasses and bars for the style in the corners, and a hand that turns."""
    azimuth, glasses, rotation, style = (torch.from_numpy(column)[:, None, None] for column in factors_NF.T)
    y, x = torch.meshgrid(torch.linspace(-1, 1, 24), torch.linspace(-1, 1, 24), indexing="ij")
    bar = torch.exp(-(((x - 0.7 * azimuth) / 0.15) ** 2)) * (y > 0.5)
    square = ((x < -0.6) & (y < -0.6)) * glasses
    hand = torch.exp(-((x - 0.35 * rotation.cos()) ** 2 + (y + 0.2 - 0.35 * rotation.sin()) ** 2) / 0.02)
    shade = ((x > 0.6) & (y < -0.6)) * (style / 2)
    return ((bar + square + hand + shade).clamp(0, 1) * 255).byte().numpy()[:, None]


def part(num: int, seed: int) -> Part:
    rng = np.random.default_rng(seed)
    columns = [
        rng.uniform(-1, 1, num),
        rng.integers(2, size=num),
        rng.uniform(0, 6.283, num),
        rng.integers(3, size=num),
    ]
    factors = np.stack(columns, axis=1).astype(np.float32)
    return Part(drawn(factors), factors=factors)


@pytest.fixture(scope="module")
def drawings() -> Dataset:
    return make_dataset("drawings", "test", "", False, part(800, 0), part(200, 1), NAMES)


@pytest.fixture(scope="module")
def trained(drawings: Dataset) -> ReaderSet:
    return factor_readers(drawings, QUICK)


def images_of(dataset: Dataset) -> Tensor:
    return torch.from_numpy(dataset.test.images).float() / 255


def same(a: ReaderSet, b: ReaderSet) -> bool:
    pairs = zip(a.readers, b.readers, strict=True)
    return all(torch.equal(v, y.state_dict()[n]) for x, y in pairs for n, v in x.state_dict().items())


def column(values: list[float]) -> np.ndarray:
    return np.array(values, np.float32)[:, None]


def one(name: str, values: list[float]) -> Factor:
    (factor,) = describe_factors((name,), column(values))
    return factor


def test_kinds_come_from_the_table_and_else_from_the_values() -> None:
    assert one("rotation", [0, 1, 2, 6]).kind == "periodic"
    assert one("elevation", [0.35, 0.52, 0.35]).kind == "binary"  # a chair's
    assert one("elevation", [0.1, 0.2, 0.3]).kind == one("azimuth", [-1, 0, 1]).kind == "continuous"
    assert one("Smiling", [0, 1, 1]).kind == "binary"
    assert one("floor", [3, 1, 7]).kind == "classes"
    assert one("floor", [3, 1, 7]).values == (1, 3, 7)
    assert one("age", list(range(30))).kind == one("digit", list(range(30))).kind == "continuous"
    assert one("glasses", [0, 0.3, 0.7]).kind == "continuous"
    assert describe_factors(("a", "b"), np.array([[1, 2], [1, 3]]))[0].name == "b"
    assert set(KINDS) == set(FACTORS)
    assert all(kind in FACTORS[name] for name, kind in KINDS.items())


def test_a_few_outliers_do_not_stretch_the_range() -> None:
    factor = one("azimuth", [*np.linspace(-1, 1, 1000), 50.0])
    assert (factor.low, factor.high) == pytest.approx((-0.99, 0.99), abs=0.01)


def test_all_kinds_are_read_off_images_never_seen(trained: ReaderSet, drawings: Dataset) -> None:
    assert [factor.kind for factor in trained.factors] == ["continuous", "binary", "periodic", "classes"]
    assert trained.score("azimuth") > 0.97
    assert trained.score("rotation") > 0.97
    assert trained.score("glasses") > 0.99
    assert trained.score("style") > 0.97
    assert all(len(scores) == 4 for scores in trained.held_out.values())
    each = trained.each(images_of(drawings))
    assert min(trained.agreement(each).values()) > 0.95
    read, true = trained.read(images_of(drawings)), drawings.test.factors
    angle = trained.factors[2].scalar(read["rotation"])
    assert np.abs(np.exp(1j * angle) - np.exp(1j * true[:, 2])).mean() < 0.25
    assert np.linalg.norm(read["rotation"], axis=1) == pytest.approx(1)
    assert read["style"].sum(axis=1) == pytest.approx(1)
    assert np.mean(trained.factors[3].scalar(read["style"]) == true[:, 3]) == trained.score("style")


def test_a_blurred_image_reads_much_the_same(trained: ReaderSet, drawings: Dataset) -> None:
    images = images_of(drawings)
    blurred = torch.nn.functional.avg_pool2d(torch.nn.functional.pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
    assert R.explained(trained.read(images)["azimuth"], trained.read(blurred)["azimuth"]) > 0.95


def test_readings_do_not_depend_on_the_batch(trained: ReaderSet, drawings: Dataset) -> None:
    images = images_of(drawings)
    alone, together = trained.read(images[3:4]), trained.read(images)
    for name in NAMES:
        assert alone[name][0] == pytest.approx(together[name][3], abs=1e-5)
    with pytest.raises(RuntimeError, match="eval mode only"):
        FactorReader((1, 24, 24), trained.factors, 4).components(images)


def test_they_come_from_the_cache_and_damage_means_training_anew(
    trained: ReaderSet, drawings: Dataset, monkeypatch, tmp_path
) -> None:
    monkeypatch.setattr(R, "train", lambda *_: pytest.fail("trained again"))
    assert same(factor_readers(drawings, QUICK), trained)
    monkeypatch.undo()
    monkeypatch.setenv("INFOGAN_CACHE", str(tmp_path))
    first = factor_readers(drawings, FEW, 2)
    files = sorted((tmp_path / "readers").iterdir())
    assert len(files) == 2
    content = files[0].read_bytes()
    for damage in (b"", content[:200], content[:500] + bytes(100) + content[600:], b"not a file of torch"):
        files[0].write_bytes(damage)
        assert same(factor_readers(drawings, FEW, 2), first)
    files[0].unlink()
    torch.set_num_threads(2)
    try:
        assert same(factor_readers(drawings, FEW, 2), first)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert not same(factor_readers(drawings, replace(FEW, seed=7), 2), first)


def test_readers_that_say_different_things_do_not_agree(trained: ReaderSet, drawings: Dataset) -> None:
    images = images_of(drawings)
    each = trained.each(images)
    each[1] = {name: np.random.default_rng(0).permutation(values) for name, values in each[1].items()}
    assert max(trained.agreement(each).values()) < 0.3
    blank = trained.each(torch.zeros(10, 1, 24, 24))
    assert max(trained.agreement(blank).values()) == 0


def test_vector_correlation_is_what_its_kinds_are() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 500, 1))
    assert vector_correlation(a, 3 * b + a) == pytest.approx(np.corrcoef(a[:, 0], (3 * b + a)[:, 0])[0, 1])
    states = rng.integers(4, size=500)
    other = np.where(rng.random(500) < 0.8, states, rng.integers(4, size=500))
    one_hot, other_hot = np.eye(4)[states], np.eye(4)[other]
    observed, chance = (states == other).mean(), (one_hot.mean(0) * other_hot.mean(0)).sum()
    assert vector_correlation(one_hot, other_hot) == pytest.approx((observed - chance) / (1 - chance), abs=0.01)
    assert vector_correlation(one_hot, np.eye(4)[(states + 1) % 4]) < 0  # Cramer's V would be 1
    assert vector_correlation(one_hot, one_hot * 0) == 0


def test_data_that_cannot_train_them_is_refused(drawings: Dataset) -> None:
    train, test = drawings.train, drawings.test
    assert train.factors is not None

    def few(of: Part, num: int) -> Part:
        assert of.factors is not None
        return Part(of.images[:num], factors=of.factors[:num])

    one_broken = test.factors.copy()
    one_broken[7, 1] = np.nan
    cases = [
        (replace(drawings, train=Part(train.images)), "drawings have none"),
        (replace(drawings, train=few(train, 63)), "needs 64 training images, drawings has 63"),
        (replace(drawings, test=few(test, 5)), "needs 20 held-out images, drawings has 5"),
        (replace(drawings, train=replace(train, factors=train.factors * 0)), "every factor of drawings is constant"),
        (replace(drawings, train=replace(train, factors=train.factors * np.nan)), "not finite in training images"),
        (
            replace(drawings, test=replace(test, factors=one_broken)),
            f"factor {NAMES[1]} of drawings is not finite in held",
        ),
    ]
    for dataset, message in cases:
        with pytest.raises(ValueError, match=message):
            factor_readers(dataset, FEW)
