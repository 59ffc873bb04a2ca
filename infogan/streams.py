"""Named random streams: every use of randomness has its own generator, derived from the one seed of a cell."""

import hashlib

import torch

STREAMS = ("init", "data", "latents", "evaluation")


def stream(seed: int, name: str, device: torch.device | str = "cpu") -> torch.Generator:
    """Generator of the stream ``name``. Arms of one seed share streams, so they differ only in the arm."""
    if name not in STREAMS:
        raise ValueError(f"unknown stream {name!r}, choose from {', '.join(STREAMS)}")
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "big") >> 1)
