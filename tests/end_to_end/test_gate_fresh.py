"""The gate raises no alarm for other seeds or other rounding. It trains mi-gate itself, which takes minutes.

The measured ratios are in docs/POWER.md.
"""

import json
import math
import re
from pathlib import Path

import pytest
import torch

from bench import environment
from bench.commands import gate as gate_commands
from bench.console import Exit
from bench.context import Context
from bench.records.tasks import CellTask
from bench.run import train_cell as cell
from infogan.step import Players
from infogan.training import Trainer
from tests.bench.attempts import attempt
from tests.builders import SHIPPED
from tests.end_to_end.harness import Bench

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def bench(tmp_path: Path, empty_database: Path) -> Bench:
    """An empty results folder and the repository's own experiments.toml."""
    bench = Bench(tmp_path).use_database(empty_database)
    bench.spec.write_text(SHIPPED.read_text())
    return bench


def assert_no_alarm(results: Path, num_new: int) -> None:
    (line,) = (json.loads(text) for text in (results / "history.jsonl").read_text().splitlines())
    assert line["outcome"] == "ok"
    assert line["arms"]["infogan"]["num_new"] == num_new
    assert line["arms"]["infogan"]["high"] < 1.2


@pytest.mark.parametrize("seeds", ["10-14", "15-19"])
def test_disjoint_fresh_seeds_raise_no_alarm(bench: Bench, seeds: str) -> None:
    bench("check", "mi-gate", "--run", "--seeds", seeds)
    assert_no_alarm(bench.results, 5)


def test_kernels_with_other_roundings_raise_no_alarm(bench: Bench) -> None:
    text, num_changed = re.subn(r'^kernels = "\w+"', 'kernels = "torch"', bench.spec.read_text(), flags=re.MULTILINE)
    assert num_changed == 1
    bench.spec.write_text(text)
    output = bench("check", "mi-gate", "--run", "--seeds", "0-9")  # no pairs: the watched hump needs both looks
    assert "network.kernels: fastest -> torch" in output
    assert_no_alarm(bench.results, 10)


class PerturbedTrainer(Trainer):
    """A trainer that replaces every initial weight by the next float above or below it, at random."""

    def _create_players(self) -> Players:
        players = super()._create_players()
        coin = torch.Generator().manual_seed(self.seed)
        with torch.no_grad():
            for network in (players.generator, players.discriminator):
                for weights in network.parameters():
                    up = torch.rand(weights.shape, generator=coin) < 0.5
                    weights.copy_(torch.nextafter(weights, torch.where(up, math.inf, -math.inf)))
        return players


def test_weights_perturbed_in_the_last_bit_raise_no_alarm(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cells are trained in this process, where the trainer can be replaced. A worker would import the original."""
    monkeypatch.setattr("infogan.training.Trainer", PerturbedTrainer)
    context = Context(["mi-gate"], spec=bench.spec, results=bench.results, seeds="0-9")
    recorded = environment.record("cpu")
    for one in context.cells:
        run = cell.CellRun(CellTask(one, context.results, None, recorded), lambda *_: None, lambda: False)
        assert attempt(run) == "done"
        assert isinstance(run.training.trainer, PerturbedTrainer)
    options = {"spec": bench.spec, "results": bench.results, "seeds": "0-9"}
    assert gate_commands.check("mi-gate", **options) == Exit.OK
    assert_no_alarm(bench.results, 10)
