"""States of a generator and a discriminator as the content of a safetensors file, which any program reads.

Files of earlier versions are pickles of tensors. They still load, and loading runs no code of theirs.
"""

import io
from collections.abc import Mapping

import torch
from safetensors.torch import load, save
from torch import Tensor

NETWORKS = ("generator", "discriminator")  # what names of tensors begin with
_ZIP = b"PK"  # a pickle of torch's is a zip archive; a safetensors file begins with the length of its header

States = dict[str, dict[str, Tensor]]


def packed(states: Mapping[str, Mapping[str, Tensor]]) -> bytes:
    """The content of a file: the state of each network, by its name in ``NETWORKS``. Equal states give equal bytes."""
    return save({f"{name}.{key}": tensor.contiguous() for name in NETWORKS for key, tensor in states[name].items()})


def unpacked(content: bytes, device: str = "cpu") -> States:
    """What :func:`packed` was given, on a device. Raises SafetensorError."""
    tensors = {name: tensor.to(device) for name, tensor in load(content).items()}
    return {
        name: {key.removeprefix(f"{name}."): tensors[key] for key in tensors if key.startswith(f"{name}.")}
        for name in NETWORKS
    }


def recorded(content: bytes, device: str = "cpu") -> States:
    """The same of a cell's weights, also of an earlier version.

    Raises SafetensorError, what :func:`torch.load` does, or KeyError, TypeError and the like: these are no networks.
    """
    if not content.startswith(_ZIP):
        return unpacked(content, device)
    found = torch.load(io.BytesIO(content), weights_only=True, map_location=device)
    return {name: dict(found[name]) for name in NETWORKS}
