"""Describe GPU and versions in one line: ``python -m bench.gpu.machine cuda``.

A separate process, as a driver may hang.
"""

import platform
import sys

from bench.environment import cpu_model
from infogan.cores import usable_cores
from infogan.version import library_versions

LIBRARIES = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "mlflow", "mlxtend")


def describe(device: str) -> str:
    """Describe the device. Raises RuntimeError, or ValueError if it does not exist."""
    versions = ", ".join(f"{name} {version}" for name, version in library_versions(LIBRARIES).items())
    return f"{_card(device)}; {cpu_model()}, {usable_cores()} cores; Python {platform.python_version()}, {versions}"


def _card(device: str) -> str:
    if device == "cpu":
        return "no GPU: a rehearsal"
    import torch

    properties = torch.cuda.get_device_properties(0)
    free, total = torch.cuda.mem_get_info()
    return (
        f"{properties.name}, {free / 1e9:.0f} of {total / 1e9:.0f} GB free, compute capability "
        f"{properties.major}.{properties.minor}, {properties.multi_processor_count} multiprocessors, CUDA "
        f"{torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    )


if __name__ == "__main__":
    print(describe(sys.argv[1]))
