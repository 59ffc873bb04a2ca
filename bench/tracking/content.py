"""What is mirrored of a cell's record, as plain values: points, files, and texts for the UI."""

import contextlib
import json
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bench.analysis import pictures
from bench.analysis.definitions import own_settings
from bench.analysis.summary import categorical_entropy_nats, code_names, measured_values, mi_curve, summarise
from bench.records.folder import CellFolder
from bench.records.history import History
from bench.records.identity import Identity
from bench.records.schema import Measures, Result
from bench.records.storage import plain_text
from bench.spec.cells import Cell
from bench.spec.config import Definition

NOTE, COLOUR = "mlflow.note.content", "mlflow.runColor"  # tags that users may edit in the UI
# Okabe and Ito's palette, ordered so that our arms have the colours of the report's figures
COLOURS = ("#56B4E9", "#5A5A5A", "#0072B2", "#B88700", "#CC79A7", "#009E73", "#D55E00")

Points = dict[str, dict[int, float]]  # metric -> iteration -> value
Stored = dict[str, list[tuple[int, float]]]  # metric -> (iteration, value), with repetitions as in the store


# ---------------------------------------------------------------- numbers and files
def recorded_points(config: Definition, history: History) -> Points:
    """All metrics of the history, with iterations from 1. Infinite values are omitted, since MLflow replaces them."""
    curves = {name: history.column(name) for name in history.names}
    for kind in ("categorical", "continuous"):
        curve = mi_curve(config, history, kind)
        if curve is not None:
            curves[f"mi/{kind}"] = curve
    if "mi/categorical" in curves:
        curves["mi/fraction"] = curves["mi/categorical"] / categorical_entropy_nats(config)
    points = {name: _finite_or_nan(enumerate(curve.tolist(), 1)) for name, curve in curves.items()}
    steps = zip(history.step_iterations.tolist(), history.step_ms.tolist(), strict=True)
    return points | {"time/step_ms": _finite_or_nan(steps)}


def are_equal(stored: Stored, points: Points) -> bool:
    """Whether the store holds exactly these values of these metrics, each once. NaN equals NaN."""
    steps = {name: sorted(step for step, _ in column) for name, column in stored.items()}
    return steps == {name: sorted(column) for name, column in points.items()} and contradicts_nothing(stored, points)


def contradicts_nothing(stored: Stored, points: Points) -> bool:
    """Whether all values in both are equal. NaN equals NaN."""
    pairs = [(value, points.get(name, {}).get(step, value)) for name in stored for step, value in stored[name]]
    return all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in pairs)


def _finite_or_nan(column: Iterable[tuple[int, float]]) -> dict[int, float]:
    return {iteration: value for iteration, value in column if not math.isinf(value)}


def summary_points(config: Definition, history: History, result: Result) -> Points:
    """Metrics ``summary/...``, one point each.

    A T80 that was not reached has none, so charts show no bar and it sorts last.

    ``t80_censored`` is then the budget, for means over runs; ``t80_reached`` is 0 or 1.
    """
    summary = summarise(config, history, result)
    if "t80" in summary:
        summary["t80_censored"] = min(summary["t80"], float(config["training"]["iterations"]))
    finals = [summary[f"mi_final_{name}_nats"] for name in code_names(config, "continuous")]
    summary["mi_final"] = summary.get("mi_final_nats", math.fsum(finals))
    return {f"summary/{name}": {0: float(v)} for name, v in summary.items() if math.isfinite(v)}


def t80_words(config: Definition, history: History, result: Result) -> str | None:
    """T80 as text, also if it was not reached; None without a categorical code."""
    t80 = summarise(config, history, result).get("t80")
    if t80 is None:
        return None
    return f"{t80:.1f}" if math.isfinite(t80) else f"not reached in {config['training']['iterations']} iterations"


def measure_points(measures: Measures) -> Points:
    """Metrics ``measure/...`` of every measured family: one point each, or one per probe for a series."""
    points: Points = {f"measure/{name}": {0: value} for name, value in measured_values(measures).items()}
    for family, entry in measures.items():
        columns = dict(entry.series)
        iterations = columns.pop("iteration", [])
        for name, column in columns.items():
            points[f"measure/{family}/{name}"] = dict(zip(map(int, iterations), column, strict=True))
    return points


def artifact_files(folder: CellFolder, identity: Identity) -> Iterator[tuple[str, bytes]]:
    """Paths and contents of the artifacts; images and weights only if the cell has them."""
    for name, table in ("environment", identity.environment), ("config", identity.config):
        yield f"{name}.json", plain_text(table).encode()
    grids, measures = folder.traversals(), folder.measures()
    for family in measures:
        grids |= folder.measured_grids(family)
    for name, grid in grids.items():
        yield f"traversals/{name}.png", pictures.png(name, grid, identity.config["codes"], measures, zoom=2)
    with contextlib.suppress(FileNotFoundError):
        yield folder.weights_name(), folder.weights()


def image_steps(folder: CellFolder, identity: Identity) -> Iterator[tuple[str, int, bytes]]:
    """Key, iteration and PNG of each code's grid at each recorded iteration, for charts that compare runs.

    Labels follow the current measures; images logged before the cell was measured keep the numbers of categories.
    """
    result, measures = folder.result(), folder.measures()
    final = {f"{code}-{result.iterations if result else 0}": grid for code, grid in folder.traversals().items()}
    for name, grid in (folder.snapshots() | final).items():
        code, _, iteration = name.rpartition("-")
        yield f"{code} varies", int(iteration), pictures.png(code, grid, identity.config["codes"], measures, zoom=2)


