"""Process settings for training: device, threads, heap, and the precision of GPU products."""

import ctypes
import ctypes.util
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from infogan.cores import usable_cores

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["float32", "tf32", "bf16"]  # of matrix products and convolutions; weights and Adam stay float32


def available_device(requested: str = "auto") -> str:
    """Resolve ``auto`` to ``cuda`` if torch can use a GPU, else ``cpu``.

    Raises ValueError if the device is not available.

    torch is imported only if a GPU driver is present, so the answer is immediate on a machine without one.
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
    """Make glibc keep large freed blocks in its heap, which avoids page faults for large tensors in every step.

    Saves 2 to 3 % of a step on the machines measured, more with Winograd convolutions. Returns False if the C library
    is not glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3  # malloc.h: M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD
    return all([mallopt(mmap_threshold, 2**31 - 1), mallopt(trim_threshold, 2**31 - 1), mallopt(top_pad, 256 << 20)])


def peak_memory_mb() -> float:
    """Peak resident memory of this process, in MiB, including pages shared with its parent process."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def release_heap() -> None:
    """Return free heap pages to the system once, after :func:`keep_heap` kept them."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


GPU_WORKER_THREADS = 2  # CPU threads: many cells share the host of a GPU, and each would use all of its cores


def prepare_worker(device: str) -> None:
    """Prepare a fresh process to train one cell.

    On a CPU it uses one thread, so that results do not depend on the load.
    """
    import torch

    torch.manual_seed(0)  # nothing should draw from the global stream; if something does, it is at least repeatable
    if device == "cpu":
        torch.set_num_threads(1)
        keep_heap()
    else:
        torch.set_num_threads(min(GPU_WORKER_THREADS, usable_cores()))
        _set_gpu_products(["ieee"] * 3)  # for measures; training sets its own precision


def _product_switches() -> list[Any]:
    """PyTorch's settings for the precision of float32 products on a GPU."""
    import torch

    backends: Any = torch.backends
    return [backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn]


def _set_gpu_products(values: Sequence[str]) -> None:
    """Set the precision of GPU products.

    The older switches come first: PyTorch raises an error if old and new disagree.
    """
    import torch

    torch.backends.cuda.matmul.allow_tf32 = values[0] == "tf32"
    torch.backends.cudnn.allow_tf32 = values[1] == "tf32"
    for switch, value in zip(_product_switches(), values, strict=True):
        switch.fp32_precision = value


@contextmanager
def gpu_products(precision: Precision) -> Iterator[None]:
    """Context in which a GPU rounds the factors of float32 products to TF32, or does not; no effect on a CPU.

    The switches belong to the process and are restored at the end, so that trainers of several precisions can take
    turns. PyTorch's own default uses TF32 for convolutions but not for matrix products; "float32" disables both.
    """
    before = [switch.fp32_precision for switch in _product_switches()]
    try:
        _set_gpu_products(["tf32" if precision == "tf32" else "ieee"] * 3)
        yield
    finally:
        _set_gpu_products(before)
