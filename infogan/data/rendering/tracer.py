"""A sphere tracer in numpy: renders an object given as a signed distance field.

Coordinates are the object's own: x to the right, y up, z towards the viewer; the unit is about half a head or a seat.
Points are three float32 arrays x, y, z, never one (N, 3) array. All operations are elementwise and in a fixed order (no
BLAS, no reductions), so that the same parameters give the same bytes on any number of cores and threads.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray
Vector = tuple[float, float, float]
Points = tuple[Array, Array, Array]
Field = Callable[[Array, Array, Array], Array]  # signed distance to a surface, negative inside
Bounds = tuple[Vector, Vector]  # lower and upper corner of a box
Paint = Callable[[Points, Points], tuple[Array, Array]]  # points, normals -> colours (N, C), gloss (N,)

SUPERSAMPLING = 2  # rays per pixel and direction
MAX_STEPS = 24  # the few rays left after that graze the silhouette
HIT_DISTANCE = 0.008  # a quarter of the distance between rays


# --- distance fields: distance from the points (x, y, z) to a shape


def smooth_min(a: Array, b: Array, radius: float) -> Array:
    """Union of two fields, blended where their values differ by less than ``radius``."""
    overlap = np.maximum(radius - np.abs(a - b), 0) * (1 / radius)
    return np.minimum(a, b) - overlap * overlap * (radius * 0.25)


def smooth_max(a: Array, b: Array, radius: float) -> Array:
    """Intersection of two fields, blended."""
    return -smooth_min(-a, -b, radius)


def ellipsoid(x: Array, y: Array, z: Array, centre: Vector, radii: Vector) -> Array:
    """First-order distance to an ellipsoid: exact on the surface, accurate near it."""
    u, v, w = (x - centre[0]) * (1 / radii[0]), (y - centre[1]) * (1 / radii[1]), (z - centre[2]) * (1 / radii[2])
    level = np.sqrt(u * u + v * v + w * w)
    u, v, w = u * (1 / radii[0]), v * (1 / radii[1]), w * (1 / radii[2])
    return level * (level - 1) / (np.sqrt(u * u + v * v + w * w) + 1e-6)


def sphere(x: Array, y: Array, z: Array, centre: Vector, radius: float) -> Array:
    u, v, w = x - centre[0], y - centre[1], z - centre[2]
    return np.sqrt(u * u + v * v + w * w) - radius


def capsule(x: Array, y: Array, z: Array, start: Vector, end: Vector, radius: float, end_radius: float = 0) -> Array:
    """A rod with round ends; it tapers if ``end_radius`` is given."""
    a, b, c = end[0] - start[0], end[1] - start[1], end[2] - start[2]
    u, v, w = x - start[0], y - start[1], z - start[2]
    along = np.clip((u * a + v * b + w * c) * (1 / (a * a + b * b + c * c)), 0, 1)
    u, v, w = u - along * a, v - along * b, w - along * c
    return np.sqrt(u * u + v * v + w * w) - (radius + along * ((end_radius or radius) - radius))


def box(x: Array, y: Array, z: Array, centre: Vector, half_sizes: Vector, rounding: float = 0) -> Array:
    u = np.abs(x - centre[0]) - (half_sizes[0] - rounding)
    v = np.abs(y - centre[1]) - (half_sizes[1] - rounding)
    w = np.abs(z - centre[2]) - (half_sizes[2] - rounding)
    outside_u, outside_v, outside_w = np.maximum(u, 0), np.maximum(v, 0), np.maximum(w, 0)
    outside = np.sqrt(outside_u * outside_u + outside_v * outside_v + outside_w * outside_w)
    return outside + np.minimum(np.maximum(u, np.maximum(v, w)), 0) - rounding


def extruded(outline: Array, along: Array, half_thickness: float, rounding: float) -> Array:
    """A plate, given the distance field of its outline and the distance of each point from its middle plane."""
    u, v = outline + rounding, np.abs(along) - (half_thickness - rounding)
    outside_u, outside_v = np.maximum(u, 0), np.maximum(v, 0)
    return np.sqrt(outside_u * outside_u + outside_v * outside_v) + np.minimum(np.maximum(u, v), 0) - rounding


def ellipse(u: Array, v: Array, radius_u: float, radius_v: float) -> Array:
    """Distance in the plane to an ellipse around the origin; exact if the radii are equal."""
    a, b = u * (1 / radius_u), v * (1 / radius_v)
    level = np.sqrt(a * a + b * b)
    a, b = a * (1 / radius_u), b * (1 / radius_v)
    return level * (level - 1) / (np.sqrt(a * a + b * b) + 1e-6)


# --- camera, rays, light


@dataclass(frozen=True)
class Camera:
    """A camera looking at the object, which is turned by ``azimuth`` around y, then tipped forward by ``elevation``.

    The image spans ``half_extent`` to each side of ``centre``, seen from ``distance``. Nothing is drawn outside
    ``bounds``, a box that contains the object.
    """

    azimuth: float  # radians, positive to the viewer's right
    elevation: float  # radians; positive: nods down
    half_extent: float
    distance: float
    centre: Vector
    bounds: Bounds

    def to_object(self, v: Points | Vector) -> tuple[Any, Any, Any]:
        """Transform a direction from the camera's frame (x right, y up, z towards the viewer) to the object's."""
        ca, sa = math.cos(self.azimuth), math.sin(self.azimuth)
        ce, se = math.cos(self.elevation), math.sin(self.elevation)
        return (
            ca * v[0] + se * sa * v[1] - ce * sa * v[2],
            ce * v[1] + se * v[2],
            sa * v[0] - se * ca * v[1] + ce * ca * v[2],
        )


@dataclass(frozen=True)
class Light:
    """A distant light, fixed in the camera's frame."""

    direction: Vector  # unit vector from the object to the light
    ambient: float  # share of light from all directions


