"""``python -m bench.publish.estimate_proof``: holds ``plan --estimate`` against a sweep that is then run here.

Estimate, sweep, estimate: the sweep is compared with the mean of both, and how far they differ tells how steady the
machine was. Two to four minutes on two quiet cores.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.commands.run import task_maker
from bench.context import DEFAULT_SPEC, Context
from bench.publish.documents import parser_of
from bench.run import plan as grid
from bench.run.estimate import Left, left, measure
from bench.run.executors.local import LocalExecutor, StopRequest

TOLERANCE = 0.25  # of the estimate
EXPERIMENT = """

[experiments.estimated]
title = "Cells of some seconds"
data = "mnist"
source = "embedded"
architecture = "mnist"
noise = { size = 62 }
codes = [{ kind = "categorical", num_categories = 10 }]
arms = ["infogan", "gan"]
seeds = [0, 1, 2]
paper = { iterations = 100, width = 1.0, num_images = 60000 }

[experiments.estimated.profiles.cpu]
iterations = 200
width = 0.25
"""


def estimated(spec: Path, results: Path) -> Left:
    """The estimate of ``plan --estimate``. Raises RuntimeError where a cell could not be measured."""
    context = Context(["estimated"], spec=spec, results=results, profile="cpu", device="cpu")
    planned = grid.plan(results, context.cells, context.uri)
    task_of = task_maker(context, 60.0, None)
    measured = measure(planned, task_of, LocalExecutor(context.share.jobs, context.share.together), StopRequest())
    if measured.failures:
        raise RuntimeError(measured.failures[0])
    return left(results, planned, measured, context.share.jobs)


def swept_s(spec: Path, results: Path) -> float:
    """Wall seconds of the sweep's command, its start and its mirror included."""
    command = [sys.executable, "-m", "bench", "run", "estimated", "--profile", "cpu", "--device", "cpu"]
    started = time.perf_counter()
    subprocess.run([*command, "--spec", str(spec), "--results", str(results)], cwd=DEFAULT_SPEC.parent, check=True)
    return time.perf_counter() - started


def main() -> int:
    """0: within the tolerance; 1: not; 3: the machine was not steady enough to tell."""
    parser_of("estimate_proof", __doc__).parse_args()
    with tempfile.TemporaryDirectory(prefix="infogan-estimate-proof-") as home:
        folder = Path(home)
        spec = folder / "experiments.toml"
        spec.write_text(DEFAULT_SPEC.read_text() + EXPERIMENT)
        before = estimated(spec, folder / "results")
        sweep_s = swept_s(spec, folder / "results")
        after = estimated(spec, folder / "never-run")
        kept_bytes = sum(path.stat().st_size for path in (folder / "results").rglob("*") if path.is_file())
    mean_s, apart = (before.seconds + after.seconds) / 2, abs(after.seconds / before.seconds - 1)
    ratio = sweep_s / mean_s
    print(f"estimated {before.seconds:.0f} s before and {after.seconds:.0f} s after; the sweep took {sweep_s:.0f} s")
    print(f"sweep / estimate {ratio:.2f}; disk {kept_bytes / before.kept_bytes:.2f} of the estimate")
    if apart > TOLERANCE:
        print(f"the two estimates differ by {apart:.0%}: the machine's load changed, this tells nothing")
        return 3
    return 0 if abs(ratio - 1) <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
