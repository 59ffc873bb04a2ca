"""Give mutants to a reader and count the outcomes: read, refused as promised, or else a finding."""

import random
import resource
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tally import MUTANTS

MAX_GROWTH_MB = 1024  # for the process over all mutants: absurd sizes are refused before memory is allocated


def counts(fast: int, slow: int) -> pytest.MarkDecorator:
    """Run a test with ``num`` mutants: few, and many where slow tests run."""
    return pytest.mark.parametrize(
        "num", [fast, pytest.param(slow, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
    )


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def fuzz(
    reader: str,
    num: int,
    seed: int,
    read: Callable[[random.Random], None],
    promised: type[Exception] | tuple[type[Exception], ...],
    keep: Callable[[], dict[str, bytes]],
    folder: Path,
) -> Counter[str]:
    """``read`` writes mutant ``k`` from its generator and reads it.

    An error of a type that is not ``promised``, or of several lines, fails with the mutant's number; ``keep`` gives
    the mutant's files, which then stay in ``folder``.
    """
    counts = MUTANTS.setdefault(reader, Counter())
    before_mb = peak_mb()
    for k in range(num):
        try:
            read(random.Random(f"{seed} {reader} {k}"))
            counts["accepted"] += 1
        except promised as error:
            if not str(error).isprintable():  # several lines, or characters that control the terminal
                counts["findings"] += 1
                raise AssertionError(f"{reader}, mutant {k} of seed {seed}: {error!r} is no plain line") from error
            counts["refused"] += 1
        except Exception as error:
            counts["findings"] += 1
            for name, content in keep().items():
                (folder / f"mutant-{k}-{name}").write_bytes(content)
            raise AssertionError(f"{reader}, mutant {k} of seed {seed}, kept in {folder}: {error!r}") from error
    assert peak_mb() - before_mb < MAX_GROWTH_MB
    return counts
