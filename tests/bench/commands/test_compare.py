"""``compare``, and the commands that docs/EXTENDING.md shows, run at smoke size."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from bench import cli
from bench.analysis.runs import Sweep, load_run
from bench.commands import run as commands
from bench.gate.arms import held_against
from bench.records.folder import CellFolder
from bench.records.history import History
from bench.records.schema import Result
from bench.records.tasks import CellTask
from bench.report.unclaimed import headline
from bench.run import own as parts
from bench.run.executors.base import OnEvent, StopRequest
from bench.run.train_cell import CellRun
from bench.spec.criteria import GateTable, WatchedTable
from bench.spec.tables import load_spec
from tests.bench.attempts import attempt
from tests.builders import finished_cell, of_arm

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "EXTENDING.md").read_text()
COMMANDS = [line for line in PAGE.splitlines() if line.startswith("python -m bench compare") and "--run" in line]
RULE = GateTable(baseline_seeds=[0], new_seeds=[0], more_seeds=[1])
NAMES = ["infogan", "other"]
EXPERIMENT = load_spec(ROOT / "experiments.toml").experiments["mnist-mi"].model_copy(update={"gate": RULE})


def compared(base: Sweep, new: Sweep) -> str:
    return held_against(RULE, base.runs, new.runs, NAMES).sentence


def named(line: str) -> str:
    return line.split("compare ")[1].split(" --profile")[0]


def swept(folder: Path, t80: list[int]) -> Sweep:
    """Finished runs of 200 iterations. L_I jumps to H(c) at each seed's ``t80``; each seed has its own first loss."""
    runs = []
    for seed, at in enumerate(t80):
        place = folder / f"seed-{seed}"
        place.mkdir(parents=True)
        run = load_run(finished_cell(place / "results", seed=seed))
        values = np.full((200, 5), 0.1)
        values[:, 0] = 1.3 + 0.01 * seed
        values[at:, 2] = np.log(10)
        names = ("loss/discriminator", "loss/generator", "mi/c1", "mi/c2", "explained/c2")
        history = History(names, values, np.array([200]), np.array([9.0]))
        training = run.cell.config["training"] | {"iterations": 200}
        cell = replace(run.cell, config=run.cell.config | {"training": training})
        runs.append(replace(run, cell=cell, history=history))
    first = runs[0].cell
    return Sweep(first.experiment, first.profile, first.definition, first.definition_key, runs)


def test_a_slower_arm_is_said_by_how_much_paired_by_seed(tmp_path: Path) -> None:
    base, slower = (
        swept(tmp_path / "base", [100, 101, 102, 103, 104]),
        swept(tmp_path / "new", [110, 111, 112, 113, 114]),
    )
    said = compared(base, slower)
    assert re.match(r"9\.\d % slower \[9\.\d, 9\.\d\] \(slower\); final L_I \+0.000 nats .*; 5 pairs", said)
    assert said.endswith("; 5 pairs of the same seed, 93.8 % intervals")
    assert re.match(r"8\.\d % faster \[8\.\d, 8\.\d\] \(faster\); .*5 pairs", compared(slower, base))
    assert compared(base, base).startswith("0 % slower [0, 0] (no change shown)")
    few = replace(slower, runs=slower.runs[:3])
    assert "two samples, since pairs do not hold: 3 seeds in common, pairs need 5" in compared(base, few)


def test_what_cannot_be_said_is_not_said(tmp_path: Path) -> None:
    never = swept(tmp_path, [200, 200])
    assert compared(never, never) == (
        "too short to judge: no seed of either reaches 0.8 H(c) within its 200 iterations"
    )
    assert compared(never, replace(never, runs=[])) == ("nothing to compare: no cell of other is finished")
    two = replace(never, runs=swept(tmp_path / "two", [100, 101]).runs)
    assert compared(two, two) == (
        "too few seeds to judge: 2 and 2, and each needs 3; so far 0 % slower, final L_I +0.000 nats"
    )


