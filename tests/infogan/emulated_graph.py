"""``torch.cuda.CUDAGraph`` on a CPU: operations are recorded as dispatched, and replayed into the same tensors.

As on a GPU, capturing leaves no trace: what the recorded operations overwrite is restored, and so is a generator's
state.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, Any, Any, Any]] = []
        self._before: dict[int, tuple[Tensor, Tensor]] = {}
        self._states: dict[int, tuple[torch.Generator, Tensor]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        for argument, value in zip(func._schema.arguments, args, strict=False):
            if argument.alias_info is not None and argument.alias_info.is_write:
                self._keep(value)
        for argument in func._schema.arguments:
            if argument.name in kwargs and argument.alias_info is not None and argument.alias_info.is_write:
                self._keep(kwargs[argument.name])
        for value in tree_flatten((args, kwargs))[0]:
            if isinstance(value, torch.Generator):
                self._states.setdefault(id(value), (value, value.get_state()))
        result = func(*args, **kwargs)
        self.operations.append((func, args, kwargs, result))
        return result

    def _keep(self, value: Any) -> None:
        for tensor in tree_flatten(value)[0]:
            if isinstance(tensor, Tensor):
                self._before.setdefault(id(tensor), (tensor, tensor.detach().clone()))

    def put_back(self) -> None:
        with torch.no_grad(), torch._C.DisableTorchFunction():
            for tensor, before in reversed(self._before.values()):
                tensor.detach().copy_(before)
        for generator, state in self._states.values():
            generator.set_state(state)


class _Graph:
    """Replays the recorded operations. ``registered``: its generators; ``stream``: that on which it was captured."""

    stream: "_Stream"

    def __init__(self) -> None:
        self.operations: list[tuple[Any, Any, Any, Any]] = []
        self.registered: list[torch.Generator] = []

    def register_generator_state(self, generator: torch.Generator) -> None:
        self.registered.append(generator)

    def replay(self) -> None:
        with torch.no_grad(), torch._C.DisableTorchFunction():
            for func, args, kwargs, recorded in self.operations:
                again = func(*args, **kwargs)
                for old, new in zip(tree_flatten(recorded)[0], tree_flatten(again)[0], strict=True):
                    if isinstance(old, Tensor) and old.numel() and old.data_ptr() != new.data_ptr():
                        old.detach().copy_(new)


@contextmanager
def _recording(graph: _Graph) -> Iterator[None]:
    recorder = _Recorder()
    try:
        with recorder:
            yield
    finally:
        recorder.put_back()
    graph.operations = recorder.operations


class _Capture:
    """``torch.cuda.graph``, which captures all graphs on one stream of the class unless that is replaced."""

    default_capture_stream: "_Stream | None" = None

    def __init__(self, graph: _Graph) -> None:
        if self.default_capture_stream is None:
            type(self).default_capture_stream = _Stream()
        assert self.default_capture_stream is not None
        graph.stream = self.default_capture_stream
        self._recording = _recording(graph)

    def __enter__(self) -> None:
        self._recording.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._recording.__exit__(*error)


class _Stream:
    def wait_stream(self, other: "_Stream") -> None:
        pass


@contextmanager
def _on_stream(stream: _Stream) -> Iterator[None]:
    yield


def emulate_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Emulate graphs until the test ends."""
    monkeypatch.setattr(torch.cuda, "CUDAGraph", _Graph)
    monkeypatch.setattr(_Capture, "default_capture_stream", None)
    monkeypatch.setattr(torch.cuda, "graph", _Capture)
    monkeypatch.setattr(torch.cuda, "Stream", _Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda *_: _Stream())
    monkeypatch.setattr(torch.cuda, "stream", _on_stream)
