"""InfoGAN (Chen et al., 2016). :func:`load` loads a trained model; docs/API.md shows how to use it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infogan.api import Gaussian, Model, ModelError, load

__all__ = ["Gaussian", "Model", "ModelError", "load"]


def __getattr__(name: str) -> Any:
    """Import :mod:`infogan.api` on first use, so that ``import infogan`` does not import torch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from infogan import api

    return getattr(api, name)
