"""A cell's run in the store: find or create it, send what it lacks, compare, end, set aside. Imports mlflow lazily."""

import json
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bench.records.folder import CellFolder
from bench.records.identity import Identity
from bench.records.schema import Result
from bench.spec.cells import Cell, digest
from bench.tracking.connection import Client, StoreError, default_uri
from bench.tracking.content import (
    COLOUR,
    NOTE,
    Points,
    Stored,
    are_equal,
    contradicts_nothing,
    flatten,
    labels,
    of_arm,
    shared_view,
    t80_words,
    tags_of,
)
from bench.tracking.uri import SYNC, escaped, redacted

if TYPE_CHECKING:
    from mlflow.entities import Run

MAX_METRICS, MAX_PARAMS = 1000, 100  # MLflow's limits for one log_batch call


@dataclass
class KnownRun:
    """Cached information about a run in the store."""

    run_id: str
    experiment_id: str
    start_ms: int
    artifact_uri: str
    status: str
    tags: dict[str, str]
    steps: dict[str, set[int]]  # metric -> iterations in the store


def _experiment_id(client: Client, folder: CellFolder, cell: Cell) -> str:
    """Id of the cell's MLflow experiment; created with its views if missing."""
    from mlflow import MlflowException

    name, uri = f"{cell.experiment}-{cell.profile}", client.tracking_uri
    results = folder.path.parents[len(cell.folder.parts) - 1]
    views = {f"mlflow.sharedViewState.{k}": shared_view(cell.config, by_arm=k == "arms") for k in ("seeds", "arms")}
    tags = views | {"mlflow.experimentKind": "custom_model_development"}
    is_server = urlsplit(uri).scheme in ("http", "https")
    location = None if is_server else escaped(str(results.resolve() / "artifacts" / name))
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        note = (
            f"{cell.experiment} at profile {cell.profile}, one run per variant, arm and seed; a mirror of the records."
        )
        try:
            return client.create_experiment(name, artifact_location=location, tags=tags | {NOTE: note})
        except MlflowException:  # another sweep may have been faster
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                raise
    if experiment.lifecycle_stage == "deleted":
        raise StoreError(f"MLflow experiment {name} was deleted; restore it, {SYNC}")
    if uri == default_uri(results) and experiment.artifact_location != location:
        raise StoreError(f"mlflow.db keeps its artifacts in another folder; move it away, {SYNC}")
    for key, value in tags.items():
        if experiment.tags.get(key) != value:
            client.set_experiment_tag(experiment.experiment_id, key, value)
    return experiment.experiment_id


def _stored(client: Client, run_id: str, names: Iterable[str]) -> Stored:
    return {name: [(m.step, m.value) for m in client.get_metric_history(run_id, name)] for name in names}


def _owner(cell_folder: Path) -> str:
    """Identifies the owner of a run in a shared store: a hash of folder and machine that reveals neither."""
    return digest([platform.node(), str(cell_folder.resolve())])[:12]


def _find_run(
    client: Client, folder: CellFolder, experiment_id: str, key: str, points: Points
) -> "tuple[Run, Stored] | None":
    """The run that the folder names, else one created from here, else an ended one with the same points.

    A run of another folder that has not ended is ignored even if it looks alike: its step times will differ.
    """
    record = folder.tracking() or {}
    own = record.get("run_id") if record.get("uri") == redacted(client.tracking_uri) else None
    found = client.search_runs([experiment_id], f"tags.cell_key = '{key}'")
    for run in sorted(found, key=lambda r: r.info.run_id != own):
        made_here = run.info.run_id == own or run.data.tags.get("owner") == _owner(folder.path)
        if made_here or (folder.result() is not None and "synced" in run.data.tags):
            stored = _stored(client, run.info.run_id, run.data.metrics)
            agrees = contradicts_nothing(stored, points) if made_here else are_equal(stored, points)
            if run.info.run_id == own or agrees:
                return run, stored
    return None


