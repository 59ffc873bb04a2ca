"""Where the cells of a command run: the device, the executor, and how many at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench import environment
from bench.console import BadInput
from bench.run import share_gpu
from bench.run.executors import EXECUTORS
from bench.run.executors.cluster_connection import require_ray
from bench.spec.cells import Cell
from bench.spec.schema import suggest
from infogan.cores import usable_cores
from infogan.runtime import available_device


@dataclass(frozen=True)
class Placement:
    """What the command line says of it. ``jobs``: cells at a time; ``together``: seeds of an arm in one process."""

    device: str
    executor: str = "local"
    ray_address: str | None = None
    jobs: int | None = None
    together: int | None = None

    @classmethod
    def of(
        cls, device: str, executor: str, ray_address: str | None, jobs: int | None, together: int | None
    ) -> "Placement":
        """The placement, with the device that "auto" means. Raises BadInput for options that do not go together.

        A cluster's workers may have a GPU that the launcher lacks.
        """
        if executor not in EXECUTORS:
            raise BadInput(f"unknown executor {executor!r}{suggest(executor, list(EXECUTORS))}")
        if executor == "ray":
            require_ray(ray_address)
        elif ray_address:
            raise BadInput("--ray-address needs --executor ray")
        if together and executor != "local":
            raise BadInput("--together needs --executor local: a cluster's task is one cell")
        if together and jobs and together > jobs:
            raise BadInput(f"--together {together} exceeds --jobs {jobs}, the number of cells at a time")
        is_clusters_gpu = executor == "ray" and device == "cuda"
        return cls(device if is_clusters_gpu else found_device(device), executor, ray_address, jobs, together)

    @property
    def is_local(self) -> bool:
        return self.executor == "local"

    def require_bf16(self, cells: Sequence[Cell]) -> None:
        """Raise BadInput if a cell needs products that this GPU lacks. On a CPU they are slow without instructions."""
        is_here = self.device == "cuda" and self.is_local
        if is_here and any(cell.is_rounded for cell in cells) and not environment.multiplies_bf16("cuda"):
            raise BadInput("precision = 'bf16': this GPU has no products in bfloat16; choose 'float32' or 'tf32'")

    def share(self, cells: Sequence[Cell]) -> share_gpu.Share:
        """How many of these cells run at a time on the local executor; a cluster decides for itself."""
        wanted = self.together or 1
        if self.jobs or self.device == "cpu":
            return share_gpu.Share(self.jobs or max(usable_cores(), wanted), together=wanted)
        if not self.is_local:
            return share_gpu.Share(1)
        chosen = share_gpu.share(cells, share_gpu.free_memory_bytes(), usable_cores())
        if self.together:
            return replace(chosen, jobs=max(chosen.jobs, wanted), together=wanted)
        return chosen


def found_device(wanted: str, advice: str = "") -> str:
    """``wanted``, or the device that "auto" means. Raises BadInput, with the advice, for one that is not there."""
    try:
        return available_device(wanted)
    except ValueError as error:
        raise BadInput(f"{error}{advice}") from error
