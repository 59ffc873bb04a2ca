"""Bald gray heads on black, the default of the Faces experiment: four factors, with identity as a nuisance.

The unit of length is about half the height of a head; angles are in radians.
"""

from dataclasses import dataclass

import numpy as np

from infogan.data.rendering.draws import bell, uniform
from infogan.data.rendering.tracer import (
    Array,
    Camera,
    Field,
    Light,
    Points,
    capsule,
    direction,
    ellipsoid,
    picture,
    smooth_max,
    smooth_min,
    sphere,
)

FACTORS = ("azimuth", "elevation", "lighting", "width")
RANGES = {
    "azimuth": (-1.3, 1.3),  # positive: looks to the viewer's right
    "elevation": (-0.5, 0.5),  # positive: nods down
    "lighting": (-1.4, 1.4),  # azimuth of the light in the camera's frame, positive from the viewer's right
    "width": (0.82, 1.22),  # of the skull, narrow to wide
}
SHAPE_CHW = (1, 32, 32)
CODE = ("draws", "heads", "tracer")

Colour = tuple[float, ...]  # 0 to 1, one number per channel
EYE_WHITE, PUPIL = 0.92, 0.08
_CAMERA_DISTANCE, _HALF_EXTENT, _CENTRE = 6.0, 1.2, (0.0, 0.02, 0.0)
_BOUNDS = ((-1.30, -1.80, -1.20), (1.30, 1.35, 1.20))  # wide enough for hair and shoulders


@dataclass(frozen=True)
class Identity:
    """What distinguishes heads, besides their width: scales around 1 and offsets around 0."""

    jaw: float = 1.0
    chin: float = 0.0
    cheek: float = 0.0
    nose_length: float = 1.0
    nose_width: float = 1.0
    eye_gap: float = 0.0
    eye_size: float = 1.0
    brow: float = 1.0
    lips: float = 1.0
    ears: float = 1.0
    length: float = 1.0


@dataclass(frozen=True)
class Face:
    """All parameters of an image."""

    azimuth: float
    elevation: float
    lighting: float
    width: float
    light_elevation: float
    gray: float  # skin tone
    identity: Identity


def draw_identity(rng: np.random.Generator) -> Identity:
    return Identity(
        jaw=1 + bell(rng, 0.05),
        chin=bell(rng, 0.025),
        cheek=bell(rng, 0.018),
        nose_length=1 + bell(rng, 0.25),
        nose_width=1 + bell(rng, 0.12),
        eye_gap=bell(rng, 0.010),
        eye_size=1 + bell(rng, 0.05),
        brow=1 + bell(rng, 0.12),
        lips=1 + bell(rng, 0.12),
        ears=1 + bell(rng, 0.09),
        length=1 + bell(rng, 0.045),
    )


def draw(rng: np.random.Generator) -> Face:
    """Draw the parameters of one image: the factors first, each uniform in its range."""
    return Face(
        **{name: uniform(rng, *RANGES[name]) for name in FACTORS},
        light_elevation=uniform(rng, 0.1, 0.4),
        gray=uniform(rng, 0.62, 0.92),
        identity=draw_identity(rng),
    )


def render(face: Face) -> Array:
    """Render the image, uint8 (1, 32, 32)."""
    head = Head(face.identity, face.width, emotion=0.0)
    colours = HeadColours((face.gray,), (0.35 * face.gray,), (0.62 * face.gray,), (0.25 * face.gray,))

    def field(x: Array, y: Array, z: Array) -> Array:
        return np.minimum(head.skin(x, y, z), head.eyes(x, y, z))

    def paint(points: Points, normals: Points) -> tuple[Array, Array]:
        is_eye = head.eyes(*points) < head.skin(*points)
        colours_NC = np.where(is_eye[:, None], np.float32(EYE_WHITE), np.float32(face.gray))
        head.paint_features(colours_NC, ~is_eye, is_eye, points, colours)
        return colours_NC, np.full(len(is_eye), 0.12, np.float32)

    light = Light(direction(face.lighting, face.light_elevation), ambient=0.14)
    camera = head_camera(face.azimuth, face.elevation)
    return picture(field, paint, camera, light, (0.0,), SHAPE_CHW[1], normal_step=0.01)


def head_camera(azimuth: float, elevation: float) -> Camera:
    return Camera(azimuth, elevation, _HALF_EXTENT, _CAMERA_DISTANCE, _CENTRE, _BOUNDS)


@dataclass(frozen=True)
class HeadColours:
    skin: Colour
    eyebrows: Colour
    lips: Colour
    mouth: Colour  # the line between the lips, or the teeth of a smile


