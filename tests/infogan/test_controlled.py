"""Rendered images with one factor fixed or swept."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from infogan.data.rendering import controlled, heads, sets


def test_controlled_images_keep_or_move_one_factor_alone(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checked by the renderer's arguments; a second call reads the cached file, a damaged one is rendered again."""
    asked = []
    render = heads.render
    monkeypatch.setattr(heads, "render", lambda face: asked.append(face) or render(face))
    monkeypatch.setattr(controlled, "GROUP_SIZE", 3)
    images = controlled.ControlledImages("faces", 1024)
    fixed, swept = images.fixed("width"), images.swept("azimuth", 3)
    groups, rows = np.array(asked[:24]).reshape(8, 3), np.array(asked[24:]).reshape(2, 3)
    assert (fixed.shape, swept.shape) == ((8, 3, 1, 32, 32), (2, 3, 1, 32, 32))
    assert [len({face.width for face in group}) for group in groups] == [1] * 8
    assert len({face.width for face in asked[:24]}) == 8
    assert len({face.azimuth for face in asked[:24]}) == 24
    assert [[face.azimuth for face in row] for row in rows] == [[-1.3, 0.0, 1.3]] * 2
    assert [len({replace(face, azimuth=0) for face in row}) for row in rows] == [1] * 2
    for content in (None, b"damaged"):
        asked.clear()
        for file in cache.rglob("swept-*.npz") if content else []:
            file.write_bytes(content)
        assert (images.swept("azimuth", 3) == swept).all()
        assert len(asked) == (6 if content else 0)


def test_processes_change_no_controlled_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for num_processes in (1, 2):
        monkeypatch.setenv("INFOGAN_CACHE", str(tmp_path / str(num_processes)))
        monkeypatch.setattr(controlled, "usable_cores", lambda num=num_processes: num)
        found.append(controlled.ControlledImages("house-numbers", 512).fixed("digit"))
    assert found[0].shape == (4, 24, 3, 32, 32)
    assert np.array_equal(*found)
    assert controlled.ControlledImages("house-numbers", sets.DEFAULT_NUM_IMAGES).num_groups == 64
