"""``export``: a trained network out of its cell, as a folder that ``infogan.load`` reads and anybody can be given."""

import contextlib
import hashlib
import json
import os
import pickle
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.analysis.ranking import median_of, ranked
from bench.analysis.results import load
from bench.analysis.runs import PACKS, Run, Sweep, load_run
from bench.claims.judge import judge
from bench.console import BadInput, escape, say
from bench.context import DEFAULT_SPEC, require_folder, require_profile
from bench.records.folder import CellFolder
from bench.records.pack_format import PackError
from bench.records.storage import CorruptRecord, in_words, write_atomic
from bench.records.unpacking import unpack
from bench.spec.schema import suggest
from bench.spec.tables import Spec, load_spec
from infogan.own.networks import architecture_of

ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
LICENCE = "MIT"  # of the code and of what it trained, as LICENSE has it


@dataclass(frozen=True)
class Wanted:
    """Which cell; None: the only one that is there."""

    experiment: str | None
    profile: str | None
    group: str | None
    seed: str | None


def export(
    source: Annotated[Path, typer.Argument(help="A results folder, a pack with weights, or one cell's folder.")],
    to: Annotated[Path, typer.Option("--to", help="The folder to make.")],
    experiment: Annotated[str | None, typer.Option(help="Default: the only one there.", show_default=False)] = None,
    arm: Annotated[
        str | None, typer.Option(help="ARM or VARIANT/ARM. Default: the only one there.", show_default=False)
    ] = None,
    seed: Annotated[str | None, typer.Option(help="best (default), median, or a number.", show_default=False)] = None,
    profile: Annotated[str | None, typer.Option(help="Default: the only one there.", show_default=False)] = None,
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Also write the generator as ONNX, checked with onnxruntime (extra: onnx).")
    ] = False,
    spec: Annotated[
        Path, typer.Option(help="File that declares the claims.", show_default="experiments.toml")
    ] = DEFAULT_SPEC,
) -> None:
    """Write a finished cell's networks as a folder that infogan.load reads, with a card that says what they are.

    The best seed makes the fewest errors on the training digits. If that was not
    measured, it is the seed whose codes hold the most information.
    """
    require_profile(profile)
    if seed not in (None, "best", "median") and not (seed.isascii() and seed.isdecimal()):
        raise BadInput(f"--seed {seed} is neither best, median nor a number")
    lacking = [name for name in ONNX_PACKAGES if onnx and find_spec(name) is None]
    if lacking:
        raise BadInput(f"--onnx needs {', '.join(lacking)}: pip install infogan-bench[onnx]")
    require_folder("--to", to)
    if to.exists() and any(to.iterdir()):
        raise BadInput(f"--to {to} is not empty; name another folder")
    loaded_spec = load_spec(spec)
    with _opened(source) as place:
        sweep, run = _found(place, source, Wanted(experiment, profile, arm, seed), loaded_spec)
        name = f"{run.cell.experiment}/{run.cell.profile}/{run.cell.name}"
        recorded = _weights(run, name)
        known = loaded_spec.experiments.get(run.cell.experiment)
        claims = [claim for claim in judge(known, sweep) if claim.group == run.cell.group] if known else []
        try:
            card = _card(run)
        except (LookupError, TypeError, ValueError) as error:
            raise BadInput(f"{name}: cell.json lacks a setting of its networks: {error}") from error
        weights = _safe(recorded, name)
        card |= {
            "weights_sha256": hashlib.sha256(weights).hexdigest(),
            "verdicts": [
                {"claim": c.id, "text": c.text, "verdict": str(c.verdict), "data": c.verdict.data.words}
                | {"budget": c.verdict.budget.words, "seeds": f"{c.seeds_holding} of {c.num_seeds}"}
                for c in claims
            ],
        }
    _write(to, card, weights, onnx=onnx)
    size = sum(file.stat().st_size for file in to.iterdir())
    say(f"{escape(name)} exported to {escape(str(to))}: {size / 1e6:.1f} MB")


@contextlib.contextmanager
def _opened(source: Path) -> Iterator[Path]:
    """A folder with cells, or one cell's; packs are unpacked for as long as it takes. Raises BadInput."""
    if not source.exists():
        raise BadInput(f"{source} does not exist")
    packs = sorted(source.glob(PACKS)) if source.is_dir() else [source]
    if source.is_dir() and ((source / "cells").is_dir() or (source / "cell.json").exists()):
        yield source.absolute()
    elif packs:
        with tempfile.TemporaryDirectory() as folder:
            try:
                unpack(packs, Path(folder))
            except PackError as error:
                raise BadInput(str(error)) from error
            yield Path(folder)
    else:
        raise BadInput(f"{source} is no cell's folder, and it holds neither cells nor packs")


def _found(place: Path, source: Path, wanted: Wanted, spec: Spec) -> tuple[Sweep, Run]:
    """The run that is wanted, and the sweep that it is judged in. Raises BadInput."""
    if (place / "cell.json").exists():
        return _of_folder(place, source, wanted, spec)
    loaded = load(place, spec=spec)
    for line in [*loaded.damaged, *loaded.strays]:
        say(f"[yellow]passed over:[/yellow] {escape(line)}")
    experiment = _only("experiment", wanted.experiment, {s.experiment for s in loaded.sweeps}, source)
    sweeps = [sweep for sweep in loaded.sweeps if sweep.experiment == experiment]
    profile = _only("profile", wanted.profile, {s.profile for s in sweeps}, source)
    sweep = next(s for s in sweeps if s.profile == profile)
    group = _only("arm", wanted.group, set(sweep.groups()), source)
    return sweep, chosen(sweep, group, wanted.seed or "best")


