"""The regression gate's history: T80 against the baseline over commits."""

from collections.abc import Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from bench.report.figures.style import PANEL, STYLE, Drawing, save

OUTCOME_MARKERS = {"ok": ("o", "#009E73"), "regressed": ("X", "#D55E00"), "inconclusive": ("D", "#B88700")}


def draw_history(checks: Sequence[dict[str, Any]], group: str) -> Drawing | None:
    """MI convergence over commits: the T80 ratio to the baseline of each check of one arm, with its interval."""
    arms = [(check, check["arms"].get(group)) for check in checks]
    shown = [(check, arm) for check, arm in arms if arm is not None and arm["ratio"] is not None]
    if not shown:
        return None
    with rc_context(STYLE):
        figure = Figure(figsize=(8.4, 3.2))
        axes = figure.add_axes((PANEL[0], 0.25, 0.9, 0.7))
        bounds = {name: value for name in ("tolerance", "margin") if (value := shown[-1][0].get(name)) is not None}
        for height in (1.0, *(1 + value for value in bounds.values())):
            axes.axhline(height, color="#888888", linewidth=0.7, dashes=(1, 2) if height > 1 else (None, None))
        for x, (check, arm) in enumerate(shown):
            marker, colour = OUTCOME_MARKERS.get(check["outcome"], ("D", "#B88700"))
            ends = [arm["ratio"] if v is None else v for v in (arm["low"], arm["high"])]
            axes.plot([x, x], ends, color=colour, linewidth=1.4)
            axes.plot([x], [arm["ratio"]], marker=marker, color=colour, markersize=7, markeredgecolor="black")
        axes.set_xticks(
            range(len(shown)), [f"{c.get('commit', '?')[:8]}\n{_outcome(c, group)}" for c, _ in shown], fontsize=7
        )
        axes.set_xlim(-0.6, max(len(shown) - 0.4, 3.6))
        axes.set_ylabel("T80, ratio to the baseline")
        dotted = " and ".join(f"the {name} of {100 * value:g} %" for name, value in bounds.items())
        dotted = f"Dotted: the newest check's rule, {dotted}. " if dotted else ""
        caption = (
            "Each check against the stored baseline, oldest first: T80's ratio with its interval; above 1 is slower. "
            f"{dotted}{_throughput(shown[-1][0].get('throughput'))}"
        )
        return save(figure, "history", f"MI convergence over commits, {group}", caption)


def _outcome(check: dict[str, Any], group: str) -> str:
    """``ok``, or ``ok, but slower`` where a change within the tolerance was shown."""
    change = check.get("change", {}).get(group, {})
    words = [w for name, w in (("t80", "slower"), ("final", "lower L_I")) if change.get(name) == "worse"]
    return f"ok, but {' and '.join(words)}" if words and check["outcome"] == "ok" else str(check["outcome"])


def _throughput(measured: dict[str, Any] | None) -> str:
    if not measured:
        return "Throughput was not measured beside the newest check."
    return (
        f"Beside the newest check the fused step took {measured['ratio']:.3f} [{measured['low']:.3f}, "
        f"{measured['high']:.3f}] of the reference step's time ({measured['network']}, batch {measured['batch_size']})."
    )