# ---------------------------------------------------------------- what a person reads
def flatten(config: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Flatten to parameters with dotted names; codes are c1, c2, ...; other lists are JSON."""
    flat: dict[str, str] = {}
    for name, value in config.items():
        if name == "codes" and isinstance(value, list):
            value = {f"c{i}": code for i, code in enumerate(value, 1)}
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = "-" if value is None else value if isinstance(value, str) else json.dumps(value)
    return flat


def labels(cell: Cell) -> dict[str, str]:
    """Labels to group runs by, used as both tags and parameters."""
    named = {"experiment": cell.experiment, "variant": cell.variant or "-", "arm": cell.arm, "group": cell.group}
    return named | {"seed": str(cell.seed)}


def of_arm(cell: Cell) -> dict[str, str]:
    """The arm's differences from its experiment as parameters that sort first: ``arm.learning_rate_q``."""
    return {f"arm.{name}": value for name, value in flatten(own_settings(cell)).items()}


def tags_of(cell: Cell, identity: Identity) -> dict[str, str]:
    config, data, training = cell.config, cell.config["data"], cell.config["training"]
    told = "G is trained on L_I" if any(training["mi_weight_generator"]) else "G is a plain GAN's, trained on no L_I"
    trunk = "trains" if training["mi_trains_trunk"] else "does not train"
    note = (
        f"Arm `{cell.arm}`: {told}, Q's head learns at {training['learning_rate_q']:g} (D "
        f"{training['learning_rate_discriminator']:g}, G {training['learning_rate_generator']:g}) and {trunk} the "
        f"layers it shares with D. It saw {data['num_images']} images of {data['name']} (source {data['source']}, "
        f"digest {data['digest'][:12]}) in {training['iterations']} iterations of {training['batch_size']}."
    )
    return labels(cell) | {
        "profile": cell.profile,
        "cell_key": cell.key,
        "definition_key": cell.definition_key,
        "git_commit": identity.environment["git_commit"],
        "device": config["device"],
        "data_source": data["source"],
        NOTE: note,
        COLOUR: run_colour(cell.arm, cell.seed),
    }


def run_colour(arm: str, seed: int) -> str:
    """Colour of a run: the hue depends on the arm's name, one of five shades on the seed."""
    hue = COLOURS[zlib.crc32(arm.encode()) % len(COLOURS)]
    towards_white = 0.13 * (seed % 5)
    return "#" + "".join(f"{round(c + (255 - c) * towards_white):02X}" for c in bytes.fromhex(hue[1:]))


def shared_view(config: Definition, *, by_arm: bool) -> str:
    """A prepared view of an experiment's charts, in MLflow's undocumented, version-specific format."""
    kinds = [kind for kind in ("categorical", "continuous") if code_names(config, kind)]
    has_t80 = "categorical" in kinds
    bars = ["summary/t80", "summary/mi_final"] if has_t80 else ["summary/mi_final"]
    losses = ["loss/discriminator", "loss/generator"]
    sections = {"Mutual information": [f"mi/{kind}" for kind in kinds] + bars, "Losses": losses}
    plain = {"runsCountToCompare": 100, "deleted": False, "isGenerated": False}
    line = {
        "type": "LINE", "lineSmoothness": 0, "xAxisScaleType": "linear", "scaleType": "linear", "range": {},
        "xAxisKey": "step", "selectedXAxisMetricKey": "", "yAxisKey": "metric", "yAxisExpressions": [],
        "displayPoints": False, "ignoreOutliers": False, "useGlobalXaxisKey": True, "useGlobalLineSmoothing": True,
    }  # fmt: skip
    charts: list[dict[str, Any]] = []
    for section, metrics in sections.items():
        for metric in metrics:
            chart = plain | {
                "uuid": metric,
                "metricSectionId": section,
                "displayName": metric,
                "metricKey": metric,
            }
            charts.append(chart | ({"type": "BAR"} if metric in bars else line | {"selectedMetricKeys": [metric]}))
    widths = {"params.`arm`": 130, "params.`seed`": 60} | {f"metrics.`{bar}`": 130 for bar in bars}
    widths |= {"tags.`t80`": 100} if has_t80 else {}  # pixels, in column order; the tag can say "not reached"
    order = ["attributes.`Run Name`", "runDateAndNestInfo", *widths, "duration"]
    view = {
        "searchFilter": "", "orderByKey": "tags.`mlflow.runName`", "orderByAsc": True, "startTime": "ALL",
        "lifecycleFilter": "Active", "datasetsFilter": [], "modelVersionFilter": "All Runs",
        "selectedColumns": list(widths), "columnOrder": order, "columnWidths": widths,
        "runsExpanded": {}, "runsPinned": [], "runsHidden": [], "runsVisibilityMap": {}, "runsHiddenMode": "SHOW_ALL",
        "compareRunCharts": charts,
        "compareRunSections": [
            {"uuid": name, "name": name, "display": True, "isReordered": True, "deleted": False, "isGenerated": False}
            for name in sections
        ],
        "viewMaximized": False, "runListHidden": False, "isAccordionReordered": True, "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True, "groupsExpanded": {}, "autoRefreshEnabled": True,
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
    }  # fmt: skip
    if by_arm:
        view["groupBy"] = {"aggregateFunction": "average", "groupByKeys": [{"mode": "param", "groupByData": "arm"}]}
    return json.dumps(view, separators=(",", ":"))
