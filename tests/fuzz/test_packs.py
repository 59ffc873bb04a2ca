"""Mutated packs are refused in one line with nothing written, or read as cells inside the folder of cells."""

import io
import random
import shutil
import zipfile
from pathlib import Path

import pytest

from bench.analysis.results import load
from bench.analysis.sweep_file import CURVES, read_curves, write_curves
from bench.records.find import find_cells
from bench.records.pack_format import PackError
from bench.records.packs import pack
from bench.records.seals import sealed_json, unsealed_json
from bench.records.unpacking import unpack
from tests.builders import finished_cell
from tests.fuzz.engine import fuzz
from tests.fuzz.mutations import changed_json, damaged
from tests.small_weights import small_weights

SLOW = [pytest.mark.slow, pytest.mark.timeout(1800)]


def lying(sound: bytes, rng: random.Random) -> bytes:
    """A well-formed archive with one damaged entry, or with a changed manifest under a new checksum."""
    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(sound)) as old, zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as new:
        chosen = rng.choice([*old.namelist(), *["manifest.json"] * 10])
        for name in old.namelist():
            data = old.read(name)
            if name == chosen == "manifest.json":
                changed = changed_json(unsealed_json(name, data), rng)
                data = sealed_json(changed) if isinstance(changed, dict) else b"[]"
            elif name == chosen:
                data = damaged(data, rng)
            new.writestr(name, data)
    return content.getvalue()


@pytest.mark.parametrize("num", [80, pytest.param(3000, marks=SLOW)])
def test_packs(num: int, tmp_path: Path) -> None:
    finished_cell(tmp_path / "there").write_weights(small_weights())
    sound = pack(tmp_path / "there", tmp_path / "sound.zip").files[0].read_bytes()
    home = tmp_path / "home"
    file, results, content = home / "mutant.zip", home / "results", b""

    def read(rng: random.Random) -> None:
        nonlocal content
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        content = lying(sound, rng) if rng.random() < 0.6 else damaged(sound, rng)
        file.write_bytes(content)
        try:
            unpack([file], results)
        except PackError:
            assert not results.exists()
            raise
        assert {path.name for path in home.iterdir()} == {"mutant.zip", "results"}
        assert {path.name for path in results.iterdir()} <= {"cells", "run.lease", "launches.jsonl"}
        assert [folder.end_damage() for folder in find_cells(results).folders] == [None]
        assert len(load(results).sweeps[0].runs) == 1

    found = fuzz("packs", num, 1, read, PackError, lambda: {"mutant.zip": content}, tmp_path)
    assert found["refused"] > num // 2


@pytest.mark.parametrize("num", [60, pytest.param(2000, marks=SLOW)])
def test_compressed_curves(num: int, tmp_path: Path) -> None:
    finished_cell(tmp_path / "there")
    file = tmp_path / CURVES
    write_curves(file, load(tmp_path / "there").sweeps[0])
    sound = file.read_bytes()

    def read(rng: random.Random) -> None:
        file.write_bytes(damaged(sound, rng))
        assert len(read_curves(file).runs) == 1

    found = fuzz("compressed curves", num, 1, read, ValueError, lambda: {CURVES: file.read_bytes()}, tmp_path)
    assert found["refused"] > num // 2
