"""Export a generator as ONNX for other runtimes: latents to images in [0, 1]. docs/API.md has an example.

Shape suffixes: N images, Z generator input, C channels, H height, W width.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from infogan.arguments import ModelError
from infogan.model import Model

ONNX = "generator.onnx"  # file name in an exported folder
LATENTS, IMAGES = "latents", "images"  # names of the graph's input (N, Z) and output (N, C, H, W)
TOLERANCE = 1e-5  # of a pixel in [0, 1]; float32 sums in another order differ by less than 1e-6
NUM_CHECKED = 64


class _Pictures(nn.Module):
    """G with frozen statistics, followed by the mapping of its images to [0, 1]."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.generator, self.unit = model.generator, model.unit

    def forward(self, inputs_NZ: Tensor) -> Tensor:
        return self.unit(self.generator(inputs_NZ))


def write_onnx(model: Model, path: str | Path) -> float:
    """Write the generator as ONNX; return the largest difference to the model's own images, in [0, 1].

    The graph has the input ``latents`` (N, Z), as :meth:`Model.latents` returns them, and the output ``images`` (N, C,
    H, W) in [0, 1], float32, for any N. The difference is measured with onnxruntime.

    Needs the packages onnx, onnxscript and onnxruntime. Raises ModelError if one is missing, the file cannot be
    written, or the images differ by more than 1e-5.
    """
    try:
        import onnx  # noqa: F401 - checked here because torch's own error message is long
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ModelError(f"ONNX needs a package that is missing: {error}; pip install infogan-bench[onnx]") from error
    pictures = _Pictures(model).eval()
    example_NZ = model.latents(2, generator=torch.Generator().manual_seed(0))
    program = torch.onnx.export(
        pictures,
        (example_NZ,),
        input_names=[LATENTS],
        output_names=[IMAGES],
        dynamic_shapes=({0: torch.export.Dim("num_images")},),
        dynamo=True,
        verbose=False,
    )
    assert program is not None  # for the type checker: the dynamo exporter returns a program
    try:
        program.save(str(path), external_data=False)
    except OSError as error:
        raise ModelError(f"{path} cannot be written: {error.strerror}") from error
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    latents_NZ = model.latents(NUM_CHECKED, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected_NCHW = pictures(latents_NZ).cpu()
    (images_NCHW,) = session.run([IMAGES], {LATENTS: latents_NZ.cpu().numpy()})
    difference = (torch.from_numpy(images_NCHW) - expected_NCHW).abs().max().item()
    if not difference <= TOLERANCE:
        raise ModelError(f"{path}: onnxruntime's images differ by {difference:.1e} from the model's")
    return difference
