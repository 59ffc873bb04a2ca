"""3D Chairs (Aubry et al. 2014) from the user's copy, or rendered chairs. Images are (N, 1, 64, 64) uint8, gray.

The layout is ``rendered_chairs/<model>/renders/image_NNN_pPPP_tTTT_rRRR.png``, 600x600 on white: p is the elevation and
t the rotation in whole degrees. The middle 400x400 is averaged down to 64x64. One model in ten is held out.
"""

import hashlib
import math
import re
import statistics
from pathlib import Path

import numpy as np

from infogan.data.base import DataError, Dataset, Part, Progress, cache_dir, make_dataset, name_bytes
from infogan.data.folders import area_resize, centre_crop, decode_images, read_image
from infogan.data.given import not_unpacked
from infogan.data.recorded import recorded_dataset, split_rows
from infogan.data.substituted import rendered

FOLDER = "rendered_chairs"
LAYOUT = f"{FOLDER}/<model>/renders/image_NNN_pPPP_tTTT_rRRR.png"
NUM_MODELS, NUM_VIEWS = 1_393, 62
IMAGE_WH = (600, 600)
CROP = 400
SHAPE_CHW = (1, 64, 64)
FACTORS = ("rotation", "elevation")  # radians; the width of the real chairs is unknown
VERSION = 1  # raise it when the same files give other arrays, to invalidate caches and sidecars
RENDERED_NOTE = "A substitute for 3D Chairs, rendered by this package"

_NAME = re.compile(r"image_\d+_p(\d+)_t(\d+)_r\d+\.png")


def _folder_in(folder: Path) -> Path | None:
    return folder / FOLDER if (folder / FOLDER).is_dir() else None


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise DataError(f"chairs: cannot read {folder}: {error.strerror}") from error


def _models(folder: Path) -> list[Path]:
    models = sorted(p for p in _listed(folder) if p.is_dir() and not p.name.startswith("."))
    if not models:
        raise DataError(f"chairs: {folder} holds no models, expected {LAYOUT}{not_unpacked(folder)}")
    for model in models:
        if not (model / "renders").is_dir():
            raise DataError(f"chairs: {model} holds no folder renders, expected {LAYOUT}")
    return models


def _key(models: list[Path]) -> str:
    """A key that changes when a model's folder does: a render added, removed, renamed or replaced.

    It checks 1,393 folders instead of 86,366 files, which would take seconds on a slow disk. A render overwritten in
    place goes unnoticed. A damaged one can still be repaired that way: nothing is remembered of a set with a damaged
    render.
    """
    rows = [(model.name, (model / "renders").stat().st_mtime_ns) for model in models]
    digest = hashlib.sha256(name_bytes(f"{models[0].parent.resolve()} {rows}")).hexdigest()
    return f"chairs {VERSION} {digest}"


def _renders(models: list[Path]) -> list[tuple[Path, int, int]]:
    """Each render's file, rotation and elevation in degrees, in the order of models and views."""
    renders, counts = [], []
    for model in models:
        views = []
        for file in _listed(model / "renders"):
            match = _NAME.fullmatch(file.name)
            if not match:
                continue
            if not file.is_file():  # reading a pipe would block
                raise DataError(f"chairs: {file} is not a regular file")
            elevation, rotation = (int(degrees) for degrees in match.groups())
            if elevation > 90 or rotation >= 360:
                raise DataError(f"chairs: {file}: elevation {elevation} or rotation {rotation} is out of range")
            views.append((file, rotation, elevation))
        if not views:
            raise DataError(f"chairs: {model / 'renders'} holds no image_NNN_pPPP_tTTT_rRRR.png")
        renders.extend(sorted(views, key=lambda view: (view[2], view[1], view[0].name)))
        counts.append(len(views))
    usual = statistics.mode(counts)
    for model, count in zip(models, counts, strict=True):
        if count != usual:
            raise DataError(f"chairs: {model / 'renders'} holds {count} renders, other models {usual}")
    return renders


def _decode(file: Path) -> np.ndarray:
    return area_resize(centre_crop(read_image(file, "L", IMAGE_WH), CROP), SHAPE_CHW[1])[None]


def _load_real(folder: Path, progress: Progress | None = None) -> Dataset:
    models = _models(folder)
    key = _key(models)
    renders = _renders(models)
    files = [file for file, _, _ in renders]
    radians = np.array([[math.radians(rotation), math.radians(elevation)] for _, rotation, elevation in renders])
    train_rows, held_out_rows = split_rows(folder, [file.parent.parent.name for file in files])

    def assemble(images: np.ndarray) -> Dataset:
        train, held_out = (
            Part(np.asarray(images[rows]), factors=radians[rows].astype(np.float32))
            for rows in (train_rows, held_out_rows)
        )
        in_full = len(models) == NUM_MODELS and len(files) == NUM_MODELS * NUM_VIEWS
        note = (
            f"3D Chairs{' in full' if in_full else f', {len(models):,} of {NUM_MODELS:,} models'}: "
            f"{len(train.images):,} renders to train on, {len(held_out.images):,} of other models held out."
        )
        return make_dataset("chairs", "real", note, in_full, train, held_out, FACTORS)

    cached = cache_dir() / f"chairs-{hashlib.sha256(key.encode()).hexdigest()[:32]}.npy"
    return recorded_dataset(
        key,
        cached,
        (len(files), *SHAPE_CHW),
        lambda: decode_images(files, _decode, SHAPE_CHW, progress),
        assemble,
    )


_SET = rendered(
    "chairs",
    "chairs",
    RENDERED_NOTE,
    layout=LAYOUT,
    look=_folder_in,
    key=lambda folder: _key(_models(folder)),
    read=lambda folder, progress: _load_real(folder, progress),
)
SOURCES = _SET.sources
find, load, describe, prepare = _SET.find, _SET.load, _SET.describe, _SET.prepare