def test_seeds_that_diverged_are_counted_and_said(tmp_path: Path) -> None:
    base, new = (swept(tmp_path / name, [100, 101, 102, 103, 104]) for name in ("base", "new"))
    ended = Result(status="failed", error="NonFiniteLoss")
    new.runs[1:3] = [replace(run, state="failed", result=ended) for run in new.runs[1:3]]
    assert compared(base, new).endswith("5 pairs of the same seed, 93.8 % intervals; 2 of 5 seeds of other diverged")
    name = 'infogan --set training.optimizer={name="sgd"}'
    assert held_against(RULE, base.runs, new.runs, ["infogan", name]).diverged == f"; 2 of 5 seeds of {name} diverged"
    arms = replace(base, runs=[*base.runs, *(of_arm(run, "slow") for run in new.runs)])
    assert headline(arms, EXPERIMENT).endswith("; 2 of 5 seeds of slow diverged.")
    assert headline(replace(new, runs=new.runs[1:3]), EXPERIMENT) == "infogan: 2 of 2 seeds diverged."
    assert re.match("infogan: 80 % of .*, 2 of 5 seeds diverged", headline(new, EXPERIMENT))


def test_the_reports_headline_is_the_same_answer(tmp_path: Path) -> None:
    """For a user's own arm, the headline compares it with infogan on the same seeds, as ``compare`` does."""
    base, slower = (
        swept(tmp_path / "base", [100, 101, 102, 103, 104]),
        swept(tmp_path / "new", [110, 111, 112, 113, 114]),
    )
    own = [of_arm(run, "slow") for run in slower.runs]
    both = replace(base, runs=[*base.runs, *own])
    said = headline(both, EXPERIMENT)
    assert re.fullmatch(r"slow against infogan: 9\.\d % slower \[9\.\d, 9\.\d\] \(5 pairs of the same seed\)\.", said)
    assert said.split(": ")[1].split(" (")[0] == compared(base, slower).split(" (")[0]
    unchanged = replace(base, runs=[*base.runs, *(of_arm(r, "slow") for r in base.runs)])
    assert headline(unchanged, EXPERIMENT).endswith("0 % slower [0, 0] (5 pairs of the same seed, no change shown).")
    few = replace(base, runs=[*base.runs[:2], *own[:2]])
    assert re.search(
        r"too few seeds to judge: 2 and 2, and each needs 3; so far 9\.\d % slower\.$", headline(few, EXPERIMENT)
    )
    assert headline(base, EXPERIMENT).startswith("infogan: 80 % of H(c) at iteration 105.7")
    # an arm that the gate watches is compared with a baseline, not with another arm
    watched = WatchedTable(arm="slow", measure="area_under_curve", margin=0.1, basis="Made up for this test.")
    beside = headline(both, EXPERIMENT.model_copy(update={"gate": RULE.model_copy(update={"watched": [watched]})}))
    assert beside.startswith("infogan: 80 % of H(c) at iteration 105.7")
    assert "against" not in beside


def test_the_page_shows_every_example(tmp_path: Path) -> None:
    files = sorted((ROOT / "examples").glob("*"))
    for file in files:
        assert file.suffix not in (".toml", ".py") or f"examples/{file.name}" in PAGE, file.name
    assert len(COMMANDS) == 5
    mine = re.search(r"```toml\n(#:schema.*?)```", PAGE, re.DOTALL)
    assert mine
    (tmp_path / "mine.toml").write_text(mine.group(1))
    assert load_spec(tmp_path / "mine.toml").experiments["mnist-mi"].arms[-1] == "slow"


