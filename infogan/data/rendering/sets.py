"""Rendered sets: drawn once, over all cores, into a cache of small checked files, and the digest of their recipe.

Image k of a set depends on its kind, on ``SEED`` and on k alone: a set's first images are the same whatever its size,
and neither the number of processes nor an interruption changes a byte.
"""

import hashlib
import io
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from infogan.data.base import DataError, DataInfo, Dataset, Part, Progress, array_digest, cache_dir, write_cached
from infogan.data.npz import NpzError, read_npz
from infogan.data.rendering import factor_values
from infogan.runtime import usable_cores
from infogan.version import code_digest

KINDS: dict[str, str] = {
    "faces": "infogan.data.rendering.heads",
    "chairs": "infogan.data.rendering.chairs",
    "portraits": "infogan.data.rendering.portraits",
    "house-numbers": "infogan.data.rendering.house_numbers",
}
SEED = 0
FIRST_HELD_OUT = 1 << 31  # index of the first held-out image: no training set grows that far
DEFAULT_NUM_IMAGES = 20_000
CHUNK = 100  # images per file and task: about a second of one core
MIN_PARALLEL = 100  # images from which starting processes pays


def kind_module(kind: str) -> Any:
    """The module of a kind, which has what :class:`infogan.data.rendering.Kind` says."""
    if kind not in KINDS:
        raise DataError(f"unknown kind of rendering {kind!r}, choose from {', '.join(KINDS)}")
    return import_module(KINDS[kind])


def set_sizes(num_images: int | None) -> tuple[int, int]:
    """Training and held-out images of a set: 2,000 held out of a full one, a tenth, at least 64, of a smaller one."""
    num_train = num_images or DEFAULT_NUM_IMAGES
    return num_train, max(64, min(num_train, DEFAULT_NUM_IMAGES) // 10)


def rendered_info(name: str, kind: str, num_images: int | None, note: str) -> DataInfo:
    """What :func:`rendered_dataset` gives, at once. ``note`` is the sentence's beginning; its counts are added."""
    num_train, num_test = set_sizes(num_images)
    note = f"{note}: {num_train:,} to train on, {num_test:,} held out, all factors known."
    return DataInfo(name, "rendered", note, recipe_digest(kind, num_train, num_test), num_train, num_test, False)


def rendered_dataset(
    name: str, kind: str, num_images: int | None, note: str, progress: Progress | None = None
) -> Dataset:
    """The set as a data set of that name; ``progress`` is called only where images must be rendered."""
    from infogan.data.rendering.controlled import ControlledImages  # which imports this module

    info = rendered_info(name, kind, num_images, note)
    train, test, factor_names = rendered(kind, info.num_train, info.num_test, progress)
    return Dataset(info, train, test, factor_names, ControlledImages(kind, info.num_train))


def recipe_digest(kind: str, num_train: int, num_test: int) -> str:
    """What decides the set's bytes: kind, seed, counts, factor ranges and the renderer's syntax trees."""
    return hashlib.sha256(f"{recipe(kind)} {num_train} {num_test}".encode()).hexdigest()


def rendered(
    kind: str,
    num_train: int,
    num_test: int,
    progress: Progress | None = None,
    *,
    num_processes: int | None = None,
) -> tuple[Part, Part, tuple[str, ...]]:
    """Training and held-out images and the names of their factors, from the cache or rendered into it.

    An interruption loses no more than the chunks in work; damaged chunks are rendered anew. Where the cache cannot be
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
    tasks = {k: range(chunks[k].first + len(done[k]), chunks[k].first + chunks[k].num) for k in missing}
    with closing(_render_all(kind, tasks, num_processes or usable_cores())) as results:
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


def recipe(kind: str) -> str:
    """Digest of what decides image k, so that sets of all sizes share one folder of chunks."""
    module = kind_module(kind)
    code = code_digest(tuple(f"data/rendering/{name}" for name in module.CODE))
    parts = [kind, SEED, FIRST_HELD_OUT, module.FACTORS, dict(module.RANGES), module.SHAPE_CHW, code]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True)
class _Chunk:
    """A file of the cache and the images wanted of it; it may hold fewer, or more."""

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
        digest = np.array(array_digest(self.images, self.factors))
        np.savez_compressed(content, images=self.images, factors=self.factors, digest=digest)
        return content.getvalue()


def _chunks(folder: Path, part: str, first: int, num: int) -> list[_Chunk]:
    return [
        _Chunk(folder / f"{part}-{start:06d}.npz", first + start, min(CHUNK, num - start))
        for start in range(0, num, CHUNK)
    ]


def _read(chunk: _Chunk, module: Any) -> _Arrays:
    """As many of the chunk's images as its file holds: none where it is absent, damaged or of another shape."""
    try:
        content = read_npz(chunk.file.read_bytes(), max_bytes=64 << 20)
        images, factors = content["images"], content["factors"]
        if (
            str(content["digest"]) == array_digest(images, factors)
            and images.shape[1:] == module.SHAPE_CHW
            and factors.shape == (len(images), len(module.FACTORS))
        ):
            return _Arrays(images[: chunk.num], factors[: chunk.num])
    except (OSError, KeyError, NpzError):
        pass
    return _Arrays(np.empty((0, *module.SHAPE_CHW), np.uint8), np.empty((0, len(module.FACTORS)), np.float32))


def _render(kind: str, indices: range) -> _Arrays:
    module = kind_module(kind)
    drawn = [module.draw(np.random.default_rng([SEED, index])) for index in indices]
    images = np.stack([module.render(parameters) for parameters in drawn])
    return _Arrays(images, np.array([factor_values(module, parameters) for parameters in drawn], np.float32))


def _render_all(kind: str, tasks: dict[int, range], num_processes: int) -> Generator[tuple[int, _Arrays], None, None]:
    """Results of the tasks as they come; in this process where others would not pay or cannot be had."""
    remaining = dict(tasks)
    num_images = sum(len(indices) for indices in tasks.values())
    is_daemon = multiprocessing.current_process().daemon  # which may not have children
    if min(num_processes, len(tasks)) > 1 and num_images >= MIN_PARALLEL and not is_daemon:
        yield from _render_parallel(kind, remaining, num_processes)
    for k, indices in remaining.items():
        yield k, _render(kind, indices)


def _render_parallel(
    kind: str, tasks: dict[int, range], num_processes: int
) -> Generator[tuple[int, _Arrays], None, None]:
    """Takes each task that is done out of ``tasks``; some stay where a process was killed or cannot start."""
    context = multiprocessing.get_context("spawn")  # safe beside the threads of torch, and the same on every system
    pool = ProcessPoolExecutor(min(num_processes, len(tasks)), context, initializer=_start_worker)
    try:
        futures = {pool.submit(_render, kind, indices): k for k, indices in tasks.items()}
        for future in as_completed(futures):
            result = future.result()
            del tasks[futures[future]]
            yield futures[future], result
    except BrokenProcessPool:
        pass
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    """Ctrl-C ends a worker at once and silently, and so does the end of its parent, however that came about."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent:

        def follow() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=follow, daemon=True).start()
