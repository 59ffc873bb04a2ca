"""Shape properties of drawn bars and ellipses, and of sheared, dilated and shifted real digits."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from infogan import data
from infogan.measures.digits import morphology as M


def real_images(num: int) -> torch.Tensor:
    return torch.from_numpy(data.load("mnist", "embedded").train.images[:num].copy()).float() / 255


def one(image_HW: np.ndarray | torch.Tensor) -> dict[str, float]:
    measured = M.measure(torch.as_tensor(image_HW, dtype=torch.float32)[None, None])
    return {name: float(values[0]) for name, values in measured.items()}


def bar(width: int, height: int, side: int = 40) -> np.ndarray:
    image = np.zeros((side, side), dtype=np.float32)
    top, left = (side - height) // 2, (side - width) // 2
    image[top : top + height, left : left + width] = 1
    return image


def sheared(images_NHW: np.ndarray, shear: float) -> np.ndarray:
    """x += shear * y, y upwards. Each row moves with linear interpolation, which keeps its mass and shifts its mean."""
    H = images_NHW.shape[1]
    result = np.zeros_like(images_NHW)
    for row in range(H):
        shift = shear * ((H - 1) / 2 - row)
        whole, part = math.floor(shift), shift - math.floor(shift)
        for amount, share in ((whole, 1 - part), (whole + 1, part)):
            result[:, row] += share * np.roll(images_NHW[:, row], amount, axis=1)
    return result


def padded(images_NCHW: torch.Tensor, margin: int) -> np.ndarray:
    return np.pad(images_NCHW[:, 0].double().numpy(), ((0, 0), (margin, margin), (margin, margin)))


@given(width=st.integers(2, 12), height=st.integers(2, 30))
@settings(max_examples=40, deadline=None)
def test_a_bar_has_its_size(width: int, height: int) -> None:
    result = one(bar(width, height))
    assert result["width_px"] == pytest.approx(width, abs=1e-4)
    assert result["height_px"] == pytest.approx(height, abs=1e-4)
    assert result["slant"] == pytest.approx(0, abs=1e-6)
    assert result["ink"] == pytest.approx(width * height / 1600, rel=1e-5)


@pytest.mark.parametrize("thickness", [2, 3, 4, 6])
def test_a_long_strokes_thickness_is_known_upright_level_and_diagonal(thickness: int) -> None:
    upright = one(bar(thickness, 38))["thickness_px"]
    assert upright == pytest.approx(thickness, rel=0.06)  # the ends are a little closer to the background
    assert upright < thickness
    assert one(bar(38, thickness))["thickness_px"] == pytest.approx(upright, abs=1e-6)
    y, x = np.mgrid[-30:30, -30:30]
    diagonal = np.clip(thickness / 2 + 0.5 - abs(x - y) / 2**0.5, 0, 1)
    assert one(diagonal)["thickness_px"] == pytest.approx(thickness, rel=0.1)


@pytest.mark.parametrize("degrees", [-60, -30, 0, 20, 45, 80])
def test_the_principal_axis_of_an_ellipse_is_its_angle_from_the_vertical(degrees: float) -> None:
    y, x = np.mgrid[30:-31:-1, -30:31]
    along = x * math.sin(math.radians(degrees)) + y * math.cos(math.radians(degrees))
    across = x * math.cos(math.radians(degrees)) - y * math.sin(math.radians(degrees))
    ellipse = ((along / 25) ** 2 + (across / 8) ** 2 <= 1).astype(np.float32)
    assert one(ellipse)["axis_deg"] == pytest.approx(degrees, abs=0.6)  # because of its pixels


@pytest.mark.parametrize("shear", [-0.7, -0.25, 0.1, 0.5, 1.0])
def test_a_sheared_digit_moves_by_exactly_the_shear(shear: float) -> None:
    images = padded(real_images(100), 20)
    before = M.measure(torch.from_numpy(images)[:, None])
    after = M.measure(torch.from_numpy(sheared(images, shear)).clamp(0, 1)[:, None])
    np.testing.assert_allclose(after["slant"] - before["slant"], shear, atol=1e-5)
    np.testing.assert_allclose(after["height_px"], before["height_px"], atol=1e-4)
    np.testing.assert_allclose(after["ink"], before["ink"], atol=1e-6)
    # the width excludes the slant; what is left is the blur of shifting by fractions of a pixel
    np.testing.assert_allclose(after["width_px"], before["width_px"], atol=1.0)


def test_dilated_strokes_are_thicker_and_eroded_ones_thinner() -> None:
    """A square of three pixels adds 2 pixels to vertical and horizontal strokes, 2 * 2**0.5 to diagonal ones."""
    images = padded(real_images(100), 2)
    dilated = ndimage.grey_dilation(images, size=(1, 3, 3))
    eroded = ndimage.grey_erosion(images, size=(1, 2, 2))
    thickness = [M.measure(torch.from_numpy(x)[:, None])["thickness_px"] for x in (images, dilated, eroded)]
    assert (thickness[1] > thickness[0]).all()
    assert 2 < np.mean(thickness[1] - thickness[0]) < 2 * 2**0.5
    drawn = ~np.isnan(thickness[2])
    assert np.mean(thickness[2][drawn] < thickness[0][drawn]) > 0.95


def test_shifting_and_mirroring_do_what_they_should() -> None:
    images = torch.from_numpy(padded(real_images(50), 6))[:, None]
    base, moved = M.measure(images), M.measure(images.roll((3, -2), dims=(2, 3)))
    for name, values in base.items():
        np.testing.assert_allclose(moved[name], values, atol=1e-4, err_msg=name)
    mirrored = M.measure(images.flip(3))
    np.testing.assert_allclose(mirrored["slant"], -base["slant"], atol=1e-5)
    np.testing.assert_allclose(mirrored["axis_deg"], -base["axis_deg"], atol=1e-3)
    np.testing.assert_allclose(mirrored["width_px"], base["width_px"], atol=1e-4)


def test_a_measurement_does_not_depend_on_its_batch(monkeypatch) -> None:
    images = real_images(30)
    together = M.measure(images)
    monkeypatch.setattr(M, "_CHUNK", 7)
    chunked = M.measure(images)
    alone = one(images[4, 0])
    for name, values in together.items():
        np.testing.assert_allclose(chunked[name], values, rtol=1e-9)
        assert alone[name] == pytest.approx(values[4], rel=1e-9)


def test_images_without_a_stroke_are_counted_and_never_silent() -> None:
    images = real_images(4)
    images[1] = 0
    images[2] = 0.6  # constant
    images[3] = 0
    images[3, 0, 14] = 1  # a single row has no slant
    measured = M.measure(images)
    for name, values in measured.items():
        assert np.isnan(values).tolist() == ([False] * 4 if name == "ink" else [False, True, True, True])


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(0, 1, 28, 28), "at least one"),
        (torch.zeros(2, 3, 28, 28), r"\(N, 1, H, W\)"),
        (torch.full((2, 1, 28, 28), 1.5), r"pixels in \[0, 1\]"),
        (torch.full((2, 1, 28, 28), math.nan), r"pixels in \[0, 1\]"),
    ],
)
def test_an_image_that_is_not_a_digit_is_refused(images: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        M.measure(images)


@given(row=st.integers(0, 27), column=st.integers(0, 27), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_noise_and_lone_pixels_give_numbers_or_none_never_a_warning(row: int, column: int, seed: int) -> None:
    """For anything that an untrained generator draws, all properties are finite, or all except ink are NaN."""
    images = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(seed))
    images[1] = images[1] * 0.01
    images[1, 0, row, column] = 1
    images[2] = (images[2] > 0.995).float()
    measured = M.measure(images)
    for index in range(3):
        finite = {name: bool(np.isfinite(values[index])) for name, values in measured.items()}
        assert finite.pop("ink")
        assert len(set(finite.values())) == 1
    assert np.isnan(measured["slant"]).sum() <= 1


@pytest.mark.parametrize("background", [1 / 255, 0.01])
def test_a_background_that_no_eye_sees_moves_no_property(background: float) -> None:
    """It has no mass in moments and extents; otherwise a dim frame would count as a digit as wide as the image."""
    images = real_images(200)
    plain, lifted = M.measure(images), M.measure(images.clamp(min=background))
    for name in ("slant", "width_px", "height_px", "thickness_px"):
        assert np.nanmean(np.abs(lifted[name] - plain[name])) < 0.1 * np.nanstd(plain[name]), name
