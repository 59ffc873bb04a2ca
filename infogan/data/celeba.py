"""CelebA in torchvision's layout, or rendered portraits as a substitute. Images are (N, 3, 32, 32) uint8.

The layout is ``celeba/img_align_celeba/*.jpg`` with optional tables beside the folder: the data set's own text files or
Kaggle's CSV versions. Faces are cropped to the middle 148x148 of 178x218 pixels and averaged down to 32x32.
"""

from pathlib import Path

import numpy as np

from infogan.data.base import (
    DataError,
    Dataset,
    Part,
    Progress,
    cache_dir,
    check_factor_names,
    files_key,
    make_dataset,
    read_text_bounded,
)
from infogan.data.folders import area_resize, centre_crop, decode_images, list_images, read_image
from infogan.data.genuine import own_set_note, strangers
from infogan.data.given import not_unpacked
from infogan.data.recorded import recorded_dataset
from infogan.data.substituted import rendered

NUM_IMAGES = 202_599
IMAGE_WH = (178, 218)
CROP = 148
SHAPE_CHW = (3, 32, 32)
MAX_VALUE = 1_000_000  # in a table: far beyond any pixel coordinate
IMAGES = "img_align_celeba"
LAYOUT = f"celeba/{IMAGES}/*.jpg"
ATTRIBUTES, LANDMARKS, PARTITION = "list_attr_celeba", "list_landmarks_align_celeba", "list_eval_partition"
# The claims use the names of the rendered portraits' factors, so labels of the same meaning get these names. "hair" is
# ordered by how much of the forehead it covers, as far as the labels say; if several apply, the last in HAIR counts.
ALIASES = {"Eyeglasses": "glasses", "Smiling": "emotion"}
HAIR = (("Receding_Hairline", 1), ("Bangs", 3), ("Bald", 0))
UNLABELLED_HAIR = 2
RENDERED_NOTE = "A substitute for CelebA, portraits rendered by this package"
VERSION = 2  # raise it when the same files give other arrays, to invalidate caches and sidecars


def _folder_in(folder: Path) -> Path | None:
    return next((f for f in (folder / "celeba", folder) if (f / IMAGES).is_dir()), None)


def _list(folder: Path) -> tuple[list[Path], str]:
    inner = folder / IMAGES / IMAGES  # the layout of Kaggle's archive
    images = inner if inner.is_dir() else folder / IMAGES
    try:
        return list_images(images, ".jpg")
    except DataError as error:
        raise DataError(f"celeba: {error}{not_unpacked(folder, images)}") from error


def _table(folder: Path, name: str) -> Path | None:
    """The file of a table: the data set's text file, else Kaggle's CSV, else None."""
    return next((file for end in (".txt", ".csv") if (file := folder / f"{name}{end}").is_file()), None)


def _key(folder: Path, images_key: str) -> str:
    tables = [_table(folder, name) for name in (ATTRIBUTES, LANDMARKS, PARTITION)]
    return files_key(f"celeba {VERSION}, told by sums, {images_key}", [file for file in tables if file])


def _unknown_tables(folder: Path) -> list[str]:
    """Names of tables that are missing or differ from CelebA's own.

    The images have no published checksums; the tables do.
    """
    tables = [_table(folder, name) or folder / f"{name}.txt" for name in (ATTRIBUTES, PARTITION)]
    absent = [file.name for file in tables if not file.is_file()]
    return absent + strangers(file for file in tables if file.is_file())


def _decode(file: Path) -> np.ndarray:
    return area_resize(centre_crop(read_image(file, "RGB", IMAGE_WH), CROP), SHAPE_CHW[1]).transpose(2, 0, 1)


def _load_real(folder: Path, progress: Progress | None = None) -> Dataset:
    files, images_key = _list(folder)
    names = [file.name for file in files]
    is_held_out, split = _split(folder, names)  # before decoding, to fail early on a bad text file
    factor_names, factors = _factors(folder, names)

    def assemble(images: np.ndarray) -> Dataset:
        train, held_out = (
            Part(np.asarray(images[rows]), factors=None if factors is None else factors[rows])
            for rows in (np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out))
        )
        in_full = len(files) == NUM_IMAGES
        what = "CelebA in full" if in_full else f"CelebA's layout, {len(files):,} of {NUM_IMAGES:,} faces"
        counts = f"{len(train.images):,} to train on, {len(held_out.images):,} held out ({split})"
        note = f"{what}: {counts}."
        if in_full and (others := _unknown_tables(folder)):
            note, in_full = own_set_note("CelebA", counts, others), False
        return make_dataset("celeba", "real", note, in_full, train, held_out, factor_names)

    return recorded_dataset(
        _key(folder, images_key),
        cache_dir() / f"celeba-{VERSION}-{images_key[:32]}.npy",
        (len(files), *SHAPE_CHW),
        lambda: decode_images(files, _decode, SHAPE_CHW, progress),
        assemble,
    )


