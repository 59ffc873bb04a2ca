"""What a sweep lacks and what it holds besides curves: unfinished cells, other definitions, machine, command."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, cast

from bench.analysis.definitions import own_settings
from bench.analysis.runs import Run, Sweep
from bench.console import plural
from bench.environment import command as bench_command
from bench.paths import of_spec
from bench.report import wording
from bench.spec.cells import evaluation_code, measure_key
from bench.spec.experiment import ExperimentTable, arm_of, group_name, variant_of
from bench.spec.own import sources_of
from bench.spec.reading import BUILTIN
from bench.spec.selection import Selection, seeds_in_words, selected_seeds
from bench.spec.tables import Given

NUM_PACKAGES = 40  # more than any record holds
NOTHING_GIVEN = Given()
EVERYTHING = Selection()
RECORDED = {  # of a cell's environment, by what the page calls it
    **{"device": "device", "GPU": "gpu", "CPU": "cpu", "cores": "cores", "platform": "platform", "Python": "python"},
    **{"packages": "packages", "commit": "git_commit"},
}


def planned(
    experiment: ExperimentTable | None, profile: str, selection: Selection = EVERYTHING
) -> dict[str, tuple[int, ...]]:
    """Seeds by group that experiments.toml asks for, in its order; empty for what it no longer has."""
    if experiment is None or profile not in experiment.profiles:
        return {}
    wanted = selected_seeds(experiment, experiment.title, profile, selection)
    return {group_name(*group): seeds for group, seeds in wanted.items() if seeds}


def ordered_groups(sweep: Sweep, experiment: ExperimentTable | None) -> list[str]:
    """The sweep's groups in the order of experiments.toml, unknown ones last."""
    wanted, recorded = planned(experiment, sweep.profile), sweep.groups()
    return [g for g in wanted if g in recorded] + sorted(g for g in recorded if g not in wanted)


def missing_cells(sweep: Sweep, experiment: ExperimentTable | None, file: str = BUILTIN.name) -> list[str]:
    """One line for each cell that is not done, and for the seeds of an arm that were never begun.

    ``file``: the name of the file of experiments.
    """
    lines, none = [], f"none of these cells has the configuration that {file} now gives"
    if experiment is not None and not sweep.is_current:
        lines.append(f"{none}; shown are those that were launched last")
    recorded = _cells(sweep)
    for group, seeds in planned(experiment, sweep.profile).items():
        absent = [seed for seed in seeds if (group, seed) not in recorded]
        if absent:
            lines.append(f"{group}: {_seeds(absent)} planned, not recorded")
    for group in ordered_groups(sweep, experiment):
        lines += [_unfinished(run) for run in sweep.groups()[group] if run.state != "done"]
        for run in sweep.groups()[group]:
            errors = "; ".join(f"{family}: {entry.error}" for family, entry in run.measures.items() if entry.error)
            where = f"{group}, seed {run.cell.seed}: not measured"
            lines += [wording.scrubbed(f"{where}; {errors}")] if errors else []
    return lines + _measured_by_other_code(sweep.runs) + _evaluated_by_other_code(sweep.runs)


def _measured_by_other_code(runs: Sequence[Run]) -> list[str]:
    """A warning, if measures are of several versions: their numbers do not belong into one median."""
    old = {
        (run.cell.name, family)
        for run in runs
        for family, entry in run.measures.items()
        if entry.key and entry.values is not None and entry.key != measure_key(run.cell, family)
    }
    if not old:
        return []
    num_cells, families = len({name for name, _ in old}), sorted({family for _, family in old})
    of = [run.folder for run in runs if run.cell.name in {name for name, _ in old}]
    has_weights = any(folder is not None and not folder.lacks_weights() for folder in of)
    advice = "; `bench run` measures them again" if has_weights else ""
    return [
        f"{wording.listed(families)} of {plural(num_cells, 'cell')}: not by today's measures but by another version's, "
        f"so do not compare these numbers with those of other reports{advice}"
    ]


def _evaluated_by_other_code(runs: Sequence[Run]) -> list[str]:
    """A warning about what cannot be measured again. A cell of an earlier version does not say."""
    stated = [run.result.evaluation_code for run in runs if run.result and run.result.evaluation_code]
    num = sum(code != evaluation_code() for code in stated)
    if not num:
        return []
    return [
        f"health, frozen L_I, pictures and probes of {plural(num, 'cell')} come from another version of this "
        "code; only training again would renew them"
    ]


def _unfinished(run: Run) -> str:
    length = len(run.history) if run.history is not None else 0
    progress = f"{length:,} of {run.cell.iterations:,} iterations recorded"
    where = f"{run.cell.group}, seed {run.cell.seed}: {run.state}, {progress}"
    if run.state != "failed" or run.result is None:
        return where
    return wording.scrubbed(f"{where}; {run.result.error}: {run.result.message}")


def notes(sweep: Sweep, order: list[str]) -> list[str]:
    """Notes that cells wrote about themselves, for instance on a damaged checkpoint that was passed over."""
    seeds: dict[tuple[str, str], list[int]] = {}
    for group in order:
        for run in sweep.groups()[group]:
            said = [wording.scrubbed(note) for note in run.result.notes] if run.result else []
            if run.result and run.result.resumes:
                said.append(f"resumed {plural(run.result.resumes, 'time')}")
            for note in said:
                seeds.setdefault((group, note), []).append(run.cell.seed)
    return [f"{group}, {_seeds(own)}: {note}" for (group, note), own in seeds.items()]


