"""Every data reader on damaged files: it reads them or says why not in one line. Writers are PIL, scipy, struct."""

import csv
import io
import math
import os
import random
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image

from infogan import data
from infogan.data import DataError, faces, mnist, svhn
from infogan.data.base import read_cached, recall, remember, write_cached
from infogan.data.npz import NpzError, read_npz
from infogan.data.rendering import heads, sets
from infogan.measures import kept
from tests.fuzz.engine import counts, fuzz
from tests.fuzz.mutations import damaged, rewritten

TEXT_SUFFIXES = (".txt", ".csv")
BASEL_SHAPE = (4, 3, 2, 2, 64, 64)
IDX = {
    "train-images-idx3-ubyte": (2051, (60, 28, 28)),
    "train-labels-idx1-ubyte": (2049, (60,)),
    "t10k-images-idx3-ubyte": (2051, (20, 28, 28)),
    "t10k-labels-idx1-ubyte": (2049, (20,)),
}


def encoded(shape: tuple[int, ...], kind: str, seed: int, **options: int) -> bytes:
    stream = io.BytesIO()
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, *shape[2:]), np.uint8)
    Image.fromarray(coarse).resize(shape[1::-1]).save(stream, kind, **options)
    return stream.getvalue()


def write_idx(root: Path) -> None:
    (root / "MNIST" / "raw").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, (magic, shape) in IDX.items():
        values = rng.integers(0, 10, math.prod(shape), np.uint8)
        header = struct.pack(f">{1 + len(shape)}i", magic, *shape)
        (root / "MNIST" / "raw" / name).write_bytes(header + values.tobytes())


def write_mat(root: Path) -> None:
    rng = np.random.default_rng(0)
    for split, compressed in (("train", True), ("test", False)):
        arrays = {"X": rng.integers(0, 256, (32, 32, 3, 4), np.uint8), "y": rng.integers(1, 11, (4, 1), np.uint8)}
        scipy.io.savemat(root / f"{split}_32x32.mat", arrays, do_compression=compressed)


def write_celeba(root: Path) -> None:
    folder = root / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    names = [f"{k:06d}.jpg" for k in range(1, 5)]
    for k, name in enumerate(names):
        (folder / "img_align_celeba" / name).write_bytes(encoded((218, 178, 3), "JPEG", k))
    (folder / "list_eval_partition.txt").write_text("".join(f"{n} {k % 3}\n" for k, n in enumerate(names)))
    attributes = "".join(f"{name}  -1  1\n" for name in names)
    (folder / "list_attr_celeba.txt").write_text(f"4\nSmiling Eyeglasses\n{attributes}")
    columns = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y"
    landmarks = "".join(f"{name} 69 109 106 113 77 142\n" for name in names)
    (folder / "list_landmarks_align_celeba.txt").write_text(f"4\n{columns}\n{landmarks}")


def write_faces(root: Path) -> None:
    folder = root / "faces"
    folder.mkdir()
    names = [f"{k}.{'png' if k % 2 else 'jpg'}" for k in range(4)]
    for k, name in enumerate(names):
        (folder / name).write_bytes(encoded((40, 40), "PNG" if k % 2 else "JPEG", k))
    with (folder / "factors.csv").open("w", newline="") as stream:
        rows = [[name, k / 4, -k, f"person {k // 2}"] for k, name in enumerate(reversed(names))]  # shuffled
        csv.writer(stream).writerows([["file", "azimuth", "elevation", "identity"], *rows])