def direction(azimuth: float, elevation: float) -> Vector:
    """Unit vector towards (azimuth, elevation) in radians; (0, 0) is the viewer."""
    horizontal = math.cos(elevation)
    return math.sin(azimuth) * horizontal, math.sin(elevation), math.cos(azimuth) * horizontal


def rays(camera: Camera, size_px: int) -> tuple[Points, Points]:
    """Origins and unit directions of all rays in the object's frame, row by row."""
    num = size_px * SUPERSAMPLING
    steps = ((np.arange(num, dtype=np.float32) + np.float32(0.5)) * (2 / num) - 1) * camera.half_extent
    x, y = np.tile(steps, num), np.repeat(-steps, num)
    scale = 1 / np.sqrt(x * x + y * y + camera.distance**2)
    directions = camera.to_object((x * scale, y * scale, -camera.distance * scale))
    eye = camera.to_object((0.0, 0.0, camera.distance))
    origins = tuple(np.full(num * num, e + c, np.float32) for e, c in zip(eye, camera.centre, strict=True))
    return (origins[0], origins[1], origins[2]), directions


def _dot(a: Points, b: Points | Vector) -> Array:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _within(bounds: Bounds, origins: Points, directions: Points) -> tuple[Array, Array]:
    """Distances at which each ray enters and leaves the box; a ray misses it if entry is after exit."""
    start, end = np.zeros(len(origins[0]), np.float32), np.full(len(origins[0]), np.inf, np.float32)
    for origin, direction, low, high in zip(origins, directions, *bounds, strict=True):
        slope = 1 / np.where(np.abs(direction) < 1e-9, np.float32(1e-9), direction)
        near, far = (low - origin) * slope, (high - origin) * slope
        start = np.maximum(start, np.minimum(near, far))
        end = np.minimum(end, np.maximum(near, far))
    return start, end