def _of_folder(place: Path, source: Path, wanted: Wanted, spec: Spec) -> tuple[Sweep, Run]:
    """One cell's folder; the results folder that it lies in, if any, has the other seeds. Raises BadInput."""
    try:
        run = load_run(CellFolder(place))
    except (CorruptRecord, OSError) as error:
        raise BadInput(f"{source}: {in_words(error)}") from error
    cell = run.cell
    held = Wanted(cell.experiment, cell.profile, cell.group, str(cell.seed))
    for name, value in vars(wanted).items():
        if value not in (None, getattr(held, name)):
            option = {"group": "arm"}.get(name, name)
            raise BadInput(
                f"{source} is one cell, {cell.experiment}/{cell.profile}/{cell.name}: not --{option} {value}"
            )
    results = place.parents[len(cell.folder.parts) - 1] if len(place.parents) >= len(cell.folder.parts) else place
    if (results / cell.folder) == place:
        loaded = load(results, [cell.experiment], cell.profile, spec)
        for sweep in [*loaded.sweeps, *loaded.kept_apart]:
            if any(other.cell.key == cell.key for other in sweep.runs):
                return sweep, run
    return Sweep(cell.experiment, cell.profile, cell.definition, cell.definition_key, [run]), run


def _only(what: str, wanted: str | None, there: set[str], source: Path) -> str:
    """What was named, or all that there is. Raises BadInput."""
    if not there:
        raise BadInput(f"{source} holds no undamaged cell")
    if wanted is None and len(there) == 1:
        return min(there)
    if wanted is None:
        raise BadInput(f"{source} holds several {what}s; --{what} chooses from {', '.join(sorted(there))}")
    if wanted not in there:
        raise BadInput(f"{source} holds no cell of the {what} {wanted!r}{suggest(wanted, sorted(there))}")
    return wanted


def chosen(sweep: Sweep, group: str, seed: str) -> Run:
    """The run of that seed, or the best or the lower median of the finished runs. Raises BadInput."""
    runs = sweep.groups()[group]
    if seed not in ("best", "median"):
        found = [run for run in runs if run.cell.seed == int(seed)]
        if not found:
            raise BadInput(f"no cell of seed {seed}; there are {', '.join(str(run.cell.seed) for run in runs)}")
        return found[0]
    best_first = ranked(sweep.done(group))
    if not best_first:
        raise BadInput(f"no cell of {group} is finished (states: {', '.join(sorted({r.state for r in runs}))})")
    return best_first[0] if seed == "best" else median_of(best_first)


def _weights(run: Run, name: str) -> bytes:
    """The networks as recorded. Raises BadInput where they are not there."""
    folder = run.folder
    assert folder is not None  # runs of folders that hold cells have theirs
    if run.state != "done":
        raise BadInput(f"{name} is {'diverged' if run.diverged else run.state}: only a finished cell has its networks")
    if folder.lacks_weights():
        raise BadInput(f"{name} came without its weights: they lie where it was trained; pack with --weights")
    try:
        return folder.weights()
    except FileNotFoundError as error:
        raise BadInput(f"{name}: its weights are not there") from error
    except (CorruptRecord, OSError) as error:
        raise BadInput(f"{name}: {in_words(error)}") from error


def _safe(weights: bytes, name: str) -> bytes:
    """Weights of a cell as safetensors without a seal. Raises BadInput where they are none."""
    from safetensors import SafetensorError

    from infogan.weights import packed, recorded

    try:
        return packed(recorded(weights))
    except (
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        RuntimeError,
        EOFError,
        pickle.UnpicklingError,
        SafetensorError,
    ) as error:
        raise BadInput(f"{name}: its weights are no networks: {type(error).__name__}: {error}") from error


def _card(run: Run) -> dict[str, Any]:
    """What a reader needs to use the networks and to know where they come from."""
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
        "mi_frozen_nats": (run.result or {}).get("mi_frozen_nats"),
        "commit": run.environment.get("git_commit"),
    }


def _write(to: Path, card: dict[str, Any], weights: bytes, *, onnx: bool) -> None:
    """The folder, whole or not at all, and only if it loads. Raises BadInput."""
    from infogan import api, exchange

    whole = to.absolute()
    whole.parent.mkdir(parents=True, exist_ok=True)
    incoming = whole.with_name(f".{whole.name}.{os.getpid()}")
    try:
        write_atomic(incoming / api.WEIGHTS, weights)
        write_atomic(incoming / api.CARD, (json.dumps(card, indent=1, allow_nan=False) + "\n").encode())
        model = api.load(incoming)
        if onnx:
            exchange.write_onnx(model, incoming / exchange.ONNX)
        incoming.replace(whole)
    except api.ModelError as error:
        raise BadInput(str(error).replace(str(incoming), str(to))) from error
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
