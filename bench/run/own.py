"""Custom parts: imported in the process that trains, and checked in a separate process before any training.

Only what the user's file of experiments or command line names is imported, never what a record or a pack names.
"""

import inspect
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from copy import deepcopy
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.spec.cells import Cell
from bench.spec.config import Config, Network, Training
from bench.spec.experiment import ExperimentTable, merged_architecture
from bench.spec.own import Own
from bench.spec.tables import SpecError, misfit_of_images
from infogan.architectures import Architecture
from infogan.data.base import one_line
from infogan.own import OwnError
from infogan.own.networks import architecture_of, check, to_table
from infogan.own.sources import Reference, is_reference, load

if TYPE_CHECKING:  # keeps torch out of the launcher
    from torch import Tensor

    from infogan.own.trainer import Parts
    from infogan.training import Trainer, TrainingConfig

RESUMES_ELSEWHERE = (
    "after a checkpoint it trains to other weights: keep its state where state_dict finds it, and draw random numbers "
    "from players.sample or players.latents"
)
TRIAL_WIDTH, TRIAL_BATCH, TRIAL_ITERATIONS = 0.06, 8, 2


# ---------------------------------------------------------------- before anything trains, in the launcher
def learn_architectures(own: Own, experiments: Mapping[str, ExperimentTable]) -> None:
    """Import the experiments' custom architectures in another process and store their tables. Raises SpecError."""
    wanted: dict[str, list[tuple[str, ExperimentTable]]] = {}
    for name, table in experiments.items():
        for variant in (None, *table.variants):
            text = merged_architecture(table, variant)
            if is_reference(text):
                where = f"experiments.{name}.variants.{variant}" if variant else f"experiments.{name}"
                wanted.setdefault(text, []).append((where, table))
    if not wanted:
        return
    references = [own.reference(text) for text in wanted]
    found = _elsewhere(_tables_of, references, what=", ".join(wanted))
    for (text, users), table in zip(wanted.items(), found, strict=True):
        own.tables[text] = table
        for where, experiment in users:
            refused = misfit_of_images(experiment, tuple(table["image_CHW"]))
            if refused:
                raise SpecError(f"{where}: architecture = {text!r}: expected {refused}")


def require_trainable(own: Own, cells: Sequence[Cell]) -> None:
    """Try each custom optimiser and step in another process, for two iterations of narrow networks.

    Raises SpecError, also if the second iteration is another one after a checkpoint.
    """
    kinds: dict[str, Trial] = {}
    for cell in cells:
        training = cell.config["training"]
        if _is_own(cell.config):
            named = f"{cell.config['own']} {training.get('optimizer')} {training['step']} {cell.config['codes']}"
            kinds.setdefault(named, Trial(f"{cell.experiment}, {cell.group}", cell.config, own.folders))
    if kinds:
        _elsewhere(_try, list(kinds.values()), what=", ".join(trial.name for trial in kinds.values()))


def _elsewhere(function: Any, tasks: Sequence[Any], what: str) -> list[Any]:
    """Apply the function to each task in a new process: imports may do anything, and the launcher needs no torch."""
    try:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            return list(pool.map(function, tasks))
    except OwnError as error:
        raise SpecError(one_line(" ".join(str(error).split()))) from error
    except BrokenProcessPool as error:
        raise SpecError(f"{what}: the process that imported it died") from error


def _tables_of(reference: Reference) -> dict[str, Any]:
    found = load(reference)
    if not isinstance(found, Architecture):
        got = f"the class {found.__name__}" if isinstance(found, type) else type(found).__name__
        raise OwnError(f"{reference.text}: expected an infogan.architectures.Architecture, got {got}")
    try:
        check(found)
    except OwnError as error:
        raise OwnError(f"{reference.text}: {error}") from error
    return to_table(found)


@dataclass(frozen=True)
class Trial:
    """A cell's configuration to try, its name in messages, and the folders of its references."""

    name: str
    config: Config
    folders: Mapping[str, Path]


