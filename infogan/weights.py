"""Serialise the states of a generator and a discriminator as a safetensors file.

Files of earlier versions are pickles of tensors. They still load, without running any code in them.
"""

import io
from collections.abc import Mapping

import torch
from safetensors.torch import load, save
from torch import Tensor

NETWORKS = ("generator", "discriminator")  # prefixes of the tensors' names
_ZIP = b"PK"  # torch.save writes a zip archive; a safetensors file begins with the length of its header

States = dict[str, dict[str, Tensor]]


def packed(states: Mapping[str, Mapping[str, Tensor]]) -> bytes:
    """Serialise the state of each network in ``NETWORKS``. Equal states give equal bytes."""
    return save({f"{name}.{key}": tensor.contiguous() for name in NETWORKS for key, tensor in states[name].items()})


def unpacked(content: bytes, device: str = "cpu") -> States:
    """Read the states from the output of :func:`packed` onto a device. Raises SafetensorError."""
    tensors = {name: tensor.to(device) for name, tensor in load(content).items()}
    return {
        name: {key.removeprefix(f"{name}."): tensors[key] for key in tensors if key.startswith(f"{name}.")}
        for name in NETWORKS
    }


def recorded(content: bytes, device: str = "cpu") -> States:
    """Read the states from a cell's weights, including those of earlier versions.

    Raises SafetensorError, the errors of :func:`torch.load`, or KeyError and TypeError if the content is not two
    networks.
    """
    if not content.startswith(_ZIP):
        return unpacked(content, device)
    found = torch.load(io.BytesIO(content), weights_only=True, map_location=device)
    return {name: dict(found[name]) for name in NETWORKS}
