"""Compare a cell's configuration with what experiments.toml now asks for: which of several definitions is current?

A sweep's definition is what its arms, variants and seeds share. Everything else that changes a result, such as an arm's
learning rates, is the treatment.
"""

from collections.abc import Mapping
from typing import Any, cast

from bench.spec.cells import Cell, digest
from bench.spec.config import Config
from bench.spec.experiment import groups
from bench.spec.resolve import KernelChoice, Machine, Resolver
from bench.spec.tables import Spec, SpecError
from infogan.data import DataInfo, own

RENDERED = "rendered"  # the source that makes as many images as are asked for


def own_settings(cell: Cell) -> dict[str, dict[str, object]]:
    """Settings, by table, in which a cell differs from its experiment's definition: those of its arm and variant."""
    config, shared = cast(Mapping[str, Any], cell.config), cast(Mapping[str, Any], cell.definition)
    return {
        table: {name: value for name, value in config[table].items() if value != shared[table].get(name)}
        for table in ("training", "network", "noise", "data")
        if table in shared
    }


def treatment_key(cell: Cell) -> str:
    """Digest of the cell's configuration without its seed."""
    return digest({**cell.config, "seed": None})


def current_config(spec: Spec, cell: Cell, num_train: int | None) -> Config | None:
    """The configuration that the file would now give a cell with its recorded data, device, processor and versions.

    ``num_train``: number of training images of the whole data set, if recorded. None if the file lacks the cell.
    """
    try:
        return _current_config(spec, cell, num_train)
    except (LookupError, TypeError, ValueError, AttributeError, SpecError):  # a record that does not fit together
        return None


def _current_config(spec: Spec, cell: Cell, num_train: int | None) -> Config | None:
    experiment, data = spec.experiments[cell.experiment], cell.definition["data"]
    budget = experiment.profiles[cell.profile]
    if (cell.variant, cell.arm) not in groups(experiment, list(spec.arms)):
        return None
    name = experiment.data if isinstance(experiment.data, str) else own.NAME
    if data["name"] != name or experiment.source not in ("auto", data["source"]):
        return None
    is_rendered = data["source"] == RENDERED and budget.num_images is not None
    available = budget.num_images if is_rendered else data["num_images"] if num_train is None else num_train
    info = DataInfo(data["name"], data["source"], "", data["digest"], available or 0, 0, False)
    network = cell.config["network"]
    is_rounded = network.get("precision") == "bf16"
    choice = KernelChoice(tuple(network.get("fast_layers", ())), network.get("chosen_for", ""), is_rounded)
    machine = Machine(cell.config["device"], cell.config["versions"], lambda layers, batch_size: choice)
    drawn = cell.config.get("own", {}).get("architecture")  # a report imports nothing: the record knows the table
    tables = {cell.config["architecture"]: drawn["table"]} if drawn else {}
    resolver = Resolver(spec, cell.experiment, cell.profile, info, machine, tables)
    return resolver.cell(cell.variant, cell.arm, cell.seed).config
