"""Cache files are used only as they were written: after a flipped bit or an edited line they are computed again."""

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from infogan import data
from infogan.data.base import DataInfo, read_cached, recall, remember, write_cached
from infogan.data.rendering import sets
from infogan.data.rendering.controlled import ControlledImages
from infogan.measures.kept import initialise, trained_once

FLIPS = 200
INFO = DataInfo("mnist", "embedded", "A substitute.", "ab" * 32, 4000, 1000, False)


pytestmark = pytest.mark.usefixtures("cache")


def flipped(content: bytes, rng: random.Random) -> bytes:
    bit = rng.randrange(8 * len(content))
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def classifier() -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Weights and numbers of a classifier that is trained once."""
    model = nn.Linear(8, 4)

    def train() -> dict[str, float]:
        initialise(model, torch.Generator().manual_seed(3))
        return {"test_accuracy": float(model.weight.detach().abs().mean())}

    numbers = trained_once(model, "tests", "recipe", ("measures/kept",), train)
    return {name: value.numpy().copy() for name, value in model.state_dict().items()}, numbers


def test_no_flipped_bit_of_a_kept_network_is_believed(cache: Path) -> None:
    weights, numbers = classifier()
    (file,) = cache.rglob("*.pt")
    sound, rng = file.read_bytes(), random.Random(0)
    for _ in range(FLIPS):
        file.write_bytes(flipped(sound, rng))
        assert read_cached(file) is None
        again, stated = classifier()
        assert stated == numbers
        assert all((again[name] == value).all() for name, value in weights.items())
        assert file.read_bytes() == sound  # made again, to the same bits


def embedded() -> str:
    return data.load("mnist", "embedded").info.digest


def chunk() -> bytes:
    train, test, _ = sets.rendered("chairs", 4, 2)
    return train.images.tobytes() + test.images.tobytes()


def controlled() -> bytes:
    return ControlledImages("chairs", 512).swept("rotation", 2).tobytes()


@pytest.mark.parametrize("made", [pytest.param(embedded, marks=pytest.mark.slow), chunk, controlled])
def test_no_flipped_bit_of_kept_images_is_believed(cache: Path, made: Callable[[], object]) -> None:
    sound, rng = made(), random.Random(0)
    files = {path: path.read_bytes() for path in cache.rglob("*.npz")}
    assert files
    for path, content in files.items():
        path.write_bytes(flipped(content, rng))
        assert read_cached(path) is None
    assert made() == sound
    assert {path: path.read_bytes() for path in files} == files


def test_a_file_in_anothers_place_is_not_believed(cache: Path) -> None:
    one, two = cache / "kind" / "one", cache / "kind" / "two"
    write_cached(one, b"first")
    write_cached(two, b"second")
    shutil.copy(one, two)
    assert (read_cached(one), read_cached(two)) == (b"first", None)
    chunk()
    first, second = sorted(cache.rglob("*.npz"))[:2]
    sound = chunk()
    shutil.copy(first, second)
    assert chunk() == sound


def test_an_edited_digest_is_not_believed(cache: Path) -> None:
    remember("key", INFO)
    assert recall("key") == INFO
    (file,) = (cache / "digests").iterdir()
    sound = file.read_bytes()
    for old, new in (
        (b"false", b"true"),
        (b"A substitute.", b"MNIST in full"),
        (b"abab", b"cdcd"),
        (b"4000", b"60000"),
    ):
        assert old in sound
        file.write_bytes(sound.replace(old, new))
        assert recall("key") is None
    file.write_bytes(json.dumps({"name": "mnist"}).encode())
    assert recall("key") is None
    write_cached(file, b"[" * 100_000)  # its checksum is right: only the nesting is wrong
    assert recall("key") is None


def test_decoded_images_are_held_against_their_digest(cache: Path, tmp_path: Path) -> None:
    """Also if the digest is gone, so that there is nothing to compare them with."""
    rng = np.random.default_rng(0)
    (tmp_path / "faces").mkdir()
    for k in range(6):
        Image.fromarray(rng.integers(0, 256, (64, 64), np.uint8)).save(tmp_path / "faces" / f"{k}.png")
    sound = data.load("faces", "real", tmp_path)
    (file,) = cache.glob("faces-*.npy")
    kept = file.read_bytes()
    for with_digest in (True, False):
        file.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
        if not with_digest:
            shutil.rmtree(cache / "digests")
        again = data.load("faces", "real", tmp_path)
        assert again.info == sound.info
        assert (again.train.images == sound.train.images).all()
        assert (again.test.images == sound.test.images).all()
        assert file.read_bytes() == kept
    assert os.listdir(cache / "digests")