def open_run(client: Client, folder: CellFolder, cell: Cell, identity: Identity, points: Points) -> KnownRun:
    """Find or create the cell's run, and read what the store holds of it."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, Param, RunTag

    experiment_id = _experiment_id(client, folder, cell)
    tags = tags_of(cell, identity)
    found = _find_run(client, folder, experiment_id, cell.key, points)
    if found:
        run, stored = found
        for name in {NOTE, COLOUR} & run.data.tags.keys():
            del tags[name]  # a user may have edited it
    else:
        start_ms = int((folder.path / "cell.json").stat().st_mtime * 1000)
        new_tags = {"cell_key": cell.key, "owner": _owner(folder.path)}
        run, stored = client.create_run(experiment_id, start_ms, new_tags, cell.name), {}
    info, steps = run.info, {name: {step for step, _ in column} for name, column in stored.items()}
    where = info.run_id, experiment_id, info.start_time, info.artifact_uri
    known = KnownRun(*where, info.status, dict(run.data.tags) | tags, steps)
    if (folder.tracking() or {}).get("run_id") != known.run_id:
        folder.write_tracking({"uri": redacted(client.tracking_uri), "run_id": known.run_id, "status": "incomplete"})
    _set_aside_orphans(client, folder, cell, known)
    params = [Param(k, v) for k, v in (labels(cell) | of_arm(cell) | flatten(cell.config)).items()]
    for start in range(0, len(params), MAX_PARAMS):
        client.log_batch(known.run_id, params=params[start : start + MAX_PARAMS], synchronous=True)
    client.log_batch(known.run_id, tags=[RunTag(k, v) for k, v in tags.items()], synchronous=True)
    if not (run.inputs and run.inputs.dataset_inputs):
        data = cell.config["data"]
        source, profile = json.dumps({"source": data["source"]}), json.dumps({"num_images": data["num_images"]})
        dataset = Dataset(data["name"], data["digest"][:32], "local", source, profile=profile)
        client.log_inputs(known.run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
    return known


def set_aside(client: Client, run_id: str, why: str = "the record of the cell holds other points") -> None:
    """Delete the run in MLflow's sense: hidden, but can be restored."""
    client.set_tag(run_id, "superseded", why)
    client.delete_run(run_id)


def _set_aside_orphans(client: Client, folder: CellFolder, cell: Cell, known: KnownRun) -> None:
    """Set aside other runs of this seed that were created from here, if their records were removed."""
    same_seed = f"tags.`group` = '{cell.group}' and tags.seed = '{cell.seed}'"
    for run in client.search_runs([known.experiment_id], same_seed):
        made_from = folder.path.with_name(run.data.tags.get("cell_key", "")[: len(folder.path.name)] or "-")
        is_ours = run.data.tags.get("owner") == _owner(made_from) and run.info.run_id != known.run_id
        if is_ours and (made_from == folder.path or not made_from.exists()):
            set_aside(client, run.info.run_id, "its record was removed, and the cell was started again")


def send(client: Client, run: KnownRun, points: Points) -> None:
    """Send the points that the store lacks, including gaps."""
    from mlflow.entities import Metric

    missing = [
        Metric(name, column[step], run.start_ms + step, step)
        for name, column in points.items()
        for step in sorted(column.keys() - run.steps.get(name, set()))
    ]
    for start in range(0, len(missing), MAX_METRICS):
        batch = missing[start : start + MAX_METRICS]
        client.log_batch(run.run_id, metrics=batch, synchronous=True)
        for metric in batch:
            run.steps.setdefault(metric.key, set()).add(metric.step)


def holds(client: Client, run: KnownRun, points: Points) -> bool:
    """Whether the store holds exactly these points, each once."""
    return are_equal(_stored(client, run.run_id, points), points)


def reopen(client: Client, run: KnownRun, status: str) -> None:
    """Set the status of a run whose cell has not ended: training or interrupted."""
    for tag in ("synced", "error"):
        if tag in run.tags:
            client.delete_tag(run.run_id, tag)
            del run.tags[tag]
    if run.status != status:
        client.update_run(run.run_id, status)
        run.status = status


def end(client: Client, run: KnownRun, folder: CellFolder, result: Result) -> None:
    """Set the status and tags of an ended cell, with the tag ``synced`` last."""
    run.status = "FINISHED" if result.status == "done" else "FAILED"
    if run.status == "FAILED":
        run.tags["error"] = f"{result.error}: {result.message}"[:2000]
        client.set_tag(run.run_id, "error", run.tags["error"])
    elif "error" in run.tags:
        client.delete_tag(run.run_id, "error")
        del run.tags["error"]
    if result.health:
        client.set_tag(run.run_id, "health", result.health.status)
    history = folder.history()
    t80 = t80_words(folder.cell().config, history, result) if history is not None and run.status == "FINISHED" else None
    if t80 is not None:
        client.set_tag(run.run_id, "t80", t80)
    end_ms = int((folder.path / "result.json").stat().st_mtime * 1000)
    client.set_terminated(run.run_id, run.status, max(end_ms, run.start_ms))
    client.set_tag(run.run_id, "synced", "true")
    run.tags["synced"] = "true"
