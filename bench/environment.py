"""What is recorded of the machine and the code: an allow-list, with no host names, users, paths or variables."""

import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from infogan.runtime import usable_cores
from infogan.version import code_digest, library_versions

ROOT = Path(__file__).parent.parent  # of this checkout
PACKAGES = ("torch", "torchvision", "numpy", "scipy", "mlxtend", "mlflow", "pandas", "matplotlib")


def key_versions() -> dict[str, str]:
    """The versions that a cell's key holds: torch and the training code."""
    return {**library_versions(("torch",)), "training_code": code_digest()}


def record(device: str) -> dict[str, Any]:
    """Everything worth knowing of where a result came from."""
    return {
        "python": platform.python_version(),
        "packages": library_versions(PACKAGES),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_model(),
        "cores": usable_cores(),
        "device": device,
        "gpu": _gpu_name() if device == "cuda" else None,
        "git_commit": git_commit(),
    }


@cache
def _cpuinfo() -> dict[str, str]:
    """What Linux says of the first processor; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().partition("\n\n")[0].splitlines()
    except OSError:
        return {}
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def cpu_model() -> str:
    """The processor's own name."""
    return _cpuinfo().get("model name") or platform.processor() or "unknown"


def cpu_kind() -> list[str]:
    """Family, model and instructions: what tells apart processors to which a virtual machine gives one name."""
    return [_cpuinfo().get(name, "") for name in ("cpu family", "model", "flags")]


def node_name() -> str:
    """This machine's name, for messages; records never hold it."""
    return platform.node()


def _gpu_name() -> str:
    import torch

    return torch.cuda.get_device_name()


@cache
def git_commit() -> str:
    """Commit of this checkout, with "+" where tracked files differ from it; "unknown" outside a checkout."""
    try:
        run = [
            subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=10, check=True)
            for arguments in (["rev-parse", "--short=12", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        ]
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return run[0].stdout.strip() + ("+" if run[1].stdout.strip() else "")


def command_line() -> str:
    """The command that is running, as one would type it, without paths of this machine."""
    home = os.path.expanduser("~")
    shown = [a if not os.path.isabs(a) else "DIR" for a in (x.replace(home, "~") for x in sys.argv[1:])]
    return " ".join(["python -m bench", *shown])
