"""``bisect``: find the commit after which mutual information converges later."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from bench.analysis.runs import Sweep
from bench.analysis.sweep_file import read_curves
from bench.commands.baseline import default_baseline, gate_rule, read_baseline
from bench.console import BadInput, Exit, escape, received_signals, say, say_as_is
from bench.context import DEFAULT_SPEC, Context
from bench.environment import ROOT, processor_kind
from bench.gate import bisect as engine
from bench.gate.bisect import BisectError, Search, SearchResult
from bench.options import DataDir, Device, GateExperiment, Jobs, Profile, Results, SpecOption, Substitute
from bench.paths import DEFAULT_RESULTS, require_folder, require_writable
from bench.records.locks import Lock
from bench.spec.cells import digest
from infogan.data.base import one_line
from infogan.version import library_versions

POLL_S = 0.2  # between looks at the signals while a commit trains


class Stopped(Exception):
    """A signal has ended the search; ``code`` is the command's exit code."""

    def __init__(self, code: Exit) -> None:
        self.code = code
        super().__init__(code)


def bisect(
    good: Annotated[str, typer.Option(help="A good commit; the others are compared with it.")],
    experiment: GateExperiment = "mi-gate",
    bad: Annotated[str, typer.Option(help="A later commit that has regressed.")] = "HEAD",
    strict: Annotated[bool, typer.Option("--strict", help="Count a tolerated change for the worse as bad.")] = False,
    baseline_file: Annotated[
        Path | None,
        typer.Option(
            "--baseline", help="Baseline that the good commit must pass. Default: the committed one, if it exists."
        ),
    ] = None,
    spec: SpecOption = DEFAULT_SPEC,
    results: Results = DEFAULT_RESULTS,
    profile: Profile = None,
    device: Device = "auto",
    jobs: Jobs = None,
    data_dir: DataDir = None,
    substitute: Substitute = None,
) -> Exit:
    """Find the first commit that the gate calls regressed: 0 found, 2 nothing to search, 3 not decided.

    The rule is that of this checkout's experiments.toml. Each commit trains with
    its own settings, in a work tree of its own under RESULTS/bisect. An
    inconclusive commit gets five more seeds, and is skipped if these do not
    decide. All that was trained is kept: after an interruption the same command
    continues.
    """
    context = Context(
        [experiment],
        spec=spec,
        results=results,
        profile=profile,
        data_dir=data_dir,
        substitute=substitute,
        device=device,
        no_tracking=True,
    )
    rule = gate_rule(context, experiment)
    folder = context.results / "bisect" / experiment
    require_folder("folder of the search", folder)
    stored = read_baseline(baseline_file or default_baseline(experiment), experiment, context)
    if baseline_file is not None and isinstance(stored, str):
        raise BadInput(f"--baseline: {stored}")
    committed = None if isinstance(stored, str) else stored
    names = engine.resolve(ROOT, good, bad)
    require_writable(context.results)
    given = {  # the work trees lie elsewhere, so paths are absolute
        "--profile": context.profiles[experiment],
        "--device": context.placement.device,
        "--data-dir": context.data_dir,
        "--jobs": jobs,
    }
    try:
        with received_signals() as signals, Lock(folder / ".bisect.lease", "a search"):
            trainer = Trainer(experiment, folder, context.infos[experiment].digest, given, substitute, signals)
            search = Search(ROOT, folder / "tree", rule, trainer, strict=strict, announce=say_as_is)
            try:
                found = engine.find(search, *names, committed=committed)
            except BisectError as error:
                if signals:  # git was stopped, too
                    raise Stopped(Exit.of_signal(signals[0])) from error
                raise
    except Stopped as stopped:
        say(f"interrupted: what was trained is kept in {escape(str(folder))}; run the same command to continue")
        return stopped.code
    return _conclude(found, folder / "bisect.json")


def _conclude(found: SearchResult, path: Path) -> Exit:
    """Write what the search found and say it."""
    engine.write(found, path)
    if found.first_bad is None:
        say(f"[yellow]not decided: the first regressing commit is one of {', '.join(found.left)}[/]")
    else:
        (first,) = (j for j in found.judged if j.commit == found.first_bad)
        say(f"[red]first regressing commit: {first.commit} ({escape(first.subject)})[/]")
        say_as_is(first.verdict)
    say(f"written: {escape(str(path))}")
    return Exit.INCONCLUSIVE if found.first_bad is None else Exit.OK


@dataclass
class Trainer:
    """Trains seeds of the commit checked out in ``folder``, with that commit's code, and keeps the curves.

    ``data``: digest of the data. ``given``: options of the commit's command, in addition to its own experiments.toml.
    ``substitute``: data sets that the data folder may lack. ``signals``: those received so far, which end the training
    and raise Stopped.
    """

    experiment: str
    folder: Path
    data: str
    given: Mapping[str, str | Path | int | None]
    substitute: str | None = None
    signals: Sequence[int] = ()

    def curves(self, commit: str, seeds: tuple[int, ...]) -> Path:
        """The file of a commit's curves. Its name has a digest of all else that they depend on."""
        given = self.given["--profile"], self.given["--device"], self.data
        here = library_versions(("torch",)), processor_kind()
        return self.folder / "curves" / f"{commit}-{digest([self.experiment, sorted(seeds), *given, *here])[:12]}.json"

    def __call__(self, commit: str, seeds: tuple[int, ...]) -> Sweep | str:
        self._heed()
        path = self.curves(commit, seeds)
        if not path.exists():
            failure = self._train(seeds, path)
            if failure:
                return failure
        try:
            return read_curves(path)
        except (OSError, ValueError) as error:
            return one_line(f"its curves cannot be read here: {error}")

    def _train(self, seeds: tuple[int, ...], path: Path) -> str | None:
        """Train the seeds; return None, or the last line that the commit's command printed."""
        tree, log = self.folder / "tree", path.with_suffix(".log")
        log.parent.mkdir(parents=True, exist_ok=True)
        made = ["--seeds", ",".join(map(str, seeds)), "--to", str(path), "--results", str(self.folder)]
        command = [sys.executable, "-m", "bench", "baseline", self.experiment, "--run", "--no-tracking", *made]
        command += [text for name, value in self.given.items() if value is not None for text in (name, str(value))]
        environment = {
            name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONSAFEPATH")
        }
        if self.substitute:
            environment["INFOGAN_SUBSTITUTE"] = self.substitute  # older commits lack the option
        with log.open("w", encoding="utf-8") as output:
            process = subprocess.Popen(
                command, cwd=tree, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )  # in its own session, so a Ctrl-C reaches it only once, from here
            code = self._ended(process)
        self._heed()
        if code in (Exit.INTERRUPTED, Exit.TERMINATED):  # somebody stopped the training itself
            raise Stopped(Exit(code))
        if code == 0 and path.exists():
            return None
        said = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        return one_line(f"exit code {code}: {said[-1] if said else 'it said nothing'}")

    def _ended(self, process: "subprocess.Popen[bytes]") -> int:
        """Wait for the training's end, pass every signal on to it, and return its exit code."""
        num_told = 0
        while True:
            for signum in self.signals[num_told:]:
                if not num_told:
                    say("stopping: the training writes its checkpoints first, a second signal stops it at once")
                process.send_signal(signal.SIGINT if signum == signal.SIGINT else signal.SIGTERM)
                num_told += 1
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(POLL_S)

    def _heed(self) -> None:
        """Raise Stopped if a signal was received."""
        if self.signals:
            raise Stopped(Exit.of_signal(self.signals[0]))
