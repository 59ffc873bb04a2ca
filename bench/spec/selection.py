"""Select the seeds to run for each arm and variant of an experiment, from the command line or the file."""

from collections.abc import Iterable
from dataclasses import dataclass

from bench.spec.experiment import ExperimentTable, ProfileTable, fits, group_name, groups
from bench.spec.schema import MAX_SEED, is_digits, suggest
from bench.spec.tables import Spec, SpecError


@dataclass(frozen=True)
class Selection:
    """Selection of the command line; None leaves the choice to the file."""

    arms: tuple[str, ...] | None = None
    variants: tuple[str, ...] | None = None
    seeds: tuple[int, ...] | None = None


def selected_seeds(
    experiment: ExperimentTable, experiment_name: str, profile: str, selection: Selection
) -> dict[tuple[str | None, str], tuple[int, ...]]:
    """Selected seeds of each (variant, arm). Raises SpecError if the experiment lacks what is selected."""
    budget = profile_table(experiment, experiment_name, profile)
    all_variants = list(experiment.variants)
    arms = _select(experiment_name, "arm", selection.arms, budget.arms or experiment.arms, experiment.arms)
    variants = _select(experiment_name, "variant", selection.variants, all_variants, all_variants)
    seeds = {(v, a): seeds_of(experiment, budget, v, a) for v, a in groups(experiment, arms, variants)}
    if selection.seeds is not None:
        seeds = {group: selection.seeds for group, own in seeds.items() if own}
    return seeds


def seeds_of(experiment: ExperimentTable, budget: ProfileTable, variant: str | None, arm: str) -> tuple[int, ...]:
    """Seeds in the file for an arm of a variant at a budget; empty if the budget excludes it."""
    seeds = budget.group_seeds.get(arm, budget.seeds or experiment.seeds)
    if variant is not None:
        name = group_name(variant, arm)
        matching = [of_group for pattern, of_group in budget.group_seeds.items() if fits(pattern, name)]
        seeds = matching[-1] if matching else seeds
    return tuple(seeds)


def experiment_table(spec: Spec, name: str) -> ExperimentTable:
    """The table of an experiment. Raises SpecError, with the choices, if it is unknown."""
    if name not in spec.experiments:
        raise SpecError(f"unknown experiment {name!r}{suggest(name, list(spec.experiments))}")
    return spec.experiments[name]


def profile_table(experiment: ExperimentTable, experiment_name: str, profile: str) -> ProfileTable:
    """The table of a profile. Raises SpecError, with the choices, if it is unknown."""
    if profile not in experiment.profiles:
        raise SpecError(f"{experiment_name}: unknown profile {profile!r}{suggest(profile, list(experiment.profiles))}")
    return experiment.profiles[profile]


def _select(
    experiment_name: str, what: str, wanted: tuple[str, ...] | None, default: list[str], known: list[str]
) -> list[str]:
    if wanted is None:
        return default
    for name in wanted:
        if name not in known:
            choices = suggest(name, known) if known else f"; this experiment has no {what}s"
            raise SpecError(f"{experiment_name}: unknown {what} {name!r}{choices}")
    return list(wanted)


def parse_seeds(text: str) -> tuple[int, ...]:
    """Parse ``0-4``, ``7`` or ``0,2,5-9``. Raises SpecError."""
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not is_digits(first) or (dash and not is_digits(last)) or max(len(first), len(last)) > len(str(MAX_SEED)):
            raise SpecError(f"seeds {text!r}: write numbers and ranges such as 0-4 or 0,2,5-9")
        low, high = int(first), int(last or first)
        if high < low or high > MAX_SEED or high - low > 10_000:
            raise SpecError(
                f"seeds {text!r}: {part.strip()!r} is not a rising range of at most 10,001 seeds up to {MAX_SEED}"
            )
        seeds.extend(range(low, high + 1))
    if len(set(seeds)) != len(seeds):
        raise SpecError(f"seeds {text!r}: a seed occurs twice")
    return tuple(seeds)


def seeds_in_words(seeds: Iterable[int]) -> str:
    """``0-4, 7``: inverse of :func:`parse_seeds`, but for their order."""
    spans: list[list[int]] = []
    for seed in sorted(seeds):
        if spans and seed == spans[-1][1] + 1:
            spans[-1][1] = seed
        else:
            spans.append([seed, seed])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)
