"""Settings of the process a cell trains in: device, threads, heap."""

import ctypes
import ctypes.util
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from infogan.cores import usable_cores

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["float32", "tf32", "bf16"]  # of products and convolutions; weights and Adam stay as they are


def available_device(requested: str = "auto") -> str:
    """``cuda`` where torch can use a GPU, else ``cpu``; raises ValueError where a requested device is not there.

    torch is imported only if a driver is present, so that a machine without a GPU answers at once.
    """
    if requested not in ("auto", "cpu", "cuda"):
        raise ValueError(f"unknown device {requested!r}, choose from auto, cpu, cuda")
    if requested == "cpu":
        return "cpu"
    if _driver_present():
        import torch

        if torch.cuda.is_available():
            return "cuda"
    if requested == "cuda":
        raise ValueError("device 'cuda' was asked for, but torch sees no GPU; use 'cpu' or 'auto'")
    return "cpu"


def _driver_present() -> bool:
    return any(Path(node).exists() for node in ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd"))


def keep_heap() -> bool:
    """Let glibc serve large tensors from a heap that it never gives back: no page faults for them in every step.

    Worth 2 to 3 % of a step here, more with Winograd convolutions. False where the C library is not glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3  # malloc.h: M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD
    return all([mallopt(mmap_threshold, 2**31 - 1), mallopt(trim_threshold, 2**31 - 1), mallopt(top_pad, 256 << 20)])


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, MiB; pages shared with the process it was forked from count."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def release_heap() -> None:
    """Give free pages of the heap back to the system once, where :func:`keep_heap` keeps them."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


GPU_WORKER_THREADS = 2  # of a CPU's: many cells share a GPU's host, and each would take all of its cores


def prepare_worker(device: str) -> None:
    """Make a fresh process ready to train one cell: on a CPU one thread, so that neighbours cannot change its bits."""
    import torch

    torch.manual_seed(0)  # nothing draws from the global stream; if something did, it would repeat
    if device == "cpu":
        torch.set_num_threads(1)
        keep_heap()
    else:
        torch.set_num_threads(min(GPU_WORKER_THREADS, usable_cores()))
        _set_gpu_products(["ieee"] * 3)  # for measuring; training says for itself what it wants


def _product_switches() -> list[Any]:
    """Where PyTorch keeps how a GPU rounds float32 products."""
    import torch

    backends: Any = torch.backends
    return [backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn]


def _set_gpu_products(values: Sequence[str]) -> None:
    """The older switches first: unless they agree with the newer ones, whoever reads them meets an error."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = values[0] == "tf32"
    torch.backends.cudnn.allow_tf32 = values[1] == "tf32"
    for switch, value in zip(_product_switches(), values, strict=True):
        switch.fp32_precision = value


@contextmanager
def gpu_products(precision: Precision) -> Iterator[None]:
    """Inside, a GPU rounds the factors of float32 products to TF32, or keeps them; a CPU has no such thing.

    The switches belong to the process and are put back, so that trainers of several precisions may take turns.
    PyTorch's own default rounds those of convolutions and keeps those of matrix products: "float32" keeps both.
    """
    before = [switch.fp32_precision for switch in _product_switches()]
    try:
        _set_gpu_products(["tf32" if precision == "tf32" else "ieee"] * 3)
        yield
    finally:
        _set_gpu_products(before)
