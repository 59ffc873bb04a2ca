"""Named random streams: every use of chance draws from its own generator, all derived from a cell's one seed."""

import hashlib

import torch

STREAMS = ("init", "data", "latents", "evaluation")


def stream(seed: int, name: str, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator for ``name``. Arms of one seed share streams, so that they differ in the arm alone."""
    if name not in STREAMS:
        raise ValueError(f"unknown stream {name!r}, choose from {', '.join(STREAMS)}")
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "big") >> 1)
