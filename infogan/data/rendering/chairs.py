"""Gray chairs on white, the default of the Chairs experiment. They are symmetric about x = 0 and stand on y = 0.

The unit of length is about the depth of a seat; angles are in radians.
"""

import math
from dataclasses import dataclass

import numpy as np

from infogan.data.rendering.draws import choice, uniform
from infogan.data.rendering.tracer import (
    Array,
    Camera,
    Field,
    Light,
    Points,
    Vector,
    box,
    capsule,
    ellipse,
    extruded,
    picture,
)

FACTORS = ("rotation", "width", "elevation")
RANGES = {
    "rotation": (0.0, 2 * math.pi),  # 0 faces the viewer, pi / 2 the viewer's right
    "width": (0.65, 1.9),  # of the seat, from a narrow chair to a bench
    "elevation": (math.radians(20), math.radians(30)),  # of the camera, one of the two values, as in 3D Chairs
}
SHAPE_CHW = (1, 64, 64)
CODE = ("chairs", "draws", "tracer")

LEGS = ("four", "splayed", "sled", "pedestal", "star", "panel")
BACKS = ("panel", "slats", "ladder", "frame", "oval", "low")
ARMS = ("none", "none", "none", "none", "bar", "bar", "solid")  # 4 : 2 : 1
LOW_BACK = 0.55  # height of a low back, as a share of a full one
_FLARE = 0.14  # how far splayed legs stand out
_CAMERA_DISTANCE, _MARGIN = 7.0, 1.04
_LIGHT: Vector = (-0.3510, 0.6519, 0.6720)  # unit vector, from the upper left


@dataclass(frozen=True)
class Chair:
    """All parameters of an image."""

    rotation: float
    width: float
    elevation: float
    depth: float
    seat_height: float
    seat_thickness: float
    back_height: float
    rake: float  # tangent of the back's tilt
    legs: str
    back: str
    arms: str
    leg_radius: float
    has_cushion: bool
    has_stretcher: bool
    seat_gray: float
    frame_gray: float


def draw(rng: np.random.Generator) -> Chair:
    """Draw the parameters of one image, factors first."""
    return Chair(
        rotation=uniform(rng, *RANGES["rotation"]),
        width=uniform(rng, *RANGES["width"]),
        elevation=choice(rng, RANGES["elevation"]),
        depth=uniform(rng, 0.85, 1.1),
        seat_height=uniform(rng, 0.75, 1.0),
        seat_thickness=uniform(rng, 0.07, 0.16),
        back_height=uniform(rng, 0.9, 1.3),
        rake=uniform(rng, 0.0, 0.25),
        legs=choice(rng, LEGS),
        back=choice(rng, BACKS),
        arms=choice(rng, ARMS),
        leg_radius=uniform(rng, 0.045, 0.075),
        has_cushion=bool(rng.random() < 0.35),
        has_stretcher=bool(rng.random() < 0.35),
        seat_gray=uniform(rng, 0.25, 0.85),
        frame_gray=uniform(rng, 0.15, 0.75),
    )


def render(chair: Chair) -> Array:
    """Render the image, uint8 (1, 64, 64)."""
    seat, frame = seat_field(chair), frame_field(chair)

    def field(x: Array, y: Array, z: Array) -> Array:
        return np.minimum(seat(x, y, z), frame(x, y, z))

    def paint(points: Points, normals: Points) -> tuple[Array, Array]:
        is_seat = seat(*points) <= frame(*points)
        gray = np.where(is_seat, np.float32(chair.seat_gray), np.float32(chair.frame_gray))
        x, y, z = (p + np.float32(0.12) * n for p, n in zip(points, normals, strict=True))
        openness = np.clip(0.45 + 0.55 / 0.12 * field(x, y, z), 0.3, 1)  # ambient occlusion: darker in corners
        return (gray * openness)[:, None], np.full(len(gray), 0.10, np.float32)

    light = Light(_LIGHT, ambient=0.35)
    return picture(field, paint, chair_camera(chair), light, (1.0,), SHAPE_CHW[1], normal_step=0.004)


