"""A CUDA device emulated in CPU memory: tensors carry a tag, and operations that mix devices are recorded as problems.

It answers torch.cuda's queries, moves nothing, and computes on the CPU. So it finds a tensor that was left on the
host, a generator of the wrong device and a read by the host; it says nothing about numbers or speed on a real GPU.
"""

import importlib
import traceback
from collections.abc import Iterable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map

from tests.infogan.emulated_graph import emulate_graphs

CUDA = torch.device("cuda", 0)
_RealGenerator = torch.Generator
_GET_DEVICE, _GET_IS_CUDA = Tensor.device.__get__, Tensor.is_cuda.__get__
_GET_GRAD, _SET_DATA = Tensor.grad.__get__, Tensor.data.__set__
_READS = (
    "item",
    "__float__",
    "__int__",
    "__bool__",
    "__index__",
    "tolist",
    "nonzero",
    "unique",
    "masked_select",
    "equal",
)
_MAKE = ("zeros", "ones", "empty", "full", "new_", "rand", "arange", "linspace", "tensor", "as_tensor")
_MAY_MIX = (
    *("__get__", "copy_", "__setitem__", "__set__", "requires_grad_", "detach", "size", "dim"),
    *("set_", "register_hook", "is_same_size", "_has_compatible_shallow_copy_type"),
)


class _OnGpu(_RealGenerator):
    @property
    def device(self) -> torch.device:
        return CUDA


class _AnyGenerator(type):
    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, _RealGenerator)


class _Generator(metaclass=_AnyGenerator):
    """Replaces ``torch.Generator``, also in isinstance."""

    def __new__(cls, device: Any = "cpu") -> Any:
        return _OnGpu() if torch.device(device).type == "cuda" else _RealGenerator()


def is_on_gpu(tensor: Any) -> bool:
    return bool(getattr(tensor, "_on_gpu", False))


def _placed(value: Any, on_gpu: bool) -> Any:
    if isinstance(value, Tensor):
        value._on_gpu = on_gpu  # type: ignore[attr-defined]
    return value


def _names_gpu(device: Any) -> bool | None:
    """Whether the arguments name the emulated GPU; None if they name no device."""
    return None if device is None else torch.device(device).type == "cuda"


class EmulatedGpu(TorchFunctionMode):
    """A context in which ``device="cuda"`` works. ``problems``: one line for each operation that a GPU would refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[str] = []
        self.host_reads = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", str(func))
        if func == _GET_DEVICE:
            return CUDA if is_on_gpu(args[0]) else func(*args)
        if func == _GET_IS_CUDA:
            return is_on_gpu(args[0])
        if func == _SET_DATA:
            func(*args)
            _placed(args[0], is_on_gpu(args[1]))
            return None
        if func == _GET_GRAD:
            return _placed(func(*args), is_on_gpu(args[0]))
        if name == "_parse_to":
            return func(*args, **kwargs)
        if name in ("to", "cpu", "cuda"):
            return self._moved(func, name, args, kwargs)
        return self._computed(func, name, args, kwargs)

    def _moved(self, func: Any, name: str, args: Any, kwargs: Any) -> Tensor:
        """``to``, ``cpu`` and ``cuda``: a copy if the device changes, as on a real GPU."""
        source, rest = args[0], []
        wanted = _names_gpu(kwargs.pop("device", None)) if name == "to" else name == "cuda"
        for value in args[1:]:
            if isinstance(value, str | torch.device):
                wanted = _names_gpu(value)
            elif isinstance(value, Tensor):
                wanted = is_on_gpu(value)
                rest.append(value.dtype)
            elif value is not None and not isinstance(value, bool):  # neither no dtype nor non_blocking
                rest.append(value)
        here = is_on_gpu(source)
        there = here if wanted is None else wanted
        self.host_reads += here and not there
        moved = Tensor.to(source, *rest, **kwargs) if rest or kwargs else source
        if moved is source and here != there:
            moved = source.clone() if source.requires_grad and not source.is_leaf else source.detach().clone()
        return _placed(moved, there)

    def _computed(self, func: Any, name: str, args: Any, kwargs: Any) -> Any:
        flat, _ = tree_flatten((args, kwargs))
        tensors = [value for value in flat if isinstance(value, Tensor)]
        some = any(map(is_on_gpu, tensors))
        wanted = _names_gpu(kwargs["device"]) if "device" in kwargs else None
        if "device" in kwargs and wanted is not None:
            kwargs["device"] = "cpu"
        if some:
            self._watch(name, args)
        target = some if wanted is None else wanted
        for generator in (value for value in flat if isinstance(value, _RealGenerator)):
            if isinstance(generator, _OnGpu) != target:
                self._note(f"{name}: a generator of another device than the operation's")
        if name not in _MAY_MIX:
            self._compare(name, args, tensors)
        result = func(*args, **kwargs)
        on_gpu = target or (some and not name.startswith(_MAKE))
        return tree_map(lambda value: _placed(value, on_gpu), result) if on_gpu or wanted is False else result

    def _watch(self, name: str, args: Any) -> None:
        if name in ("numpy", "__array__"):
            self._note(f"{name} of a tensor on the GPU")
        self.host_reads += name in _READS
        if name == "__getitem__":
            index, _ = tree_flatten(args[1])
            self.host_reads += any(isinstance(i, Tensor) and i.dtype in (torch.bool, torch.uint8) for i in index)

    def _compare(self, name: str, args: Any, tensors: Iterable[Tensor]) -> None:
        if name == "__getitem__":
            index, _ = tree_flatten(args[1])
            if not is_on_gpu(args[0]) and any(map(is_on_gpu, index)):
                self._note("a tensor of the host indexed by one of the GPU")
        elif len({is_on_gpu(tensor) for tensor in tensors if tensor.dim()}) == 2:
            self._note(f"{name} of tensors on two devices")

    def _note(self, problem: str) -> None:
        frames = [f for f in traceback.extract_stack() if "/tests/" not in f.filename]
        frames = [f for f in frames if "/infogan/" in f.filename or "/bench/" in f.filename]
        place = frames[-1] if frames else None
        self.problems.append(f"{problem}, {place.filename}:{place.lineno}" if place else problem)


def emulate(monkeypatch: pytest.MonkeyPatch) -> EmulatedGpu:
    """The device as a context manager; torch.cuda's queries are answered and graphs emulated until the test ends."""
    # An optimiser's first step imports it, and it would keep for good what stands in torch.cuda then.
    importlib.import_module("torch._dynamo")
    emulate_graphs(monkeypatch)
    monkeypatch.setattr(torch, "Generator", _Generator)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "emulated")
    monkeypatch.setattr(torch.cuda, "synchronize", lambda *_: None)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    health = "_accelerator_graph_capture_health_check"  # of torch 2.14's optimisers: it asks the driver
    monkeypatch.setattr(torch.optim.Optimizer, health, lambda _: None, raising=False)
    load = torch.load

    def load_there(file: Any, *args: Any, map_location: Any = None, **kwargs: Any) -> Any:
        on_gpu = _names_gpu(map_location)
        content = load(file, *args, map_location="cpu" if on_gpu else map_location, **kwargs)
        return tree_map(lambda value: _placed(value, True), content) if on_gpu else content

    monkeypatch.setattr(torch, "load", load_there)
    return EmulatedGpu()
