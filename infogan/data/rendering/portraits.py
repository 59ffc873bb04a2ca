"""Coloured heads with hair, glasses and emotion, the default of the CelebA experiment.

Units of lengths and angles are those of :mod:`infogan.data.rendering.heads`.
"""

from dataclasses import dataclass

import numpy as np

from infogan.data.rendering.draws import bell, choice, uniform
from infogan.data.rendering.heads import EYE_WHITE, Head, HeadColours, Identity, draw_identity, head_camera
from infogan.data.rendering.tracer import (
    Array,
    Field,
    Light,
    Points,
    capsule,
    direction,
    ellipsoid,
    picture,
    smooth_max,
    smooth_min,
)

FACTORS = ("azimuth", "glasses", "hair", "emotion")
RANGES = {
    "azimuth": (-0.8, 0.8),  # radians; positive: looks to the viewer's right
    "glasses": (0.0, 1.0),  # 0 without, 1 with
    "hair": (0.0, 5.0),  # 0 none; else the index in HAIR_STYLES plus an amount from 0 to 1
    "emotion": (-1.0, 1.0),  # from stern (brows and corners of the mouth down) to a smile with teeth
}
SHAPE_CHW = (3, 32, 32)
CODE = ("draws", "heads", "portraits", "tracer")

HAIR_STYLES = ("none", "short", "bangs", "long", "big")  # in order of the amount of hair
GLASSES_SHARE = 0.35
Colour = tuple[float, float, float]
SKINS: tuple[Colour, ...] = (
    (0.96, 0.80, 0.69),
    (0.90, 0.70, 0.56),
    (0.78, 0.57, 0.42),
    (0.60, 0.41, 0.29),
    (0.42, 0.28, 0.20),
)
HAIR_COLOURS: tuple[Colour, ...] = (
    (0.07, 0.06, 0.06),
    (0.25, 0.15, 0.08),
    (0.45, 0.28, 0.14),
    (0.85, 0.70, 0.38),
    (0.55, 0.22, 0.10),
    (0.62, 0.62, 0.62),
)
TEETH: Colour = (0.93, 0.93, 0.90)
GLASSES_FRAME: Colour = (0.03, 0.03, 0.04)


@dataclass(frozen=True)
class Portrait:
    """All parameters of an image."""

    azimuth: float
    glasses: float
    hair: float
    emotion: float
    elevation: float
    light_azimuth: float
    light_elevation: float
    width: float
    identity: Identity
    skin_colour: Colour
    hair_colour: Colour
    shirt_colour: Colour
    background: Colour


def draw(rng: np.random.Generator) -> Portrait:
    """Draw the parameters of one image, factors first."""
    azimuth, glasses = uniform(rng, *RANGES["azimuth"]), float(rng.random() < GLASSES_SHARE)
    style, amount, emotion = choice(rng, tuple(range(5))), float(rng.random()), uniform(rng, *RANGES["emotion"])
    brightness, gray = uniform(rng, 0.92, 1.04), uniform(rng, 0.2, 0.85)
    skin = choice(rng, SKINS)
    return Portrait(
        azimuth=azimuth,
        glasses=glasses,
        hair=style + amount if style else 0.0,
        emotion=emotion,
        elevation=uniform(rng, -0.15, 0.15),
        light_azimuth=uniform(rng, -0.9, 0.9),
        light_elevation=uniform(rng, 0.1, 0.6),
        width=uniform(rng, 0.82, 1.22),
        identity=draw_identity(rng),
        skin_colour=(brightness * skin[0], brightness * skin[1], brightness * skin[2]),
        hair_colour=choice(rng, HAIR_COLOURS),
        shirt_colour=(uniform(rng, 0.1, 0.85), uniform(rng, 0.1, 0.85), uniform(rng, 0.1, 0.85)),
        background=(_tinted(rng, gray), _tinted(rng, gray), _tinted(rng, gray)),
    )


def _tinted(rng: np.random.Generator, gray: float) -> float:
    return min(max(gray + bell(rng, 0.08), 0.0), 1.0)


