"""Measure a finished cell in its worker: the families of its experiment whose record is missing or outdated.

Imports torch. A measure never repeats the training, and a failed measure does not affect it.
"""

import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from bench.records.folder import CellFolder
from bench.records.schema import Measured
from bench.records.tasks import CellTask, EventValues
from bench.run.cell_atlas import AtlasError, drawn_atlas
from bench.spec.cells import digest, measure_key
from bench.spec.config import Data
from infogan import data
from infogan.architectures import ARCHITECTURES
from infogan.measures.catalogue import FAMILIES as CATALOGUE
from infogan.runtime import peak_memory_mb
from infogan.training import Trainer, TrainingConfig
from infogan.weights import recorded

if TYPE_CHECKING:  # imports scipy and scikit-learn, which a cell without measures does not need
    from infogan.measures.trained import Trained

OnReport = Callable[[str, EventValues], None]  # takes the kind of event and its values


def load_dataset(wanted: Data, data_dir: Path | None) -> data.Dataset:
    """Load the data set of a cell's configuration. Raises DataError if its digest is different."""
    name: str | data.OwnImages = wanted["name"]
    if "images" in wanted:
        assert data_dir is not None  # set by the launcher from the experiment's table
        name = data.OwnImages(data_dir, **wanted["images"])
    dataset = data.load(name, wanted["source"], data_dir, num_images=wanted["num_images"])
    if dataset.info.digest != wanted["digest"]:
        raise data.DataError(
            f"{wanted['name']}: digest {dataset.info.digest[:12]} is not the {wanted['digest'][:12]} of the plan"
        )
    return dataset


def trained_cell(task: CellTask, folder: CellFolder, config: TrainingConfig, dataset: data.Dataset) -> "Trained":
    """The cell's networks with their final weights. Raises CorruptRecord or FileNotFoundError."""
    from infogan.measures.trained import Trained

    wanted, seed = task.cell.config["data"], task.cell.seed
    images = torch.from_numpy(dataset.train.images[: wanted["num_images"]])

    def fresh() -> Trainer:
        return Trainer(config, images, seed)

    trainer = fresh()
    weights = recorded(folder.weights(), config.device)
    trainer.players.generator.load_state_dict(weights["generator"])
    trainer.players.discriminator.load_state_dict(weights["discriminator"])
    signed = ARCHITECTURES[config.architecture].output == "tanh"
    return Trained(
        generator=trainer.players.generator,
        discriminator=trainer.players.discriminator,
        spec=config.latents,
        dataset=dataset,
        num_images=wanted["num_images"],
        seed=seed,
        scaled=trainer.scaled,
        unscaled=lambda x: ((x + 1) / 2 if signed else x).clamp(0, 1),
        untrained=lambda: fresh().players.discriminator,
        probes=folder.probes(),
    )


def measure(
    task: CellTask, folder: CellFolder, config: TrainingConfig, report: OnReport, should_stop: Callable[[], bool]
) -> tuple[str, str]:
    """Measure and record each family; return ("done" | "stopped" | "failed", message)."""
    failures = []
    cell: Trained | None = None
    if folder.unmeasured(task.cell):
        from infogan.measures.families import FAMILIES
    for family in folder.unmeasured(task.cell):
        if should_stop():
            return "stopped", ""
        report("evaluating", {"family": family})
        started, key = time.perf_counter(), measure_key(task.cell, family)
        try:
            cell = cell or trained_cell(task, folder, config, load_dataset(task.cell.config["data"], task.data_dir))
            measured = FAMILIES[family](cell)
            unknown = measured.values.keys() - CATALOGUE[family].keys()
            if unknown:
                raise KeyError(f"family {family} gives numbers that the catalogue lacks: {', '.join(sorted(unknown))}")
            if measured.grids:
                folder.write_measured_grids(family, measured.grids)  # before the entry that refers to them
            found = {name: getattr(measured, name) for name in ("values", "reasons", "details", "series")}
            digest(found)  # raises for a number that JSON lacks: a failure of this family only
            entry = Measured(key=key, **found)
        except Exception as error:
            message = " ".join(str(error).split())
            told = f"{type(error).__name__}: {message}"
            entry = Measured(key=key, error=told, traceback=traceback.format_exc())
            failures.append(f"{family} not measured: {message}")
        took = {"seconds": time.perf_counter() - started, "peak_memory_mb": peak_memory_mb()}
        folder.write_measures(family, entry.model_copy(update=took))
    if task.cell.measures and not folder.has_atlas():
        try:
            folder.write_atlas(drawn_atlas(folder))
        except AtlasError as error:  # the report will try again
            report("note", {"text": str(error)})
    return ("failed", "; ".join(failures)) if failures else ("done", "")