def chair_camera(chair: Chair) -> Camera:
    """A camera that fits the chair at every rotation: its scale depends on the chair's sizes, not on the rotation."""
    back_height = chair.back_height * (LOW_BACK if chair.back == "low" else 1)
    half_width, half_depth, top = chair.width / 2, chair.depth / 2, chair.seat_height + back_height
    flare = _FLARE if chair.legs == "splayed" else 0.02
    feet_radius = math.hypot(half_width + flare + 0.06, half_depth + flare + 0.06)
    if chair.legs == "star":
        feet_radius = max(feet_radius, 0.62)
    arms_radius = math.hypot(half_width + (0.13 if chair.arms == "solid" else 0.08), half_depth + 0.06)
    back_radius = math.hypot(half_width + 0.06, half_depth + chair.rake * back_height + 0.06)
    rims = ((0.0, feet_radius), (chair.seat_height + 0.48, arms_radius), (top + 0.04, back_radius))
    centre_y = top / 2
    for _ in range(2):  # twice, because perspective shifts the middle when the camera moves
        _, lowest, highest = _reach([(y - centre_y, radius) for y, radius in rims], chair.elevation)
        centre_y += (lowest + highest) / 2 / math.cos(chair.elevation)
    reach = _reach([(y - centre_y, radius) for y, radius in rims], chair.elevation)
    side = half_width + 0.14  # splayed feet and solid arms
    rear = half_depth + max(flare, chair.rake * back_height) + 0.06
    front = max(half_depth + flare + 0.06, 0.6 if chair.legs == "star" else 0)
    bounds = ((-max(side, front), -0.02, -max(rear, front)), (max(side, front), top + 0.04, front))
    half_extent = _MARGIN * max(map(abs, reach))
    return Camera(chair.rotation, chair.elevation, half_extent, _CAMERA_DISTANCE, (0.0, centre_y, 0.0), bounds)


def _reach(circles: list[tuple[float, float]], elevation: float) -> tuple[float, float, float]:
    """Half width, lowest and highest point in the image, in perspective, of horizontal circles (y, radius)."""
    ce, se = math.cos(elevation), math.sin(elevation)
    half_width, lowest, highest = 0.0, math.inf, -math.inf
    for y, radius in circles:
        for k in range(32):
            x, z = radius * math.cos(math.pi * k / 16), radius * math.sin(math.pi * k / 16)
            scale = _CAMERA_DISTANCE / (_CAMERA_DISTANCE - (se * y + ce * z))
            half_width = max(half_width, abs(x) * scale)
            lowest = min(lowest, (ce * y - se * z) * scale)
            highest = max(highest, (ce * y - se * z) * scale)
    return half_width, lowest, highest


def seat_field(chair: Chair) -> Field:
    half_width, half_depth, height = chair.width / 2, chair.depth / 2, chair.seat_height
    is_round = chair.back == "oval" and chair.legs in ("pedestal", "star")

    def seat(x: Array, y: Array, z: Array) -> Array:
        if is_round:
            outline = ellipse(x, z, half_width, half_depth)
            plate = extruded(outline, y - height, chair.seat_thickness / 2, 0.03)
        else:
            plate = box(x, y, z, (0, height, 0), (half_width, chair.seat_thickness / 2, half_depth), 0.02)
        if not chair.has_cushion:
            return plate
        if is_round:
            return np.minimum(plate, extruded(outline + 0.04, y - height - 0.09, 0.09, 0.07))
        sizes = (half_width * 0.94, 0.09, half_depth * 0.94)
        return np.minimum(plate, box(x, y, z, (0, height + 0.09, 0.03), sizes, 0.07))

    return seat


def frame_field(chair: Chair) -> Field:
    """Distance field of legs, arms and back."""

    def frame(x: Array, y: Array, z: Array) -> Array:
        ax, az = np.abs(x), np.abs(z)
        parts = [*_legs(chair, x, y, z, ax, az), *_arms(chair, ax, y, z), *_back(chair, x, y, z, ax)]
        nearest = parts[0]
        for part in parts[1:]:
            nearest = np.minimum(nearest, part)
        return nearest

    return frame


