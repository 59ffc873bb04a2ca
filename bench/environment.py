"""Description of the machine and the code for records: an allow-list without host names, users or paths."""

import os
import platform
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TypedDict, cast

from infogan.cores import usable_cores
from infogan.data import DataInfo
from infogan.version import code_digest, library_versions

ROOT = Path(__file__).parent.parent  # root of this checkout
PACKAGES = ("torch", "torchvision", "numpy", "scipy", "mlxtend", "mlflow", "pandas", "matplotlib")
# environment variables that can change a result's last bits: the instructions that libraries use, and their rounding
BIT_VARIABLES = (
    *("ATEN_CPU_CAPABILITY", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "MKL_DEBUG_CPU_TYPE"),
    *("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE", "DNNL_DEFAULT_FPMATH_MODE"),
    *("CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"),
)
MAX_VARIABLE = 64  # characters of a value; valid ones are shorter
BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16", "svebf16"}  # x86's first, then Arm's


class Environment(TypedDict, total=False):
    """Origin of a result. Records of earlier versions may lack fields."""

    python: str
    packages: dict[str, str]
    platform: str
    cpu: str
    processor: str
    variables: dict[str, str]
    cores: int
    device: str
    gpu: str | None
    git_commit: str


class DataRecord(TypedDict, total=False):
    """The data that a cell was trained on."""

    name: str
    source: str
    note: str
    digest: str
    is_papers: bool
    num_train: int


def key_versions() -> dict[str, str]:
    """The versions that are part of a cell's key: torch and the training code."""
    return {**library_versions(("torch",)), "training_code": code_digest()}


def record(device: str) -> Environment:
    """Describe the current machine and code, for a result's record."""
    return {
        "python": platform.python_version(),
        "packages": library_versions(PACKAGES),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_model(),
        "processor": processor_kind(),
        "variables": {name: os.environ[name][:MAX_VARIABLE] for name in BIT_VARIABLES if name in os.environ},
        "cores": usable_cores(),
        "device": device,
        "gpu": _gpu_name() if device == "cuda" else None,
        "git_commit": git_commit(),
    }


def data_record(info: DataInfo) -> DataRecord:
    """Description of the data in a cell's record."""
    return cast(DataRecord, {name: getattr(info, name) for name in DataRecord.__annotations__})


@cache
def _cpuinfo() -> dict[str, str]:
    """Linux's description of the first processor; empty on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text().partition("\n\n")[0].splitlines()
    except OSError:
        return {}
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _cpu_flags() -> set[str]:
    info = _cpuinfo()
    return set((info.get("flags") or info.get("Features") or "").split())


def cpu_model() -> str:
    """Name of the processor."""
    return _cpuinfo().get("model name") or platform.processor() or "unknown"


def processor_kind() -> str:
    """Vendor and widest instruction set, such as ``amd-avx512``. There are few kinds, so similar machines share one.

    It selects between implementations of a layer, and mostly decides a result's last bits.
    """
    info, has = _cpuinfo(), _cpu_flags()
    if platform.machine() in ("aarch64", "arm64"):
        return "arm-sve" if "sve" in has else "arm-neon"
    maker = {"GenuineIntel": "intel", "AuthenticAMD": "amd"}.get(info.get("vendor_id", ""), "other")
    if has >= {"avx512f", "avx512bw", "avx512dq", "avx512vl"}:
        return f"{maker}-amx" if "amx_tile" in has else f"{maker}-avx512"
    return f"{maker}-avx2" if has >= {"avx2", "fma"} else f"{maker}-plain"


def multiplies_bf16(device: str) -> bool:
    """Whether this machine's ``device``, "cpu" or "cuda", has instructions that multiply bfloat16.

    Without them such products still run, but emulated.
    """
    if device != "cuda":
        return bool(_cpu_flags() & BF16_FLAGS)
    import torch

    return torch.cuda.is_bf16_supported(including_emulation=False)


def node_name() -> str:
    """This machine's name, for messages; records never contain it."""
    return platform.node()


def _gpu_name() -> str:
    import torch

    return torch.cuda.get_device_name()


def git_environment() -> dict[str, str]:
    """This process's environment without the variables that lead git to another repository, such as GIT_DIR."""
    return {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k.startswith("GIT_CONFIG")}


@cache
def git_commit() -> str:
    """Commit of this checkout, with "+" if tracked files are modified; "unknown" if this is not a checkout.

    Ignores a repository around an unpacked archive, one that GIT_DIR points to, and one that does not track this file.
    """
    ours = git_environment()
    git = ["git", f"--git-dir={ROOT / '.git'}", f"--work-tree={ROOT}", "--no-optional-locks"]
    asked = (
        ["ls-files", "--error-unmatch", str(Path(__file__).relative_to(ROOT))],
        ["rev-parse", "--short=12", "HEAD"],
        ["status", "--porcelain", "--untracked-files=no"],
    )
    try:
        _, head, status = [
            subprocess.run(
                [*git, *question], cwd=ROOT, env=ours, capture_output=True, text=True, timeout=10, check=True
            )
            for question in asked
        ]
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return head.stdout.strip() + ("+" if status.stdout.strip() else "")


def command(*words: object) -> str:
    """``python -m bench`` with these words, for a user to copy: each is quoted where a shell would misread it."""
    return " ".join(["python -m bench", *(_quoted(str(word)) for word in words)])


def _quoted(word: str) -> str:
    before, home, rest = word.partition("~/")  # which stays bare: the shell replaces it
    return "".join([before and shlex.quote(before), home, rest and shlex.quote(rest)]) or "''"


def command_line() -> str:
    """The running command as a user would type it, without absolute paths and addresses."""
    return command(*map(_shown, sys.argv[1:]))


def _shown(argument: str) -> str:
    """Replace the home folder in a path by "~", and any other absolute path or address by "DIR"."""
    flag, equals, value = argument.partition("=") if argument.startswith("-") else ("", "", argument)
    if not os.path.isabs(value) and "://" not in value:
        return argument
    home = Path(os.path.expanduser("~"))
    path = Path(os.path.normpath(value))
    has_home = home.is_absolute() and home != Path(home.anchor)
    shown = f"~/{path.relative_to(home)}" if has_home and path.is_relative_to(home) else "DIR"
    return f"{flag}{equals}{shown}"
