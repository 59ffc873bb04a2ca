"""The arguments of a loaded model's methods (:mod:`infogan.model`): each is checked, or refused in one line."""

import contextlib
import operator
import reprlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from infogan.data.base import one_line

MAX_COUNT = 2**31 - 1  # images of one call; a larger number is a slip, and torch overflows
REFUSED = (TypeError, ValueError, OverflowError, RuntimeError)  # what torch raises for a value that it cannot take


class ModelError(ValueError):
    """A model cannot be loaded, or cannot do what was asked. The message is one line.

    >>> try:
    ...     load("digits").sample(2, c1=10)
    ... except ModelError as error:
    ...     print(error)
    c1 takes categories 0 to 9, got 10
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(" ".join(message.split())))


def checked_path(given: Any) -> Path:
    """The path of a model. Raises ModelError if it cannot name a file."""
    try:
        path = Path(given)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):  # told by who reads it
            path.stat()  # raises for a name that is too long or has a zero byte
    except (TypeError, ValueError, OSError) as error:
        why = getattr(error, "strerror", None) or error
        raise ModelError(f"path {reprlib.repr(given)} cannot be read: {why}") from error
    return path


def require_device(device: Any) -> None:
    """Raise ModelError unless torch can compute on the device and copy the result back."""
    try:
        torch.zeros(1).to(torch.device(device)).cpu()
    except (AssertionError, ImportError, *REFUSED) as error:  # AssertionError: torch was built without it
        raise ModelError(f"device {str(device)!r} cannot be used: {_first_line(error)}") from error


def whole(name: str, given: Any, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``, both included. Raises ModelError, also for True and False."""
    try:
        number = None if isinstance(given, bool) else operator.index(given)
    except TypeError:
        number = None
    if number is None:
        raise ModelError(f"{name} must be a whole number, got {reprlib.repr(given)}")
    if not low <= number <= high:
        bound = f"at least {low}" if number < low else f"at most {high}"
        raise ModelError(f"{name} must be {bound}, got {number if abs(number) < 2**70 else 'one far beyond'}")
    return number


def count(given: Any) -> int:
    """The number of images, at least 1. Raises ModelError."""
    return whole("n", given, 1, MAX_COUNT)


def seed(given: Any) -> int:
    """A seed that torch takes. Raises ModelError."""
    return whole("seed", given, -(2**63), 2**64 - 1)


def stream(generator: Any) -> torch.Generator:
    """The generator of random numbers, by default torch's own. Raises ModelError unless it is on the CPU."""
    if generator is None:
        return torch.default_generator
    if not isinstance(generator, torch.Generator):
        raise ModelError(f"generator must be a torch.Generator, got {reprlib.repr(generator)}")
    if generator.device.type != "cpu":
        raise ModelError(f"the generator must be on the CPU, not on {generator.device}: draws are the same everywhere")
    return generator


def numbers(name: str, given: Any, dtype: torch.dtype | None = None) -> Tensor:
    """Real numbers as a tensor: where they are and of their own type, or on the CPU as ``dtype``. Raises ModelError."""
    try:
        held = torch.as_tensor(given)
        # converting drops the imaginary part in silence
        is_real = held.layout == torch.strided and not (held.is_complex() or held.is_meta)
        found = torch.as_tensor(given, dtype=dtype, device="cpu") if dtype is not None and is_real else held
    except REFUSED as error:
        raise ModelError(f"{name}: expected numbers, got {reprlib.repr(given)}: {_first_line(error)}") from error
    if not is_real:
        kind = f"{held.dtype}, {held.layout}, on the device {held.device}"
        raise ModelError(f"{name}: expected real numbers in a dense tensor, got {kind}")
    return found


def _first_line(error: BaseException) -> str:
    """The first line of torch's message, which may go on with a list of signatures."""
    return (str(error).splitlines() or [type(error).__name__])[0]