def _legs(chair: Chair, x: Array, y: Array, z: Array, ax: Array, az: Array) -> list[Array]:
    w, d, t = chair.width / 2, chair.depth / 2, chair.leg_radius
    h = chair.seat_height - chair.seat_thickness / 2
    parts: list[Array] = []
    if chair.legs == "four":
        parts = [box(ax, y, az, (w - t, h / 2, d - t), (t, h / 2, t), 0.01)]
    elif chair.legs == "splayed":
        top, foot = (w - 1.6 * t, h, d - 1.6 * t), (w - 1.6 * t + _FLARE, 0.02, d - 1.6 * t + _FLARE)
        parts = [capsule(ax, y, az, top, foot, t, 0.6 * t)]
    elif chair.legs == "sled":
        runner = 0.7 * t
        parts = [
            capsule(ax, y, az, (w - t, h, d - 2 * t), (w - t, t, d - 2 * t), runner),
            capsule(ax, y, az, (w - t, runner, 0), (w - t, runner, d - 2 * t), runner),
        ]
    elif chair.legs == "pedestal":
        parts = [_cylinder(x, y, z, 0, h, 1.3 * t, 0.01), _cylinder(x, y, z, 0, 0.06, 0.95 * min(w, d), 0.02)]
    elif chair.legs == "star":
        parts = [_cylinder(x, y, z, 0.1 * h, h, t, 0.01)]
        for angle in (0.5 * math.pi, 0.1 * math.pi, -0.3 * math.pi):  # five feet: one in front, two mirrored pairs
            foot = (0.52 * math.cos(angle), 0.05, 0.52 * math.sin(angle))
            parts.append(capsule(ax, y, z, (0, 0.16, 0), foot, 0.8 * t, 0.7 * t))
    else:
        parts = [box(ax, y, z, (w - 0.6 * t, h / 2, 0), (0.6 * t, h / 2, d), 0.01)]
    if chair.has_stretcher and chair.legs in ("four", "splayed"):
        parts.append(capsule(ax, y, z, (w - t, 0.4 * h, t - d), (w - t, 0.4 * h, d - t), 0.5 * t))
        parts.append(capsule(ax, y, z, (0, 0.4 * h, 0), (w - t, 0.4 * h, 0), 0.5 * t))
    return parts


def _cylinder(x: Array, y: Array, z: Array, bottom: float, top: float, radius: float, rounding: float) -> Array:
    return extruded(np.sqrt(x * x + z * z) - radius, y - (bottom + top) / 2, (top - bottom) / 2, rounding)


def _arms(chair: Chair, ax: Array, y: Array, z: Array) -> list[Array]:
    w, d, h, t = chair.width / 2, chair.depth / 2, chair.seat_height, chair.leg_radius
    if chair.arms == "bar":
        rest = h + 0.42
        return [
            capsule(ax, y, z, (w, rest, -d), (w, rest, 0.75 * d), 0.8 * t),
            capsule(ax, y, z, (w, rest, 0.7 * d), (w, h, 0.7 * d), 0.7 * t),
        ]
    if chair.arms == "solid":
        return [box(ax, y, z, (w + 0.05, h / 2 + 0.22, 0), (0.08, h / 2 + 0.12, d), 0.04)]
    return []


def _back(chair: Chair, x: Array, y: Array, z: Array, ax: Array) -> list[Array]:
    w, h, t, height = chair.width / 2, chair.seat_height, chair.leg_radius, chair.back_height
    z = z + chair.rake * np.maximum(y - h, 0) + (chair.depth / 2 - t)  # sheared by the rake, to the seat's rear edge
    middle = h + height / 2
    if chair.back in ("panel", "low"):
        half = height / 2 * (LOW_BACK if chair.back == "low" else 1)
        return [box(ax, y, z, (0, h + half, 0), (w, half, 0.8 * t), 0.03)]
    if chair.back == "oval":
        plate = extruded(ellipse(x, y - middle, w, height / 2), z, 0.8 * t, 0.02)
        return [plate, capsule(ax, y, z, (0.4 * w, h, 0), (0.4 * w, middle, 0), 0.6 * t)]
    parts = [
        capsule(ax, y, z, (w - t, h, 0), (w - t, h + height - 0.06, 0), 0.9 * t),
        box(ax, y, z, (0, h + height - 0.06, 0), (w, 0.08, 0.8 * t), 0.02),
    ]
    if chair.back == "slats":
        num = max(2, round(5 * chair.width))
        pitch = 2 * (w - t) / num
        # x relative to the nearest slat; an odd number of slats keeps the back symmetric
        own_x = x - pitch * np.clip(np.round(x * (1 / pitch)), -((num - 1) // 2), (num - 1) // 2)
        parts.append(box(own_x, y, z, (0, middle, 0), (0.22 * pitch, height / 2, 0.4 * t)))
    elif chair.back == "ladder":
        pitch = height / 3.2
        own_y = (y - h - 0.2) - pitch * np.clip(np.round((y - h - 0.2) * (1 / pitch)), 0, 2)
        parts.append(box(ax, own_y, z, (0, 0, 0), (w - t, 0.055, 0.5 * t), 0.01))
    else:
        parts.append(box(ax, y, z, (0, h + 0.22, 0), (w - t, 0.06, 0.6 * t), 0.02))
    return parts
