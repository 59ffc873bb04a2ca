"""Small networks used by measures: trained once on one CPU thread, then cached."""

import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from infogan.data.base import cache_dir, read_cached, write_cached
from infogan.version import code_digest


def trained_once(
    model: nn.Module, kind: str, recipe: str, code: tuple[str, ...], train: Callable[[], dict[str, float]]
) -> dict[str, float]:
    """Load the weights for ``recipe`` into ``model`` from the cache, or call ``train``; the model ends in eval mode.

    Returns the numbers that ``train`` returned when it ran. ``code``: files of this package that decide the weights.
    The same recipe, code and torch give the same bits. A damaged cache file is ignored.
    """
    key = f"{recipe} {torch.__version__} {code_digest((*code, 'measures/kept'))}"
    path = cache_dir() / kind / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.pt"
    numbers = _read(path, model)
    if numbers is None:
        with _one_thread():
            numbers = train()
        content = io.BytesIO()
        torch.save({"model": model.state_dict(), "numbers": numbers}, content)
        write_cached(path, content.getvalue())
    model.eval()
    return numbers


def _read(path: Path, model: nn.Module) -> dict[str, float] | None:
    """Load the cached weights into ``model`` and return their numbers; None if there is no valid file."""
    content = read_cached(path)
    if content is None:
        return None
    try:
        saved = torch.load(io.BytesIO(content), weights_only=True)
    except Exception:  # the unpickler can raise anything on an invalid file
        return None
    before = {name: value.clone() for name, value in model.state_dict().items()}
    try:
        model.load_state_dict(saved["model"])
        numbers = {str(name): float(value) for name, value in saved["numbers"].items()}
        if all(bool(torch.isfinite(value).all()) for value in model.state_dict().values()):
            return numbers
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError):
        pass
    model.load_state_dict(before)  # so that training starts as it would without a file
    return None


@contextmanager
def _one_thread() -> Iterator[None]:
    """Use one thread, because the order of sums, and so the bits, depends on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def initialise(model: nn.Module, generator: torch.Generator) -> None:
    """He's normal initialisation for ReLU, with biases 0; batch norm keeps its defaults."""
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            nn.init.kaiming_normal_(parameter, nonlinearity="relu", generator=generator)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)
