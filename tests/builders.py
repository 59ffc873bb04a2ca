"""What many tests start from: a small experiments file, its cells, and records as the harness writes them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bench.analysis.runs import Run
from bench.records.folder import CellFolder
from bench.records.history import History
from bench.records.schema import Measured, Result
from bench.spec.cells import Cell
from bench.spec.resolve import Machine, cells
from bench.spec.selection import Selection
from bench.spec.tables import Spec, load_spec
from infogan.data import DataInfo

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / "experiments.toml"
DATA = DataInfo("mnist", "embedded", "note", "ab" * 32, 4000, 1000, False)
PAPERS_DATA = DataInfo("mnist", "files", "Real MNIST.", "ab" * 32, 60000, 10000, True)
VERSIONS = {"torch": "2.14.1", "training_code": "0" * 16}
SECONDS = {"train": 45.0, "checkpoint": 0.5, "evaluate": 3.0, "prepare": 0.1}
TINY = """
[defaults.training]
batch_size = 32
learning_rate_discriminator = 2e-4
learning_rate_generator = 1e-3
learning_rate_q = "discriminator"
mi_weight = 1.0
mi_weight_generator = "same"
mi_trains_trunk = true
beta1 = 0.5
beta2 = 0.999
adam_eps = 1e-8
latents = "fresh"
step = "fused"

[defaults.network]
slope = 0.1
init = "normal"
init_std = 0.02
gain_std = 0.02
batch_norm_eps = 1e-5
batch_norm_order = "before"
kernels = "torch"

[arms.infogan]

[arms.gan]
mi_weight_generator = 0.0
mi_trains_trunk = false

[arms.broken]
note = "Q's standard deviation runs into 0 or infinity at once."
learning_rate_q = 1.0

[experiments.tiny]
title = "A sweep of seconds"
data = "mnist"
source = "embedded"
architecture = "mnist"
noise = { size = 10 }
codes = [{ kind = "categorical", num_categories = 10 }, { kind = "continuous", log_std_clamp = [-200.0, 200.0] }]
arms = ["infogan", "gan", "broken"]
seeds = [0, 1]
paper = { iterations = 100, width = 1.0, num_images = 60000 }

[experiments.tiny.profiles.cpu]
iterations = ITERATIONS
width = 0.06
num_images = 640
arms = ["infogan", "gan"]

[[experiments.tiny.claims]]
id = "F1"
text = "L_I rises"
source = "Figure 1"
arms = ["infogan", "gan"]
min_seeds = 2
min_iterations = 10

[[experiments.tiny.claims.conditions]]
measure = "mi_final_nats"
over = "every seed"
at_least = 0.001
basis = "Anything above nothing."
"""


# ---------------------------------------------------------------- files of experiments
def tiny_text(*edits: tuple[str, str], iterations: int = 30) -> str:
    """The small file's text with each (old, new) replaced; every ``old`` must occur."""
    text = TINY.replace("ITERATIONS", str(iterations))
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def tiny_file(
    folder: Path, *edits: tuple[str, str], iterations: int = 30, more: str = "", name: str = "experiments.toml"
) -> Path:
    """Write the small file, edited and with ``more`` at its end."""
    file = folder / name
    file.write_text(tiny_text(*edits, iterations=iterations) + more)
    return file


def experiment_text(name: str, fields: str = "", **changed: str) -> str:
    """The text of an experiment on MNIST with one categorical code; ``changed``: TOML by field, "" omits the field."""
    table = {
        "title": '"An experiment of a test"',
        "data": '"mnist"',
        "architecture": '"mnist"',
        "noise": "{ size = 10 }",
        "codes": '[{ kind = "categorical", num_categories = 10 }]',
        "arms": '["infogan"]',
        "seeds": "[0]",
    }
    lines = [f"{field} = {value}\n" for field, value in (table | changed).items() if value]
    return f"\n[experiments.{name}]\n{''.join(lines)}{fields}"