def render(portrait: Portrait) -> Array:
    """Render the image, uint8 (3, 32, 32)."""
    head = Head(portrait.identity, portrait.width, portrait.emotion)
    skin = portrait.skin_colour
    teeth = min(max((portrait.emotion - 0.1) / 0.4, 0.0), 1.0)  # visibility of the teeth in a smile
    colours = HeadColours(
        skin=skin,
        eyebrows=portrait.hair_colour,
        lips=(0.85 * skin[0], 0.52 * skin[1], 0.52 * skin[2]),
        mouth=tuple(0.25 * (1 - teeth) * s + teeth * t for s, t in zip(skin, TEETH, strict=True)),
    )
    parts: list[tuple[Field, Colour]] = [
        (head.skin, skin),
        (head.eyes, (EYE_WHITE, EYE_WHITE, EYE_WHITE)),
        (_shirt, portrait.shirt_colour),
    ]
    style = min(int(portrait.hair), len(HAIR_STYLES) - 1)
    if style > 0:
        parts.append((hair_field(HAIR_STYLES[style], portrait.hair - style, portrait.width), portrait.hair_colour))
    if portrait.glasses >= 0.5:
        parts.append((glasses_field(head), GLASSES_FRAME))
    palette = np.array([colour for _, colour in parts], np.float32)

    def field(x: Array, y: Array, z: Array) -> Array:
        nearest = parts[0][0](x, y, z)
        for part, _ in parts[1:]:
            nearest = np.minimum(nearest, part(x, y, z))
        return nearest

    def paint(points: Points, normals: Points) -> tuple[Array, Array]:
        owner = np.argmin(np.stack([part(*points) for part, _ in parts]), axis=0)
        colours_NC = palette[owner]
        head.paint_features(colours_NC, owner == 0, owner == 1, points, colours)
        return colours_NC, np.where(owner < 2, np.float32(0.12), np.float32(0))  # only skin and eyes shine

    light = Light(direction(portrait.light_azimuth, portrait.light_elevation), ambient=0.40)
    camera = head_camera(portrait.azimuth, portrait.elevation)
    return picture(field, paint, camera, light, portrait.background, SHAPE_CHW[1], normal_step=0.01)


def hair_field(style: str, amount: float, width: float) -> Field:
    """A cap around the skull, cut away at the face, the ears and the nape; ``amount`` ranges from 0 to 1."""
    thickness = 0.04 + 0.09 * amount
    front_line = {"short": 0.66, "bangs": 0.34, "long": 0.60, "big": 0.62}[style] - 0.06 * amount

    def hair(x: Array, y: Array, z: Array) -> Array:
        cap = ellipsoid(x, y, z, (0, 0.32, -0.10), (0.76 * width + thickness, 0.80 + thickness, 0.86 + thickness))
        if style == "big":
            radii = (0.88 * width + 0.22 * amount, 0.82 + 0.04 * amount, 0.90 + 0.12 * amount)
            cap = smooth_min(cap, ellipsoid(x, y, z, (0, 0.30, -0.20), radii), 0.10)
            face = ellipsoid(x, y, z, (0, front_line - 0.80, 0.80), (0.66 * width, 0.80, 0.75))
            return smooth_max(smooth_max(cap, -face, 0.08), -0.36 - y, 0.06)
        if style == "long":
            radii = (0.80 * width + 1.4 * thickness, 1.0 + 0.35 * amount, 0.58 + thickness)
            cap = smooth_min(cap, ellipsoid(x, y, z, (0, -0.25, -0.28), radii), 0.15)
            return smooth_max(cap, smooth_min(z - 0.32, front_line - y, 0.08), 0.05)
        cap = smooth_max(cap, smooth_min(z - 0.22, front_line - y, 0.08), 0.05)
        cap = smooth_max(cap, -0.22 - 0.15 * amount - y, 0.06)
        return smooth_max(cap, smooth_min(z + 0.02, 0.14 - y, 0.05), 0.05)

    return hair


def glasses_field(head: Head) -> Field:
    """Two rings, a bridge and the temples of a pair of glasses."""
    eye_x, eye_y, width = head.eye_x, head.eye_y, head.width

    def glasses(x: Array, y: Array, z: Array) -> Array:
        ax = np.abs(x)
        a, b, c = ax - eye_x, (y - eye_y) * 1.15, z - 0.86 + 0.16 * ax
        ring = np.sqrt(a * a + b * b) - 0.205
        nearest = np.sqrt(ring * ring + c * c) - 0.032
        bridge = capsule(ax, y, z, (0, eye_y + 0.04, 0.88), (eye_x - 0.19, eye_y + 0.04, 0.84), 0.03)
        temples = capsule(ax, y, z, (eye_x + 0.2, eye_y + 0.03, 0.78), (0.80 * width, 0.08, -0.05), 0.03)
        return np.minimum(nearest, np.minimum(bridge, temples))

    return glasses


def _shirt(x: Array, y: Array, z: Array) -> Array:
    return ellipsoid(x, y, z, (0, -1.76, -0.30), (1.25, 0.75, 0.60))