def write_basel(root: Path, *, legacy: bool) -> None:
    renders = torch.randint(0, 256, BASEL_SHAPE, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    torch.save(renders, root / faces.BASEL_FILE, _use_new_zipfile_serialization=not legacy)


def write_chairs(root: Path) -> None:
    for model in range(2):
        folder = root / "rendered_chairs" / f"model-{model}" / "renders"
        folder.mkdir(parents=True)
        for view in range(2):
            content = encoded((600, 600, 3), "PNG", view, compress_level=1)
            (folder / f"image_{view:03d}_p020_t{90 * view:03d}_r096.png").write_bytes(content)


READERS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "idx": ("mnist", write_idx),
    "mat": ("svhn", write_mat),
    "celeba": ("celeba", write_celeba),
    "faces folder": ("faces", write_faces),
    "pth": ("faces", lambda root: write_basel(root, legacy=False)),
    "legacy pth": ("faces", lambda root: write_basel(root, legacy=True)),
    "chairs": ("chairs", write_chairs),
}


def vary(root: Path, rng: random.Random) -> dict[str, bytes]:
    """Damage one or two files of a data folder, or misplace one; returns what was written."""
    files = sorted(p for p in root.rglob("*") if p.is_file())
    written = {}
    for file in rng.sample(files, min(len(files), rng.choice((1, 1, 1, 2)))):
        content = file.read_bytes()
        kind = rng.random()
        file.unlink()  # rewritten: the folder's own time changes too
        if kind < 0.04:
            continue
        if kind < 0.06:
            file.mkdir()
        elif kind < 0.08:
            file.symlink_to(rng.choice((root / "nowhere", "/dev/null", file.parent)))
        elif kind < 0.1:
            file.with_name(rng.choice((".", "")) + file.name.upper() + rng.choice((".png", " ", "\n"))).write_bytes(
                content
            )
        elif kind < 0.12:
            other = rng.choice(files)
            file.write_bytes(other.read_bytes() if other.is_file() else b"")
        else:
            is_text = file.suffix in TEXT_SUFFIXES
            written[file.name] = rewritten(content.decode(), rng) if is_text else damaged(content, rng)
            file.write_bytes(written[file.name])
    return written


@pytest.mark.parametrize("reader", READERS)
@counts(25, 1000)
def test_a_data_reader(reader: str, num: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, write = READERS[reader]
    monkeypatch.setattr(mnist, "_FILES", IDX)
    monkeypatch.setattr(faces, "BASEL_SHAPE", BASEL_SHAPE)
    monkeypatch.setattr(svhn, "MAX_IMAGES", 1000)
    sound, root = tmp_path / "sound", tmp_path / "data"
    sound.mkdir()
    write(sound)
    source = data.sources(name)[1]
    monkeypatch.setenv("INFOGAN_CACHE", str(tmp_path / "cache"))
    assert data.load(name, source, sound).info.source == source  # the writer's folder is a sound one
    written: dict[str, bytes] = {}

    def read(rng: random.Random) -> None:
        for folder in (root, tmp_path / "cache"):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(sound, root)
        written.clear()
        written.update(vary(root, rng))
        dataset = data.load(name, source, root)
        for part in (dataset.train, dataset.test):
            assert part.images.dtype == np.uint8
            assert part.factors is None or np.isfinite(part.factors).all()
        outside = {p.name for p in tmp_path.iterdir()} - {"sound", "data", "cache"}
        assert not outside, f"written outside the cache: {outside}"

    findings = tmp_path.parent / f"{tmp_path.name}-findings"
    findings.mkdir()
    found = fuzz(reader, num, 1, read, DataError, lambda: written, findings)
    assert found["refused"] > num // 10


def test_pipes_and_links_to_nowhere_are_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader would wait for a pipe forever."""
    monkeypatch.setenv("INFOGAN_CACHE", str(tmp_path / "cache"))
    write_faces(tmp_path)
    write_chairs(tmp_path)
    for name, file in (("faces", "faces/9.png"), ("chairs", "rendered_chairs/model-0/renders/image_9_p1_t1_r1.png")):
        path = tmp_path / file
        os.mkfifo(path)
        with pytest.raises(DataError, match="is not a regular file"):
            data.load(name, "real", tmp_path)
        path.unlink()
        path.symlink_to(tmp_path / "nowhere")
        with pytest.raises(DataError, match=r"cannot read|is not a regular file"):
            data.load(name, "real", tmp_path)


@counts(60, 1500)
def test_an_archive_of_arrays(num: int, tmp_path: Path) -> None:
    """Caches and records are what ``numpy.savez`` wrote, stored or compressed."""
    contents = []
    for save in (np.savez, np.savez_compressed):
        stream = io.BytesIO()
        save(stream, images=np.arange(120, dtype=np.uint8).reshape(2, 60), names=np.array(["a", "bc"]), n=np.array(1.5))
        contents.append(stream.getvalue())
        assert {k: v.tolist() for k, v in read_npz(contents[-1]).items()} == {
            "images": np.arange(120).reshape(2, 60).tolist(), "names": ["a", "bc"], "n": 1.5
        }  # fmt: skip
    fuzz("npz", num, 1, lambda rng: _ignore(read_npz(damaged(rng.choice(contents), rng))), NpzError, dict, tmp_path)


def _ignore(_: object) -> None:
    return None


def huge(shape: str, dtype: str = "|u1") -> bytes:
    """A member that claims more values than it has."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + b"1234"


@pytest.mark.parametrize(
    "member", [huge("(10**15,)"), huge("(1000000000000000,)"), huge("(4,)", "|O"), huge("(-4,)"), b""]
)
def test_absurd_arrays_are_refused_before_memory_is_taken(member: bytes) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.npy", member)
    with pytest.raises(NpzError):
        read_npz(stream.getvalue())
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(20 << 20))
    with pytest.raises(NpzError, match="more than 1,048,576 bytes"):
        read_npz(bomb.getvalue(), max_bytes=1 << 20)


