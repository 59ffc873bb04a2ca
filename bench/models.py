"""Load trained networks from cells: read the weights of the cell that is wanted, write its card, build the model."""

import hashlib
import pickle
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.analysis.runs import Run
from bench.analysis.wanted import Wanted, chosen_run, opened
from bench.claims.judge import judge
from bench.console import BadInput
from bench.context import DEFAULT_SPEC, require_profile
from bench.environment import command
from bench.paths import of_spec
from bench.records.storage import CorruptRecord, in_words
from bench.spec.schema import is_digits
from bench.spec.tables import Spec, SpecError, load_spec
from infogan.own.networks import architecture_of

if TYPE_CHECKING:
    from infogan.model import Model

LICENCE = "MIT"  # of the code and the trained networks; see LICENSE
OTHER_RESULTS = "results/with-weights", "results/with-weights-2"  # proposed where cells came without weights


@dataclass(frozen=True)
class LoadedCell:
    """The networks of a finished cell: ``weights`` as safetensors, with a ``card`` and a readable ``name``."""

    name: str
    card: dict[str, Any]
    weights: bytes

    def model(self, device: str = "cpu") -> "Model":
        """Build the model. Raises infogan.ModelError if card and weights do not fit."""
        from infogan import api

        return api.assembled(self.card, self.weights, self.name, device=device)


def load(
    source: str | Path,
    experiment: str | None = None,
    *,
    arm: str | None = None,
    seed: int | str | None = None,
    profile: str | None = None,
    device: str = "cpu",
) -> "Model":
    """Load the model of a finished cell from a results folder, a pack with weights, or the folder of one cell.

    ``infogan.load``, which documents the parameters, finds this function by entry point (pyproject.toml). Raises
    infogan.ModelError, a ValueError with one line.
    """
    from infogan import api

    asked = {"experiment": experiment, "profile": profile, "arm": arm, "seed": seed}
    wanted = Wanted(**{name: str(value) for name, value in asked.items() if value is not None}, is_python=True)
    try:
        return trained(Path(source), wanted, load_spec(DEFAULT_SPEC), warnings.warn).model(device)
    except (BadInput, SpecError) as error:
        raise api.ModelError(str(error)) from error


def trained(source: Path, wanted: Wanted, spec: Spec, tell: Callable[[str], None]) -> LoadedCell:
    """Read the networks of the selected cell; ``tell`` receives a line per damaged cell. Raises BadInput."""
    require_profile(wanted.profile)
    seed = wanted.seed
    if seed not in (None, "best", "median") and not is_digits(seed):
        raise BadInput(f"{wanted.given('seed')}: expected best, median or a number")
    with opened(source) as place:
        sweep, run = chosen_run(place, source, wanted, spec, tell)
        name = f"{run.cell.experiment}/{run.cell.profile}/{run.cell.name}"
        recorded = _weights(run, name, spec.given.path)
        known = spec.experiments.get(run.cell.experiment)
        claims = [claim for claim in judge(known, sweep) if claim.group == run.cell.group] if known else []
        try:
            card = _card(run)
        except (LookupError, TypeError, ValueError) as error:
            raise BadInput(f"{name}: cell.json lacks a setting of its networks: {error}") from error
        weights = _safe(recorded, name)
    verdicts = [
        {"claim": c.id, "text": c.text, "verdict": str(c.verdict), "data": c.verdict.data.words}
        | {"budget": c.verdict.budget.words, "seeds": f"{c.seeds_holding} of {c.num_seeds}"}
        for c in claims
    ]
    card |= {"weights_sha256": hashlib.sha256(weights).hexdigest(), "verdicts": verdicts}
    return LoadedCell(name, card, weights)


def _weights(run: Run, name: str, spec: Path) -> bytes:
    """The recorded weights. Raises BadInput if they are missing."""
    folder, cell = run.folder, run.cell
    assert folder is not None  # runs read from a results folder have one
    if run.state != "done":
        raise BadInput(
            f"{name} is {'diverged' if run.diverged else run.state}: only a finished cell has trained networks"
        )
    if folder.lacks_weights():
        how = ["--profile", cell.profile, "--arms", cell.arm, "--seeds", cell.seed]
        how += ["--variants", cell.variant] if cell.variant else []
        # in another folder, since here the cell counts as done
        other = next(place for place in OTHER_RESULTS if not folder.path.is_relative_to(Path(place).absolute()))
        raise BadInput(
            f"{name} came without its weights: pack with --weights where it was trained, or train it in another folder "
            f"and load that: {command('run', cell.experiment, *how, '--results', other, *of_spec(spec))}"
        )
    try:
        return folder.weights()
    except FileNotFoundError as error:
        raise BadInput(f"{name}: its weights are missing") from error
    except (CorruptRecord, OSError) as error:
        raise BadInput(f"{name}: {in_words(error)}") from error


def _safe(weights: bytes, name: str) -> bytes:
    """Convert a cell's weights to plain safetensors. Raises BadInput if they are invalid."""
    from safetensors import SafetensorError

    from infogan.weights import packed, recorded

    unreadable = pickle.UnpicklingError, SafetensorError
    try:
        return packed(recorded(weights))
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError, EOFError, *unreadable) as error:
        raise BadInput(f"{name}: its weights are invalid: {type(error).__name__}: {error}") from error


def _card(run: Run) -> dict[str, Any]:
    """The card: everything needed to use the networks and to know their origin."""
    from infogan import api

    cell, config = run.cell, run.cell.config
    return {
        "format": api.FORMAT,
        **{"experiment": cell.experiment, "profile": cell.profile, "variant": cell.variant, "arm": cell.arm},
        **{"seed": cell.seed, "key": cell.key, "licence": LICENCE},
        **{name: config[name] for name in ("codes", "noise", "architecture", "network", "data", "versions")},
        **({"own": config["own"]} if "own" in config else {}),
        "image_CHW": list(architecture_of(config).image_CHW),
        "is_papers_data": bool(run.data.get("is_papers")),
        "budget": {name: config["training"][name] for name in ("iterations", "batch_size")},
        "mi_frozen_nats": run.result and run.result.mi_frozen_nats,
        "commit": run.environment.get("git_commit"),
    }
