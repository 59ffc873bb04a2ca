"""What ``plan`` and ``run`` print of cells: their data and settings, their states, the time and disk space left."""

from bench import environment
from bench.console import escape, plural, say
from bench.context import Context
from bench.run.plan import PlannedCell
from bench.run.time_left import duration
from bench.run.work import Estimate, estimate
from bench.spec.treatment import treatment_set


def print_data(context: Context) -> None:
    """Print each experiment's data, and its settings from the command line."""
    for name, info in context.infos.items():
        style = "green" if info.is_papers else "yellow"
        say(f"[bold]{escape(name)}[/bold]: [{style}]{escape(info.note)}[/{style}] (digest {info.digest[:12]})")
        for line in treatment_set(context.spec, name, context.profiles[name]):
            say(f"[bold]{escape(name)}[/bold]: set [cyan]{escape(line)}[/cyan]")
        for line in _precision(context, name):
            say(f"[bold]{escape(name)}[/bold]: {escape(line)}")


def _precision(context: Context, name: str) -> list[str]:
    """A line where an experiment's cells are trained in bfloat16 by choice of ``auto``, or slowly by the user's."""
    rounded = [cell for cell in context.cells if cell.experiment == name and cell.is_rounded]
    chosen = {str(cell.config["network"]["chosen_for"]) for cell in rounded if "chosen_for" in cell.config["network"]}
    kinds = ", ".join(sorted(chosen))
    exactly = """--set 'network.precision="float32"'"""
    lines = [f"in bfloat16, which is faster on {kinds} ({exactly} for float32)"] if kinds else []
    if rounded and context.placement.device == "cpu" and not environment.multiplies_bf16("cpu"):
        lines.append("this processor has no instructions for bfloat16: slower than float32")
    return lines


def print_estimate(context: Context, planned: list[PlannedCell], jobs: int) -> Estimate | None:
    """Print the number of cells per state, and what the remaining ones take; return that, or None if none remains."""
    counts = {state: sum(p.state == state for p in planned) for state in dict.fromkeys(p.state for p in planned)}
    say(f"{plural(len(planned), 'cell')}: " + ", ".join(f"{n} {state}" for state, n in counts.items()))
    if outdated := sum(p.lacks_weights for p in planned):
        say(f"{outdated} of them came without weights, so not all their measures are of this code")
    folders = [(context.results / p.cell.folder).parent for p in planned if p.state == "missing"]
    if beside := sum(folder.is_dir() and any(folder.iterdir()) for folder in folders):
        others = "records of other settings, data, versions or kinds of processor"
        say(f"{others} are here for {plural(beside, 'missing cell')}")
    if not any(p.to_run for p in planned):
        return None
    left = estimate(context.results, planned, jobs)
    basis = "from the cells finished here" if left.measured else "a guess: nothing was measured here yet"
    say(f"left: about {duration(left.seconds)} with {jobs} at a time ({basis})")
    if left.peak_bytes:
        say(f"disk: {size_text(left.kept_bytes)}, and at most {size_text(left.peak_bytes)} while it runs")
    if context.share.reason:
        say(f"{jobs} at a time on the GPU: {context.share.reason}; --jobs overrides this")
    if context.share.together > 1:
        say(f"up to {context.share.together} seeds of an arm share a process (--together)")
    return left


def size_text(num_bytes: float) -> str:
    """Bytes as text, such as "1.5 GB" or "20 MB"."""
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.0f} MB"