class Here:
    """An executor that trains in this process, since a worker would cost each cell some seconds."""

    jobs = 1

    def run(
        self, tasks: list[CellTask], on_event: OnEvent, stop: StopRequest, tick: Callable[[], None] = lambda: None
    ) -> dict[str, str]:
        outcomes = {}
        for task in tasks:
            folder = CellFolder.of(task.results, task.cell)
            with folder.lock("test") as held:
                run = CellRun(task, partial(on_event, task), lambda: stop.requested, held)
                outcomes[task.cell.key] = attempt(run)
        return outcomes


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples, so that the cells they are compared with are trained only once."""
    return tmp_path_factory.mktemp("examples")


@pytest.fixture
def speak(
    results: Path, few_samples: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str, str, int], str]:
    """A function that runs a command of the page in this process, with more options, and returns its output."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(commands, "executor_of", lambda context: nullcontext(Here()))
    monkeypatch.setattr(parts, "_elsewhere", lambda function, tasks, what: [function(task) for task in tasks])

    def say(line: str, options: str, code: int) -> str:
        words = [*shlex.split(line)[2:], *options.split(), "--results", str(results)]
        monkeypatch.setattr(sys, "argv", [*words, "--no-tracking", "--device", "cpu"])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        assert (ended.value.code or 0) == code, said.err
        return " ".join(said.out.split())

    return say


WORKED = [line for line in COMMANDS if " --spec examples/contrastive.toml" not in line]
IN_FULL = [
    pytest.param(line, id=named(line), marks=[] if "beta1" in line else pytest.mark.slow) for line in WORKED
]  # quick sessions run three seeds of the others, see below
# of the last such line: earlier ones compare what an earlier test left
NUMBER = r".* against \S+: ([\d.]+) % (slower|faster) \[([\d.-]+|unbounded), ([\d.-]+|unbounded)\] .*; (.*)$"


@pytest.mark.parametrize("line", [line for line in WORKED if "beta1" not in line], ids=named)
def test_three_seeds_of_an_example_end_with_a_number(speak: Callable[[str, str, int], str], line: str) -> None:
    """The examples change the optimiser, the network or the loss. Three seeds are too few for pairs."""
    number = re.search(NUMBER, said := speak(line, "--seeds 0-2", 0))
    assert number, said
    assert number[5].startswith("two samples, since pairs do not hold: ")
    assert ("D's first loss differs" in number[5]) == ("network" in line)
    assert number[5].endswith("3 seeds in common, pairs need 5")


@pytest.mark.timeout(900)  # seconds; long enough for a busy machine
@pytest.mark.parametrize("line", IN_FULL)
def test_an_example_ends_with_a_number_against_its_base(speak: Callable[[str, str, int], str], line: str) -> None:
    """The examples change beta1, the optimiser, the network or the loss. Seeds are paired if networks are equal."""
    number = re.search(NUMBER, said := speak(line, "", 0))
    assert number, said
    assert float(number[3]) <= float(number[1]) <= float(number[4])
    assert number[5].startswith("two samples" if "network" in line else "5 pairs of the same seed")
    if "beta1" in line:
        assert (number[2], float(number[3]) > 0) == ("slower", True)


def test_the_second_method_runs_and_ends_with_the_comparison(speak: Callable[[str, str, int], str]) -> None:
    """Its smoke profile has 8 iterations, which is too short to judge; the comparison must say so."""
    (line,) = set(COMMANDS) - set(WORKED)
    said = speak(line, "--seeds 0", 3)  # exit code 3: not measured
    assert re.search(r" against \S+: too short to judge: no seed of either reaches 0.8 H\(c\) .* iterations$", said)


@pytest.mark.slow
@pytest.mark.timeout(900)  # seconds; long enough for a busy machine
def test_an_example_runs_in_processes_of_its_own(tmp_path: Path) -> None:
    """Runs the example in processes of its own, as a user does."""
    (line,) = [line for line in COMMANDS if "loss_term" in line]
    command = [sys.executable, *shlex.split(line)[1:], "--results", str(tmp_path), "--seeds", "0", "--no-tracking"]
    ran = subprocess.run([*command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 3, ran.stderr
    assert " against infogan-fast-q: too few seeds to judge: 1 and 1" in " ".join(ran.stdout.split())