def _read_table(file: Path, names: list[str], has_header: bool) -> tuple[list[str], np.ndarray]:
    """Column names, and one row of integers per image in the order of ``names``.

    A text file has its header in the second line, after a count; a CSV file in the first, after "image_id".
    """
    lines = read_text_bounded(file, "celeba").splitlines()
    columns, num_header_lines, separator = ["partition"], 0, None
    if file.suffix == ".csv":
        lines = [",".join(cell.strip().strip('"') for cell in line.split(",")) for line in lines]
        columns, num_header_lines, separator = lines[0].split(",")[1:] if lines else [], 1, ","
    elif has_header:
        if len(lines) < 2:
            raise DataError(f"celeba: {file} has no header")
        columns, num_header_lines = lines[1].split(), 2
    if not columns:
        raise DataError(f"celeba: {file} has no header")
    rows: dict[str, list[int]] = {}
    for number, line in enumerate(lines[num_header_lines:], 1 + num_header_lines):
        name, *values = line.split(separator) or [""]
        if not name:
            continue
        if name in rows:
            raise DataError(f"celeba: {file}, line {number}: {name} occurs twice")
        if len(values) != len(columns):
            raise DataError(f"celeba: {file}, line {number}: {len(values)} values, expected {len(columns)}")
        try:
            rows[name] = [int(value) for value in values]
        except ValueError:
            raise DataError(f"celeba: {file}, line {number}: values must be integers") from None
        if any(abs(value) > MAX_VALUE for value in rows[name]):
            raise DataError(f"celeba: {file}, line {number}: a value is beyond {MAX_VALUE:,}")
    missing = next((name for name in names if name not in rows), None)
    if missing:
        raise DataError(f"celeba: {file} has no line for {missing}")
    return columns, np.array([rows[name] for name in names])


def _split(folder: Path, names: list[str]) -> tuple[np.ndarray, str]:
    """Mask of the held-out images (N,) and the rule in words: CelebA's validation and test images, else the last tenth.

    CelebA's own split goes by number too, so the last tenth of the full set shares no person with the rest.
    """
    file = _table(folder, PARTITION)
    if len(names) < 2:
        raise DataError(f"celeba: {folder / IMAGES} holds {len(names)} image, at least 2 are needed")
    if file:
        partition = _read_table(file, names, has_header=False)[1][:, 0]
        if not np.isin(partition, (0, 1, 2)).all():
            raise DataError(f"celeba: {file}: a partition must be 0, 1 or 2")
        is_held_out = partition > 0
        if is_held_out.any() and not is_held_out.all():
            return is_held_out, "its own validation and test images"
    is_held_out = np.arange(len(names)) >= len(names) - max(1, len(names) // 10)
    return is_held_out, "the last tenth by number"


def _factors(folder: Path, names: list[str]) -> tuple[tuple[str, ...], np.ndarray | None]:
    """Attributes and, from the landmarks, the azimuth, if their files exist: names, and values (N, F) float32."""
    factor_names: list[str] = []
    columns_NF: list[np.ndarray] = []
    file = _table(folder, ATTRIBUTES)
    if file:
        columns, attributes = _read_table(file, names, has_header=True)
        if not np.isin(attributes, (-1, 1)).all():
            raise DataError(f"celeba: {file}: an attribute must be -1 or 1")
        factor_names, columns_NF = _attributes(columns, attributes > 0)
        check_factor_names(factor_names, f"celeba: {file}")
    file = _table(folder, LANDMARKS)
    if file:
        factor_names = [*factor_names, "azimuth"]
        check_factor_names(factor_names, f"celeba: {file}")
        columns_NF.append(_azimuth(file, names)[:, None])
    if not columns_NF:
        return (), None
    return tuple(factor_names), np.concatenate(columns_NF, 1).astype(np.float32)


def _attributes(names: list[str], has_NF: np.ndarray) -> tuple[list[str], list[np.ndarray]]:
    """Attributes as 0 or 1 under the claims' names.

    Baldness and bangs, if both are labelled, are merged into one ordered factor, hair.
    """
    is_hair = [name in dict(HAIR) for name in names]
    if not {"Bald", "Bangs"} <= set(names):
        return [ALIASES.get(name, name) for name in names], [has_NF]
    hair_N = np.full(len(has_NF), UNLABELLED_HAIR)
    for name, amount in HAIR:
        if name in names:
            hair_N[has_NF[:, names.index(name)]] = amount
    others = [ALIASES.get(name, name) for name, of_hair in zip(names, is_hair, strict=True) if not of_hair]
    return [*others, "hair"], [has_NF[:, ~np.array(is_hair)], hair_N[:, None]]


def _azimuth(file: Path, names: list[str]) -> np.ndarray:
    """Horizontal offset of the nose from the midpoint of the eyes, in eye distances (N,); positive is right."""
    columns, landmarks = _read_table(file, names, has_header=True)
    wanted = ("lefteye_x", "lefteye_y", "righteye_x", "righteye_y", "nose_x")
    missing = next((name for name in wanted if name not in columns), None)
    if missing:
        raise DataError(f"celeba: {file} has no column {missing}")
    left_x, left_y, right_x, right_y, nose_x = (landmarks[:, columns.index(name)] for name in wanted)
    eye_distance = np.sqrt((right_x - left_x) ** 2 + (right_y - left_y) ** 2)
    return (nose_x - (left_x + right_x) / 2) / np.maximum(eye_distance, 1)


_SET = rendered(
    "celeba",
    "portraits",
    RENDERED_NOTE,
    layout=LAYOUT,
    look=_folder_in,
    key=lambda folder: _key(folder, _list(folder)[1]),
    read=lambda folder, progress: _load_real(folder, progress),
)
SOURCES = _SET.sources
find, load, describe, prepare = _SET.find, _SET.load, _SET.describe, _SET.prepare