def _try(trial: Trial) -> None:
    import torch

    from infogan.training import NonFiniteLoss

    torch.set_num_threads(1)
    training: Training = {**trial.config["training"], "iterations": TRIAL_ITERATIONS, "batch_size": TRIAL_BATCH}
    training["capture"] = "off"
    training.pop("warm_up_iterations", None)
    training.pop("give_up", None)
    network: Network = {**trial.config["network"], "width": TRIAL_WIDTH, "kernels": "torch"}
    network.pop("fast_layers", None)  # does not apply to "torch"
    config: Config = {**trial.config, "training": training, "network": network, "device": "cpu"}
    shape = (2 * TRIAL_BATCH, *architecture_of(config).image_CHW)
    images_NCHW = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    try:
        made, resumed = (trainer(config, trial.folders, images_NCHW, 0) for _ in range(2))
        made.enqueue(1)
        made.read()
        resumed.load_state_dict(deepcopy(made.state_dict()))
        for each in (made, resumed):
            each.enqueue(1)
            each.read()
        if _weights(made) != _weights(resumed):
            raise OwnError(RESUMES_ELSEWHERE)
    except NonFiniteLoss:
        return
    except OwnError as error:
        raise OwnError(f"{trial.name}: {error}") from error
    except (Exception, SystemExit) as error:
        theirs = [file.parent for text, folder in trial.folders.items() for file in Reference(text, folder).files]
        lines = [frame for frame in inspect.trace() if Path(frame.filename).parent in theirs]
        where = f" ({Path(lines[-1].filename).name}, line {lines[-1].lineno})" if lines else ""
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise OwnError(f"{trial.name}: a trial of {TRIAL_ITERATIONS} iterations failed{where}: {said}") from error


def _weights(made: "Trainer") -> list[bytes]:
    networks = made.players.generator, made.players.discriminator
    return [tensor.numpy().tobytes() for network in networks for tensor in network.state_dict().values()]


# ---------------------------------------------------------------- in a cell's own process
def trainer(config: Config, folders: Mapping[str, Path], images_NCHW: "Tensor", seed: int) -> "Trainer":
    """A cell's trainer: the library's, or one with custom parts. Raises OwnError if their source has changed."""
    from bench.run.configuration import training_config
    from infogan.own.trainer import OwnTrainer
    from infogan.training import Trainer

    training = training_config(config)
    if not _is_own(config):
        return Trainer(training, images_NCHW, seed)
    return OwnTrainer(training, images_NCHW, seed, _parts(config, folders, training))


def _is_own(config: Config) -> bool:
    """Whether a cell has an optimiser or a step of its own; networks alone are trained by the library's trainer."""
    return "optimizer" in config["training"] or is_reference(config["training"]["step"])


def _parts(config: Config, folders: Mapping[str, Path], training: "TrainingConfig") -> "Parts":
    from infogan.own.trainer import Parts, own_optimizer, torch_optimizer

    make, step_name = None, config["training"]["step"]
    optimizer = dict(config["training"].get("optimizer") or {})
    if optimizer:
        name = optimizer.pop("name")
        if is_reference(name):
            make = own_optimizer(name, _loaded("optimizer", name, config, folders), optimizer)
        else:
            make = torch_optimizer(name, optimizer, training.step, training.device)
    step = _loaded("step", step_name, config, folders) if is_reference(step_name) else None
    if step is not None and not callable(step):
        raise OwnError(f"{step_name}: a step must be callable with players and images, got {type(step).__name__}")
    return Parts(make, step)


def _loaded(kind: str, text: str, config: Config, folders: Mapping[str, Path]) -> Any:
    if text not in folders:
        raise OwnError(f"{text}: not named by this launch's file of experiments")
    reference = Reference(text, folders[text])
    if reference.digest != config["own"][kind]["source"]:
        raise OwnError(f"{text}: its source has changed since the cell was planned; start the command again")
    return load(reference)