class Head:
    """Distance fields of skin and eyes, and the features painted on them. A head is symmetric about x = 0."""

    def __init__(self, identity: Identity, width: float, emotion: float) -> None:
        """``emotion`` ranges from -1 (stern) to 1 (smile)."""
        self.identity, self.width, self.emotion = identity, width, emotion
        self.eye_x, self.eye_y, self.eye_z = 0.29 * width + identity.eye_gap, 0.10, 0.60
        self.eye_radius = 0.135 * identity.eye_size
        self.mouth_half_width = (0.23 + (0.08 if emotion > 0 else 0.02) * emotion) * (0.5 + 0.5 * width)
        self.mouth_curve = 0.16 * emotion / 0.23**2  # its corners go up in a smile
        self.skin: Field = self._skin_field()

    def mouth_y(self, ax: Array) -> Array:
        """Height of the line between the lips at distance ``ax`` from the middle."""
        return (-0.47 * self.identity.length - 0.02 * self.emotion) + self.mouth_curve * np.minimum(ax * ax, 0.08)

    def eyes(self, x: Array, y: Array, z: Array) -> Array:
        return sphere(np.abs(x), y, z, (self.eye_x, self.eye_y, self.eye_z), self.eye_radius)

    def _skin_field(self) -> Field:
        who, width, emotion = self.identity, self.width, self.emotion
        nose_z = 0.785 + 0.13 * who.nose_length
        nostril = 0.065 * who.nose_width
        neck_scale = 0.5 + 0.5 * width

        def skull(x: Array, y: Array, z: Array, ax: Array) -> Array:
            head = ellipsoid(x, y, z, (0, 0.30, -0.08), (0.74 * width, 0.80, 0.86))
            jaw = ellipsoid(x, y, z, (0, -0.30 * who.length, 0.18), (0.54 * width * who.jaw, 0.66 * who.length, 0.58))
            chin = sphere(ax, y, z, (0.07, -0.84 * who.length, 0.50 + who.chin), 0.13)
            cheeks = sphere(ax, y, z, (0.36 * width, -0.13 + 0.03 * emotion, 0.46 + 0.02 * emotion), 0.20 + who.cheek)
            brow = capsule(ax, y, z, (0.10, 0.27, 0.70), (0.46 * width, 0.25, 0.52), 0.085 * who.brow)
            sockets = ellipsoid(ax, y, z, (self.eye_x, self.eye_y, 0.86), (0.20, 0.125, 0.17))
            head = smooth_min(smooth_min(head, jaw, 0.30), chin, 0.20)
            head = smooth_min(smooth_min(head, cheeks, 0.18), brow, 0.12)
            return smooth_max(head, -sockets, 0.10)

        def skin(x: Array, y: Array, z: Array) -> Array:
            ax = np.abs(x)
            head = skull(x, y, z, ax)
            nose = capsule(x, y, z, (0, 0.20, 0.72), (0, -0.19, nose_z), 0.055, 0.095 * who.nose_width)
            head = smooth_min(head, nose, 0.08)
            head = smooth_min(head, sphere(ax, y, z, (0.085 * who.nose_width, -0.22, nose_z - 0.09), nostril), 0.06)
            u = np.maximum(ax - self.mouth_half_width * 0.8, 0)
            v = y - self.mouth_y(ax)
            w = z - 0.70 + (0.30 / width) * ax * ax
            head = smooth_min(head, np.sqrt(u * u + 0.55 * v * v + w * w) - 0.068 * who.lips, 0.06)
            ears = ellipsoid(ax, y, z, (0.745 * width, 0, -0.10), (0.075, 0.21 * who.ears, 0.13))
            neck = capsule(x, y, z, (0, -0.5, -0.15), (0, -1.7, -0.30), 0.40 * neck_scale, 0.46 * neck_scale)
            return smooth_min(smooth_min(head, ears, 0.05), neck, 0.12)

        return skin

    def paint_features(
        self, colours_NC: Array, is_skin: Array, is_eye: Array, points: Points, colours: HeadColours
    ) -> None:
        """Paint eyebrows, lips, mouth, irises and lids over ``colours_NC`` in place."""
        x, y, z = points
        ax, skin = np.abs(x), np.asarray(colours.skin, np.float32)
        is_front = is_skin & (z > 0.3)
        u = ax - self.eye_x
        # the inner ends of a stern brow go down
        tilt = 0.6 * self.emotion if self.emotion < 0 else 0.1 * self.emotion
        brow_y = self.eye_y + 0.215 + 0.06 * self.emotion - tilt * u - 0.35 * u * u
        is_brow = (np.abs(y - brow_y) < 0.052 * self.identity.brow) & (np.abs(u) < 0.19)
        colours_NC[is_front & is_brow] = np.asarray(colours.eyebrows, np.float32) * 0.8 + 0.05 * skin

        across = ax * (1 / (self.mouth_half_width * 1.12))
        fullness = np.clip(1 - across * across, 0, 1)  # 1 in the middle, 0 at the corners
        from_mouth = np.abs(y - self.mouth_y(ax))
        colours_NC[is_front & (from_mouth < 0.085 * self.identity.lips * np.sqrt(fullness))] = colours.lips
        opening = 0.022 + 0.06 * max(self.emotion, 0) * fullness
        colours_NC[is_front & (from_mouth < opening) & (ax < self.mouth_half_width * 1.1)] = colours.mouth

        v = y - self.eye_y
        colours_NC[is_eye & (u * u + v * v < (self.eye_radius * 0.55) ** 2)] = PUPIL
        colours_NC[is_eye & (v > self.eye_radius * (0.50 + 0.12 * self.emotion))] = skin * 0.8