def trace(field: Field, origins: Points, directions: Points, bounds: Bounds) -> tuple[Array, Points]:
    """Indices of the rays that hit the surface, and the points where they hit."""
    start, end = _within(bounds, origins, directions)
    active: Array = np.flatnonzero(start < end)
    reached, end = start[active], end[active]
    ox, oy, oz, dx, dy, dz = (a[active] for a in (*origins, *directions))
    found = np.full(len(start), -1, np.float32)
    for step in range(MAX_STEPS):
        distance = field(ox + reached * dx, oy + reached * dy, oz + reached * dz)
        reached = reached + distance
        is_hit = distance < (HIT_DISTANCE if step < MAX_STEPS - 1 else 4 * HIT_DISTANCE)
        found[active[is_hit]] = reached[is_hit]
        live = np.flatnonzero(~is_hit & (reached < end))
        if not len(live):
            break
        active, reached, end, ox, oy, oz, dx, dy, dz = (a[live] for a in (active, reached, end, ox, oy, oz, dx, dy, dz))
    hits = np.flatnonzero(found >= 0)
    x, y, z = (o[hits] + found[hits] * d[hits] for o, d in zip(origins, directions, strict=True))
    return hits, (x, y, z)


def normals(field: Field, points: Points, step: float) -> Points:
    """Unit gradients of the field, by finite differences over the corners of a tetrahedron."""
    x, y, z = points
    a, b = field(x + step, y - step, z - step), field(x - step, y - step, z + step)
    c, d = field(x - step, y + step, z - step), field(x + step, y + step, z + step)
    u, v, w = a - b - c + d, -a - b + c + d, -a + b - c + d
    scale = 1 / (np.sqrt(u * u + v * v + w * w) + 1e-9)
    return u * scale, v * scale, w * scale


def shade(normals: Points, light: Vector, viewer: Vector, ambient: float) -> tuple[Array, Array]:
    """Diffuse light, extended a little beyond the terminator, and Blinn-Phong highlights with exponent 16."""
    diffuse = np.clip(_dot(normals, light) * 0.9 + 0.1, 0, 1)
    half = light[0] + viewer[0], light[1] + viewer[1], light[2] + viewer[2]
    gloss = np.clip(_dot(normals, half) * (1 / math.hypot(*half)), 0, 1)
    for _ in range(4):  # to the power of 16
        gloss = gloss * gloss
    return ambient + (1 - ambient) * diffuse, gloss


def picture(
    field: Field,
    paint: Paint,
    camera: Camera,
    light: Light,
    background: tuple[float, ...],
    size_px: int,
    normal_step: float,
) -> Array:
    """Render the object on a plain background: uint8 (C, size, size)."""
    origins, directions = rays(camera, size_px)
    hits, points = trace(field, origins, directions, camera.bounds)
    surface_normals = normals(field, points, normal_step)
    diffuse, gloss = shade(
        surface_normals, camera.to_object(light.direction), camera.to_object((0.0, 0.0, 1.0)), light.ambient
    )
    colours, strength = paint(points, surface_normals)
    rays_NC = np.empty((len(directions[0]), len(background)), np.float32)
    rays_NC[:] = background
    rays_NC[hits] = colours * diffuse[:, None] + (strength * gloss)[:, None]
    return _averaged(rays_NC, size_px)


def _averaged(rays_NC: Array, size_px: int) -> Array:
    """Mean of each pixel's rays, in a fixed order of additions."""
    grid = rays_NC.reshape(size_px, SUPERSAMPLING, size_px, SUPERSAMPLING, -1)
    total = np.zeros((size_px, size_px, grid.shape[-1]), np.float32)
    for row in range(SUPERSAMPLING):
        for column in range(SUPERSAMPLING):
            total = total + grid[:, row, :, column]
    levels = np.clip(total * np.float32(1 / SUPERSAMPLING**2), 0, 1) * 255
    return np.floor(levels + np.float32(0.5)).astype(np.uint8).transpose(2, 0, 1)
