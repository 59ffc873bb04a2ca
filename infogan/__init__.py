"""InfoGAN (Chen et al., 2016) as code. For trained networks: :func:`load`, which docs/API.md shows."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infogan.api import Gaussian, Model, ModelError, load

__all__ = ["Gaussian", "Model", "ModelError", "load"]


def __getattr__(name: str) -> Any:
    """What needs torch is imported when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from infogan import api

    return getattr(api, name)
