"""A cell's training history, the metrics of every iteration, and its serialisation as history.npz."""

import io
from dataclasses import dataclass

import numpy as np

from bench.records.storage import CorruptRecord
from infogan.data.npz import NpzError, read_npz


@dataclass(frozen=True)
class History:
    """Metrics per iteration: ``values`` (T, M) float, columns ``names``; and step times in ms per timed stretch."""

    names: tuple[str, ...]
    values: np.ndarray
    step_iterations: np.ndarray  # (S,) last iteration of each timed stretch
    step_ms: np.ndarray  # (S,) mean step time in it

    def column(self, name: str) -> np.ndarray:
        """One metric over all iterations, (T,)."""
        return self.values[:, self.names.index(name)]

    def __len__(self) -> int:
        return len(self.values)

    def to_bytes(self) -> bytes:
        """Serialise as an npz archive."""
        content = io.BytesIO()
        np.savez(
            content,
            names=np.array(self.names),
            values=self.values,
            step_iterations=self.step_iterations,
            step_ms=self.step_ms,
        )
        return content.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "History":
        """Inverse of :meth:`to_bytes`. Raises CorruptRecord."""
        try:
            a = read_npz(content)
            history = cls(tuple(str(n) for n in a["names"]), a["values"], a["step_iterations"], a["step_ms"])
        except (NpzError, KeyError, TypeError) as error:
            raise CorruptRecord(f"history.npz: not a history: {error}") from error
        numeric = all(array.dtype.kind in "fiu" for array in (history.values, history.step_iterations, history.step_ms))
        if not numeric or history.values.ndim != 2 or history.values.shape[1] != len(history.names):
            raise CorruptRecord("history.npz: not a history: names and values do not match")
        return history