def planned(
    spec: Spec | Path,
    experiment: str = "tiny",
    profile: str = "cpu",
    *,
    settings: Sequence[str] = (),
    data: DataInfo = DATA,
    device: str = "cpu",
    versions: dict[str, str] = VERSIONS,
    **selection: Any,
) -> list[Cell]:
    """The cells of an experiment; ``selection``: arms, variants, seeds."""
    found = load_spec(spec, settings) if isinstance(spec, Path) else spec
    return cells(found, experiment, profile, Selection(**selection), data, Machine(device, versions))


def of_arm(run: Run, arm: str) -> Run:
    """The run as one of another arm, otherwise unchanged."""
    return replace(run, cell=replace(run.cell, config=run.cell.config | {"arm": arm}))


# ---------------------------------------------------------------- records
def history_of(columns: Mapping[str, ArrayLike], length: int, step_ms: float = 9.0) -> History:
    """A history from curves by name; a number means a constant curve."""
    values = [np.broadcast_to(np.asarray(column, np.float64), (length,)) for column in columns.values()]
    return History(tuple(columns), np.stack(values, 1), np.array([length]), np.array([step_ms]))


def begun(
    results: Path,
    cell: Cell,
    curves: History | Mapping[str, ArrayLike],
    *,
    environment: Mapping[str, Any] | None = None,
    **data: Any,
) -> CellFolder:
    """Write an unfinished cell's folder. ``data``: further fields of its record about the images."""
    folder = CellFolder.of(results, cell)
    said: Any = {"git_commit": "0", "packages": {}} if environment is None else environment
    loaded: Any = cell.config["data"] | {"is_papers": cell.config["data"]["source"] == "files", "note": "A note."}
    folder.write_identity(cell, said, loaded | data)
    folder.write_history(curves if isinstance(curves, History) else history_of(curves, cell.iterations))
    return folder


def ended(folder: CellFolder, **result: Any) -> CellFolder:
    """Write a finished cell's folder; ``result``: changed fields of its result."""
    history = folder.history()
    assert history is not None
    frozen = {name.removeprefix("mi/"): 2.2 for name in history.names if name.startswith("mi/")}
    done: Any = {"status": "done", "iterations": len(history), "mi_frozen_nats": frozen, "seconds": SECONDS}
    folder.write_result(Result(**done | {"resumes": 0, "peak_memory_mb": 900.0, "notes": []} | result))
    return folder


def finished_cell(
    results: Path, *, seed: int = 0, said: str = "digits", settings: Sequence[str] = (), **result: Any
) -> CellFolder:
    """Write a finished cell of the tiny experiment; ``said``: all its free text, ``result``: changed fields."""
    spec_file = tiny_file(results.parent, name="sound.toml")
    (cell,) = planned(spec_file, settings=settings, arms=("infogan",), seeds=(seed,))
    return finished(results, cell, said=said, **result)


def finished(results: Path, cell: Cell, *, said: str = "digits", **result: Any) -> CellFolder:
    """Write any cell of that experiment as finished, with every kind of record except the networks."""
    names = ("loss/discriminator", "loss/generator", "mi/c1", "mi/c2", "explained/c2")
    values = np.linspace(0.1, 2.0, 30 * len(names), dtype=np.float32).reshape(30, -1)
    history = History(names, values, np.array([25, 30]), np.array([9.0, 8.0]))
    environment = {"cpu": said, "packages": {"torch": "2.14.1"}}
    folder = begun(results, cell, history, environment=environment, note=said)
    folder.write_measures("digits", Measured(key="k", values={"measure/x": 0.5}, details={}, seconds=1.0))
    health = {"status": "ok", "reason": said, "variety": 0.5, "distinctness": 0.5, "saturation": None}
    made = {"mi_frozen_nats": {"c1": 1.0, "c2": 0.1}, "notes": [said], "health": health, "peak_memory_mb": 100.0}
    ended(folder, **made | {"seconds": SECONDS | {"train": 1.0, "checkpoint": 0.1, "evaluate": 0.1}} | result)
    folder.write_traversals({"c1": np.zeros((2, 3, 28, 28, 1), np.uint8)})
    return folder