def _seeds(seeds: Sequence[int]) -> str:
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {seeds_in_words(seeds)}"


def environment(sweep: Sweep) -> list[tuple[str, str]]:
    """Data, machine and versions as (label, value): every different value that the cells recorded."""
    data = sweep.definition["data"]
    used = f"{data['name']}, source {data['source']!r}, digest {data['digest'][:12]}"
    rows = [("data", f"{used}, {data['num_images']:,} training images")]
    for label, field in RECORDED.items():
        values = dict.fromkeys(_in_one_line(run.environment.get(field)) for run in sweep.runs)
        shown = [wording.scrubbed(value, 600) for value in values if value]
        if shown:
            rows.append((label, " / ".join(shown)))
    share = sweep.launcher_share
    if share is not None:
        words = f"{wording.percent(share, 1)} % of the training time, in processor time of the launcher"
        rows.append(("tracking and progress", words))
    code = sweep.definition.get("versions", {}).get("training_code")
    return [*rows, ("training code", wording.scrubbed(code))] if code else rows


def _in_one_line(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in list(value.items())[:NUM_PACKAGES])
    return "" if value is None else str(value)


def command(sweep: Sweep, experiment: ExperimentTable | None, given: Given = NOTHING_GIVEN) -> str:
    """The command that reproduces the sweep, with a comment if no command selects exactly its cells."""
    words = ["run", sweep.experiment, "--profile", sweep.profile]
    selection = _selection(sweep, experiment)
    for option, names in (("--arms", selection.arms), ("--variants", selection.variants)):
        words += [option, ",".join(names)] if names else []
    if selection.seeds:
        words += ["--seeds", seeds_in_words(selection.seeds).replace(" ", "")]
    words += ["--spec", wording.scrubbed(given.name)] if of_spec(given.path) else []
    for setting in given.settings:
        words += ["--set", f"{setting.name}={json.dumps(setting.value)}"]
    if given.images and sweep.experiment in given.images.experiments:
        words += ["--images", wording.scrubbed(given.images.place.name), *(["--resize"] if given.images.resize else [])]
    recorded, selected = _cells(sweep), _selected(sweep, experiment, selection)
    lacking, others = len(recorded - selected), len(selected - recorded)
    inexact = [f"without {lacking} of these {plural(len(recorded), 'cell')}"] if lacking else []
    inexact += [f"with {plural(others, 'other cell')}"] if others else []
    return bench_command(*words) + (f" # {', '.join(inexact)}" if experiment and inexact else "")


def _cells(sweep: Sweep) -> set[tuple[str, int]]:
    return {(run.cell.group, run.cell.seed) for run in sweep.runs}


def _selected(sweep: Sweep, experiment: ExperimentTable | None, selection: Selection) -> set[tuple[str, int]]:
    wanted = planned(experiment, sweep.profile, selection)
    return {(group, seed) for group, seeds in wanted.items() for seed in seeds}


def _selection(sweep: Sweep, experiment: ExperimentTable | None) -> Selection:
    """The shortest of the selections that are nearest to the recorded cells."""
    recorded = _cells(sweep)
    seeds = tuple(sorted({seed for _, seed in recorded}))
    if experiment is None:
        return Selection(seeds=seeds)
    arms = tuple(arm for arm in experiment.arms if any(arm_of(group) == arm for group, _ in recorded))
    variants = tuple(name for name in experiment.variants if any(variant_of(group) == name for group, _ in recorded))
    options = product((None, arms or None), (None, variants or None), (None, seeds))
    return min(
        (Selection(*chosen) for chosen in options), key=lambda one: len(recorded ^ _selected(sweep, experiment, one))
    )


def differences(shown: Mapping[str, object], other: Mapping[str, object]) -> list[str]:
    """Fields of two definitions that differ, ``network.width: 0.25 (shown: 0.5)``."""
    left, right = dict(_flat(shown)), dict(_flat(other))
    return [
        f"{key}: {right.get(key, 'absent')} (shown: {left.get(key, 'absent')})"
        for key in sorted(left.keys() | right.keys())
        if left.get(key) != right.get(key)
    ]


def _flat(value: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, item in value.items():
        if isinstance(item, dict):
            yield from _flat(item, f"{prefix}{key}.")
        else:
            text = item if isinstance(item, str) else json.dumps(item)
            yield f"{prefix}{key}", text[:12] + "…" if len(text) > 48 else text


def arm_settings(sweep: Sweep, group: str) -> str:
    """How a group's training, networks, noise and images differ from the experiment's."""
    cell, shared = sweep.groups()[group][0].cell, cast(Mapping[str, Any], sweep.definition)
    changed = [
        f"{name} {_in_one_line(value)} (else {_in_one_line(shared[table].get(name)) or 'the default'})"
        for table, own in own_settings(cell).items()
        for name, value in own.items()
    ]
    changed += [f"{name} {digest}" for name, digest in sources_of(cell.config).items()]
    return "; ".join(changed)
