"""Rendered sets: rendered once, on all cores, into a cache of small checked files, and the digest of their recipe.

Image k of a set depends only on its kind, on ``kinds.SEED`` and on k. So the first images of a set are the same
whatever its size, and neither the number of processes nor an interruption changes a byte.
"""

import hashlib
import io
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from infogan.cores import usable_cores
from infogan.data.base import DataInfo, Dataset, Part, Progress, cache_dir, read_cached, write_cached
from infogan.data.npz import NpzError, read_npz
from infogan.data.rendering import factor_values, kinds, pool
from infogan.data.rendering.controlled import ControlledImages
from infogan.data.rendering.kinds import FIRST_HELD_OUT, kind_module, recipe

DEFAULT_NUM_IMAGES = 20_000
CHUNK = 100  # images per file and task, about a second on one core


def set_sizes(num_images: int | None) -> tuple[int, int]:
    """Numbers of training and held-out images: a full set holds out 2,000, a smaller one a tenth but at least 64."""
    num_train = num_images or DEFAULT_NUM_IMAGES
    return num_train, max(64, min(num_train, DEFAULT_NUM_IMAGES) // 10)


def rendered_info(name: str, kind: str, note: str, num_images: int | None) -> DataInfo:
    """The DataInfo of :func:`rendered_dataset`, without rendering. Counts are appended to ``note``."""
    num_train, num_test = set_sizes(num_images)
    note = f"{note}: {num_train:,} to train on, {num_test:,} held out, all factors known."
    return DataInfo(name, "rendered", note, recipe_digest(kind, num_train, num_test), num_train, num_test, False)


def rendered_dataset(
    name: str, kind: str, note: str, num_images: int | None, progress: Progress | None = None
) -> Dataset:
    """The rendered set of a kind as a Dataset; ``progress`` is called only if images must be rendered."""
    info = rendered_info(name, kind, note, num_images)
    train, test, factor_names = rendered(kind, info.num_train, info.num_test, progress)
    return Dataset(info, train, test, factor_names, ControlledImages(kind, info.num_train))


def recipe_digest(kind: str, num_train: int, num_test: int) -> str:
    """Digest of what decides the set's bytes: kind, seed, counts, factor ranges and the renderer's syntax trees."""
    return hashlib.sha256(f"{recipe(kind)} {num_train} {num_test}".encode()).hexdigest()


def rendered(
    kind: str,
    num_train: int,
    num_test: int,
    progress: Progress | None = None,
    *,
    num_processes: int | None = None,
) -> tuple[Part, Part, tuple[str, ...]]:
    """Training and held-out images with the names of their factors, from the cache or rendered into it.

    An interruption loses only the chunks in progress; damaged chunks are rendered again. If the cache cannot be
    written, the set is only returned.
    """
    module = kind_module(kind)
    folder = cache_dir() / "rendered" / f"{kind}-{recipe(kind)[:16]}"
    chunks = [*_chunks(folder, "train", 0, num_train), *_chunks(folder, "test", FIRST_HELD_OUT, num_test)]
    done = [_read(chunk, module) for chunk in chunks]
    num_done, num_all = sum(len(arrays) for arrays in done), num_train + num_test
    missing = [k for k, (chunk, arrays) in enumerate(zip(chunks, done, strict=True)) if len(arrays) < chunk.num]
    if missing and progress:
        progress(num_done, num_all)
    tasks = {k: (kind, range(chunks[k].first + len(done[k]), chunks[k].first + chunks[k].num)) for k in missing}
    num_processes = num_processes or usable_cores()
    with closing(pool.results(_render, tasks, num_all - num_done, num_processes)) as results:
        for k, fresh in results:
            done[k] = done[k].joined(fresh)
            write_cached(chunks[k].file, done[k].to_bytes())
            num_done += len(fresh)
            if progress:
                progress(num_done, num_all)
    num_train_chunks = -(-num_train // CHUNK)
    parts = [
        Part(
            np.concatenate([np.empty((0, *module.SHAPE_CHW), np.uint8), *(arrays.images for arrays in part)]),
            factors=np.concatenate([np.empty((0, len(module.FACTORS)), np.float32), *(a.factors for a in part)]),
        )
        for part in (done[:num_train_chunks], done[num_train_chunks:])
    ]
    return parts[0], parts[1], module.FACTORS


@dataclass(frozen=True)
class _Chunk:
    """A file of the cache and the images wanted from it; it may contain fewer or more."""

    file: Path
    first: int  # index of its first image
    num: int


@dataclass(frozen=True)
class _Arrays:
    """Consecutive images (N, C, H, W) uint8 with their factors (N, F) float32."""

    images: np.ndarray
    factors: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def joined(self, later: "_Arrays") -> "_Arrays":
        images = np.concatenate([self.images, later.images])
        return _Arrays(images, np.concatenate([self.factors, later.factors]))

    def to_bytes(self) -> bytes:
        content = io.BytesIO()
        np.savez_compressed(content, images=self.images, factors=self.factors)
        return content.getvalue()


def _chunks(folder: Path, part: str, first: int, num: int) -> list[_Chunk]:
    return [
        _Chunk(folder / f"{part}-{start:06d}.npz", first + start, min(CHUNK, num - start))
        for start in range(0, num, CHUNK)
    ]


def _read(chunk: _Chunk, module: Any) -> _Arrays:
    """Images in a chunk's file; none if it is missing, damaged or has another shape."""
    try:
        content = read_npz(read_cached(chunk.file) or b"", max_bytes=64 << 20)
        images, factors = content["images"], content["factors"]
        if images.shape[1:] == module.SHAPE_CHW and factors.shape == (len(images), len(module.FACTORS)):
            return _Arrays(images[: chunk.num], factors[: chunk.num])
    except (KeyError, NpzError):
        pass
    return _Arrays(np.empty((0, *module.SHAPE_CHW), np.uint8), np.empty((0, len(module.FACTORS)), np.float32))


def _render(kind: str, indices: range) -> _Arrays:
    module = kind_module(kind)
    drawn = [module.draw(np.random.default_rng([kinds.SEED, index])) for index in indices]
    images = np.stack([module.render(parameters) for parameters in drawn])
    return _Arrays(images, np.array([factor_values(module, parameters) for parameters in drawn], np.float32))
