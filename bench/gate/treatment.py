"""Differences between a baseline and the runs that are compared with it: the treatment that a check tests.

A setting that a baseline lacks did not exist when it was made. For every such setting ``AS_BEFORE`` has the value that
means "as before" and so is no difference.
"""

from collections.abc import Mapping
from typing import Any

from bench.analysis.runs import Sweep
from bench.spec.own import sources_of

AS_BEFORE: Mapping[str, object] = {
    "training.q_learns_with": "discriminator",
    "training.real_and_fake": "apart",
    "training.instance_noise": 0.0,
    "training.tiny": 0.0,
    "training.capture": "off",
    "network.q_network": "shared",
    "network.precision": "float32",
}
RENAMED = {"network.convolutions": "network.kernels"}
NOT_SETTINGS = {"network.fast_layers", "network.chosen_for"}  # what a setting came to on a machine
FIRST = ("training code", "commit", "torch", "processor")  # the usual suspects
PACKAGES_THAT_TRAIN = ("torch", "numpy", "scipy", "torchvision", "mlxtend", "python")


def treatment(base: Sweep, new: Sweep) -> list[str]:
    """``what: before -> now`` of everything that differs: code, versions and processor first, then settings."""
    if not base.runs or not new.runs:
        return []
    found = _changed(_machine(base), _machine(new))
    found |= _changed(_settings(base.definition), _settings(new.definition))
    arms = {run.cell.group: run.cell.config for run in base.runs}
    for run in new.runs:
        if run.cell.group in arms:
            own = _changed(_settings(arms[run.cell.group]), _settings(run.cell.config))
            found |= {f"{run.cell.group}: {name}": pair for name, pair in own.items() if found.get(name) != pair}
    order = {name: place for place, name in enumerate(FIRST)}
    return [f"{name}: {was} -> {now}" for name, (was, now) in sorted(found.items(), key=lambda i: order.get(i[0], 99))]


def _changed(was: Mapping[str, object], now: Mapping[str, object]) -> dict[str, tuple[object, object]]:
    """Values that differ. One that a side lacks counts only if it is a setting, for which AS_BEFORE may stand in."""
    found = {}
    for name in [*was, *(n for n in now if n not in was)]:
        before, after = (side.get(name, AS_BEFORE.get(name)) for side in (was, now))
        recorded = (name in was and name in now) or name.startswith(("training.", "network."))
        if recorded and before != after:
            found[name] = (before, after)
    return found


def _machine(sweep: Sweep) -> Mapping[str, object]:
    environment, versions = sweep.runs[0].environment, sweep.definition["versions"]
    packages = {name: v for name, v in environment.get("packages", {}).items() if name in PACKAGES_THAT_TRAIN}
    names = {"git_commit": "commit", "cpu": "processor", "processor": "kind of processor"}
    rest = {names.get(name, name): value for name, value in environment.items() if name != "packages"}
    return {"training code": versions.get("training_code")} | packages | rest


def _settings(config: Mapping[str, Any]) -> Mapping[str, object]:
    """``table.setting`` of a definition or a cell's configuration."""
    settings = {f"{table}.{name}": value for table in ("training", "network") for name, value in config[table].items()}
    settings |= {name: config[name] for name in ("architecture", "noise", "device") if name in config}
    settings |= sources_of(config)
    return {RENAMED.get(name, name): value for name, value in settings.items() if name not in NOT_SETTINGS}
