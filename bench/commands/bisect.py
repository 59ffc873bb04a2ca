"""``bisect``: find the commit after which mutual information converges later."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.analysis.runs import Sweep, read_curves
from bench.commands.gate import default_baseline, gate_rule, read_baseline
from bench.console import BadInput, Exit, escape, say
from bench.context import DEFAULT_SPEC, Context, require_folder, require_writable
from bench.environment import ROOT
from bench.gate import bisect as engine
from bench.gate.bisect import Search
from bench.records.locks import Lock
from infogan.data.base import one_line


@dataclass(frozen=True)
class Options:
    """How every commit is trained, in addition to its own code and its own experiments.toml."""

    results: Path
    profile: str | None = None
    data_dir: Path | None = None
    device: str = "auto"
    jobs: int | None = None

    def flags(self) -> list[str]:
        """The options as flags of the commit's command line."""
        pairs = {"--profile": self.profile, "--data-dir": self.data_dir, "--jobs": self.jobs}
        given = [text for name, value in pairs.items() if value is not None for text in (name, str(value))]
        return [*given, "--device", self.device]


def bisect(
    experiment: str,
    good: str,
    bad: str,
    options: Options,
    *,
    spec: Path = DEFAULT_SPEC,
    baseline_file: Path | None = None,
    strict: bool = False,
    repository: Path = ROOT,
) -> Exit:
    """Search between two commits. Returns 0: found; 2: nothing to search; 3: only unjudged commits are left."""
    context = Context(
        [experiment],
        spec=spec,
        results=options.results,
        profile=options.profile,
        device=options.device,
        no_tracking=True,
    )
    rule = gate_rule(context, experiment)
    folder = context.results / "bisect" / experiment
    require_folder("folder of the search", folder)
    stored = read_baseline(baseline_file or default_baseline(experiment), experiment)
    if baseline_file is not None and isinstance(stored, str):
        raise BadInput(f"--baseline: {stored}")
    committed = None if isinstance(stored, str) else stored
    try:
        names = engine.resolve(repository, good, bad)
        require_writable(context.results)
        trainer = Trainer(experiment, folder, options)
        search = Search(
            repository, folder / "tree", rule, trainer, strict=strict, announce=lambda text: say(escape(text))
        )
        with Lock(folder / ".bisect.lease", "a search"):
            found = engine.find(search, *names, committed=committed)
    except KeyboardInterrupt:
        say(f"interrupted: what was trained is kept in {escape(str(folder))}; run the same command to continue")
        return Exit.INTERRUPTED
    engine.write(found, folder / "bisect.json")
    if found.first_bad is None:
        say(f"[yellow]not decided: the first regressing commit is one of {', '.join(found.left)}[/]")
    else:
        (first,) = (j for j in found.judged if j.commit == found.first_bad)
        say(f"[red]first regressing commit: {first.commit} ({escape(first.subject)})[/]")
        say(escape(first.verdict))
    say(f"written: {escape(str(folder / 'bisect.json'))}")
    return Exit.INCONCLUSIVE if found.first_bad is None else Exit.OK


@dataclass
class Trainer:
    """Trains seeds of the commit checked out in ``folder``, with that commit's code, and keeps the curves."""

    experiment: str
    folder: Path
    options: Options

    def __call__(self, commit: str, seeds: tuple[int, ...]) -> Sweep | str:
        path = self.folder / "curves" / f"{commit}-{len(seeds)}.json"
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
        command = engine.training_command([sys.executable], self.experiment, seeds, path)
        command += ["--results", str(self.folder), *self.options.flags()]
        environment = {
            name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONSAFEPATH")
        }
        described = subprocess.run(
            [*command[:4], "--help"], cwd=tree, env=environment, capture_output=True, text=True, check=False
        )
        command += ["--no-tracking"] if "--no-tracking" in described.stdout else []  # older commits lack this option
        with log.open("w", encoding="utf-8") as output:
            process = subprocess.Popen(
                command, cwd=tree, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )  # in its own session, so a Ctrl-C reaches it only once, from here
            try:
                code = process.wait()
            except KeyboardInterrupt:
                process.send_signal(signal.SIGINT)
                process.wait()
                raise
        if code in (Exit.INTERRUPTED, Exit.TERMINATED):
            raise KeyboardInterrupt
        if code == 0 and path.exists():
            return None
        said = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        return one_line(f"exit code {code}: {said[-1] if said else 'it said nothing'}")