def test_a_bomb_in_place_of_the_basel_renders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file that unpacks to 64 MB is refused by its directory."""
    monkeypatch.setattr(faces, "BASEL_SHAPE", BASEL_SHAPE)
    with zipfile.ZipFile(tmp_path / faces.BASEL_FILE, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("x/data.pkl", bytes(64 << 20))
    assert (tmp_path / faces.BASEL_FILE).stat().st_size < 1 << 20
    with pytest.raises(DataError, match=r"holds 67,108,864 bytes, expected a uint8 tensor"):
        data.load("faces", "real", tmp_path)


@counts(60, 1500)
def test_caches(num: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rendered chunks, kept weights and remembered descriptions count as absent if they are damaged."""
    monkeypatch.setenv("INFOGAN_CACHE", str(tmp_path))
    images = np.zeros((3, *heads.SHAPE_CHW), np.uint8)
    chunk = sets._Arrays(images, np.zeros((3, len(heads.FACTORS)), np.float32)).to_bytes()
    stream = io.BytesIO()
    model = torch.nn.Linear(3, 2)
    torch.save({"model": model.state_dict(), "numbers": {"error": 0.5}}, stream)
    info = data.DataInfo("faces", "real", "note", "ab" * 32, 4, 2, False)
    remember("key", info)
    sidecar = next((tmp_path / "digests").iterdir())
    remembered = read_cached(sidecar) or b""
    file = tmp_path / "mutant"

    def read(rng: random.Random) -> None:
        kind = rng.randrange(3)
        if kind == 0:
            write_cached(file, damaged(chunk, rng))  # a valid checksum: what a reader sees if the writer was wrong
            arrays = sets._read(sets._Chunk(file, 0, 3), heads)
            assert len(arrays) in (0, 3)
            assert not arrays.images.any()  # the sound ones are black
        elif kind == 1:
            write_cached(file, damaged(stream.getvalue(), rng))
            numbers = kept._read(file, torch.nn.Linear(3, 2))
            assert numbers is None or isinstance(numbers, dict)
        else:
            write_cached(sidecar, rewritten(remembered.decode(), rng))
            assert isinstance(recall("key"), data.DataInfo | None)

    fuzz("caches", num, 1, read, (), dict, tmp_path)
