"""A generator as ONNX: onnxruntime makes the model's images, for any number of latents."""

import importlib.util
from pathlib import Path

import pytest
import torch

import infogan
from infogan import exchange
from tests.infogan.test_api import seeded, write_export

LACKING = [name for name in ("onnx", "onnxscript", "onnxruntime") if importlib.util.find_spec(name) is None]
needs_onnx = pytest.mark.skipif(bool(LACKING), reason=f"the extra onnx is not installed: {', '.join(LACKING)}")


@needs_onnx
@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["mnist", "celeba"])  # sigmoid, tanh
def test_onnxruntime_gives_the_same_images(tmp_path: Path, architecture: str) -> None:
    import onnxruntime

    model = infogan.load(write_export(tmp_path / "model", architecture))
    assert exchange.write_onnx(model, tmp_path / "g.onnx") < exchange.TOLERANCE
    session = onnxruntime.InferenceSession(str(tmp_path / "g.onnx"), providers=["CPUExecutionProvider"])
    for n in (1, 33):
        latents = model.latents(n, c1=3, generator=seeded(n))
        (images,) = session.run(["images"], {"latents": latents.numpy()})
        expected = model.sample(n, c1=3, generator=seeded(n))
        assert images.shape == tuple(expected.shape)
        assert (torch.from_numpy(images) - expected).abs().max() < exchange.TOLERANCE
    assert expected.std() > 0.01


@needs_onnx
@pytest.mark.slow
def test_a_graph_that_gives_other_images_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = infogan.load(write_export(tmp_path / "model"))
    monkeypatch.setattr(exchange, "TOLERANCE", 0.0)
    with pytest.raises(infogan.ModelError, match=r"onnxruntime's images differ by .* from the model's"):
        exchange.write_onnx(model, tmp_path / "g.onnx")


def test_a_missing_package_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)  # as if it were not installed
    model = infogan.load(write_export(tmp_path / "model"))
    with pytest.raises(
        infogan.ModelError, match=r"ONNX needs a package that is missing: .*pip install infogan-bench\[onnx\]"
    ):
        exchange.write_onnx(model, tmp_path / "g.onnx")
    assert not (tmp_path / "g.onnx").exists()
