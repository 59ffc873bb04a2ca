"""Custom parts by import path: in the key, checked before any training, and imported only by commands that train."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.analysis.results import load
from bench.console import BadInput
from bench.context import Context
from bench.records.packs import pack
from bench.records.unpacking import unpack
from bench.report.inventory import arm_settings
from bench.run.configuration import training_config
from bench.run.own import trainer
from bench.spec.cells import Cell
from bench.spec.tables import SpecError, load_spec
from infogan import api
from infogan.architectures import ARCHITECTURES
from infogan.own import OwnError
from infogan.own.networks import to_table
from tests.builders import experiment_text, finished, finished_cell, planned, tiny_file
from tests.end_to_end.harness import Bench
from tests.small_weights import small_weights

EXAMPLES = Path(__file__).parents[3] / "examples"
MINE = """
extends = "base.toml"

[arms.mine]
optimizer = { name = "adamw", weight_decay = 0.01 }

[arms.lion]
optimizer = "LION:Lion"
step = "my_step.py:step"

[experiments.tiny]
arms = ["mine", "lion"]

[experiments.tiny.profiles.cpu]
arms = ["mine", "lion"]
""".replace("LION", str(EXAMPLES / "lion.py"))
NETWORK = 'extends = "base.toml"\n' + experiment_text(
    "own",
    "profiles = { cpu = { iterations = 10, width = 0.06, num_images = 640 } }\n",
    source='"embedded"',
    architecture='"my_network.py:NET"',
)
STEP = "from infogan.step import fused_step\n\ndef step(players, real):\n    return fused_step(players, real)\n"
SOUND = (EXAMPLES / "network.py").read_text() + "\nNET = CONVOLUTIONAL\n"
MARK = "import pathlib\npathlib.Path({!r}).write_text('imported')\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny_file(tmp_path, name="base.toml")
    (tmp_path / "mine.toml").write_text(MINE)
    (tmp_path / "network.toml").write_text(NETWORK)
    (tmp_path / "my_step.py").write_text(STEP)
    (tmp_path / "my_network.py").write_text(SOUND)
    return tmp_path


def resolved(file: Path, **selection: Any) -> dict[str, Cell]:
    return {cell.arm: cell for cell in planned(file, seeds=(0,), **selection)}


def context(folder: Path, experiment: str, file: str, **options: Any) -> Context:
    return Context(
        [experiment], spec=folder / file, results=folder / "results", device="cpu", no_tracking=True, **options
    )


# ---------------------------------------------------------------- keys
def test_own_parts_are_in_the_key_with_their_source_and_others_cells_keep_theirs(folder: Path) -> None:
    base, found = resolved(folder / "base.toml"), resolved(folder / "mine.toml")
    assert {arm: found[arm].key for arm in base} == {arm: cell.key for arm, cell in base.items()}
    assert all("own" not in cell.config for cell in base.values())
    assert found["mine"].config["training"]["optimizer"] == {"name": "adamw", "weight_decay": 0.01}
    assert found["mine"].config["own"].keys() == {"code"}
    assert found["lion"].config["own"].keys() == {"code", "optimizer", "step"}
    assert found["lion"].definition_key == base["infogan"].definition_key
    (folder / "my_step.py").write_text(STEP.replace("(players, real)\n", "(players, 1 * real)\n"))
    changed = resolved(folder / "mine.toml")
    assert changed["lion"].key != found["lion"].key
    assert changed["mine"].key == found["mine"].key


def test_a_network_of_ones_own_is_learned_in_another_process_and_recorded_as_data(folder: Path) -> None:
    (folder / "my_network.py").write_text(SOUND + MARK.format(str(folder / "mark")))
    (cell,) = context(folder, "own", "network.toml").cells
    assert (folder / "mark").exists()
    assert "my_network" not in sys.modules
    assert cell.config["own"]["architecture"]["table"]["generator"][0]["width"] == 128
    (folder / "mark").unlink()
    assert training_config(cell.config).architecture == "my_network.py:NET"
    made = trainer(cell.config, {}, _images(), 0)  # measuring needs no source
    made.enqueue(1)
    assert not (folder / "mark").exists()


def _images() -> Any:
    import torch

    return torch.randint(0, 256, (64, 1, 28, 28), generator=torch.Generator().manual_seed(1)).to(torch.uint8)


# ---------------------------------------------------------------- bad input
# ruff: noqa: E501 - a table reads better with a row per case
NETWORKS = {
    "does not import": ("import nothing_of_this_name", "my_network.py:NET: .*my_network.py cannot be imported: ModuleNotFoundError"),
    "dies": ("import os; os._exit(3)", "my_network.py:NET: the process that imported it died"),
    "is missing": ("OTHER = 3", "my_network.py has no NET"),
    "is none": ("NET = 3", "expected an infogan.architectures.Architecture, got int"),
    "is a class": ("class NET: pass", "expected an infogan.architectures.Architecture, got the class NET"),
    "cannot be built": (SOUND + "\nfrom dataclasses import replace\nNET = replace(NET, trunk=())", "my_network.py:NET: trunk and generator need at least one layer"),
    "is for other images": (SOUND + "\nfrom infogan.architectures import ARCHITECTURES\nNET = ARCHITECTURES['faces']", r"experiments.own: architecture = 'my_network.py:NET': expected one for images of 1 x 28 x 28"),
}  # fmt: skip


QUICK = ("does not import", "is for other images")


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in NETWORKS])
def test_a_network_that_cannot_be_used_is_one_line(folder: Path, name: str) -> None:
    content, message = NETWORKS[name]
    (folder / "my_network.py").write_text(content)
    with pytest.raises(SpecError, match=message) as caught:
        context(folder, "own", "network.toml")
    assert "\n" not in str(caught.value)
    assert not (folder / "results").exists()


PARTS = {
    "an optimiser that is none": ('optimizer = "my_step.py:step"\n', STEP, "optimizer my_step.py:step: "),
    "an option that it lacks": ('optimizer = { name = "sgd", momentun = 0.9 }\n', STEP, "tiny, lion: optimizer sgd: unknown option 'momentun'; choose from momentum"),
    "a step of another signature": ('step = "my_step.py:step"\n', "def step(players): return 3", r"tiny, lion: a trial of 2 iterations failed: TypeError: step\(\) takes 1"),
    "a step that fails": ('step = "my_step.py:step"\n', "def step(players, real):\n    return players.nothing", r"a trial of 2 iterations failed \(my_step.py, line 2\): AttributeError"),
    "a step of other metrics": ('step = "my_step.py:step"\n', STEP.replace("real)\n", "real)[:2]\n", 2).replace("def step(players, real)[:2]", "def step(players, real)"), r"tiny, lion: a step must return 5 metrics \(loss/discriminator, loss/generator, mi/c1, .*\), got shape \(2,\)"),
    "a step of one number": ('step = "my_step.py:step"\n', "import torch\ndef step(players, real):\n    return torch.zeros(())", r"tiny, lion: a step must return 5 metrics .* got shape \(\)"),
    "no step": ('step = "my_step.py:step"\n', "step = 3", "my_step.py:step: a step must be callable with players and images, got int"),
    "a step that ends all": ('step = "my_step.py:step"\n', "import sys\ndef step(players, real):\n    sys.exit(0)", "SystemExit: 0"),
    "a step that draws where no checkpoint looks": ('step = "my_step.py:step"\n', "import torch\n" + STEP.replace("real)\n", "real + torch.rand(real.shape))\n"), "tiny, lion: after a checkpoint it trains to other weights: .* draw random numbers from players.sample or players.latents"),
    "no such file": ('step = "nowhere.py:step"\n', STEP, "^nowhere.py:step: [^:]*nowhere.py does not exist"),
    "no such module": ('step = "nowhere_at_all:step"\n', STEP, "no module nowhere_at_all in"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_cannot_train_is_one_line_before_anything_is_written(folder: Path, name: str) -> None:
    line, content, message = PARTS[name]
    text = MINE.replace('step = "my_step.py:step"\n', "").replace(f'optimizer = "{EXAMPLES / "lion.py"}:Lion"\n', line)
    (folder / "mine.toml").write_text(text)
    (folder / "my_step.py").write_text(content)
    with pytest.raises((SpecError, BadInput), match=message) as caught:
        context(folder, "tiny", "mine.toml", arms="lion")
    assert "\n" not in str(caught.value)
    assert not (folder / "results").exists()


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ('optimizer = "adamv"', r"\[arms.mine\] optimizer = 'adamv': .*an optimiser of torch \(did you mean 'adam'\?\); choose from adadelta"),
        ('optimizer = { nam = "sgd" }', r"\[arms.mine.optimizer\] name: missing"),
        ('optimizer = { name = "sgd", lr = { a = 1 } }', "lr = .*expected a finite number, true, false, text"),
        ('step = "fusd"', r"\[arms.mine\] step = 'fusd': expected module:name, .*did you mean 'fused'"),
    ],
)  # fmt: skip
def test_an_unknown_name_is_one_line_at_once(folder: Path, field: str, message: str) -> None:
    (folder / "mine.toml").write_text(MINE.replace('optimizer = { name = "adamw", weight_decay = 0.01 }', field))
    with pytest.raises(SpecError, match=message) as caught:
        load_spec(folder / "mine.toml")
    assert "\n" not in str(caught.value)


def test_one_text_for_two_sources_is_refused(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "my_step.py").write_text(STEP)
    (folder / "deep" / "more.toml").write_text('extends = "../mine.toml"\n[arms.more]\nstep = "my_step.py:step"\n')
    with pytest.raises(SpecError, match=r"my_step.py:step is named in two files"):
        load_spec(folder / "deep" / "more.toml")


def test_a_source_that_changed_since_the_plan_trains_nothing(folder: Path) -> None:
    cell = resolved(folder / "mine.toml")["lion"]
    folders = load_spec(folder / "mine.toml").given.own.folders
    (folder / "my_step.py").write_text(STEP + "\nCHANGED = 1\n")
    with pytest.raises(OwnError, match=r"my_step.py:step: its source has changed since the cell was planned"):
        trainer(cell.config, folders, _images(), 0)
    with pytest.raises(OwnError, match="not named by this launch's file of experiments"):
        trainer(cell.config, {}, _images(), 0)


# ---------------------------------------------------------------- commands that only read import nothing
@pytest.fixture
def stranger(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A stranger's cell in results, and a pack of them. Its configuration names modules that lie where Python
    would find them, and which leave a mark if they are imported.
    """
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    cell = resolved(folder / "mine.toml")["lion"]
    for name in ("my_step.py", "my_network.py"):
        (folder / name).write_text((folder / name).read_text() + MARK.format(str(folder / "mark")))
    table = {"source": "0" * 16, "table": json.loads(json.dumps(to_table(ARCHITECTURES["mnist"])))}
    config = cell.config | {"architecture": "my_network.py:NET", "own": cell.config["own"] | {"architecture": table}}
    finished_cell(folder / "results").write_weights(small_weights())
    own = Cell(config, cell.definition)
    finished(folder / "results", own).write_weights(small_weights())
    pack(folder / "results", folder / "cells.zip", weights=False)
    return config


def test_reading_a_folder_or_a_pack_imports_nothing_that_it_names(folder: Path, stranger: dict[str, Any]) -> None:
    unpack([folder / "cells.zip"], folder / "unpacked")
    for file in ("base.toml", "mine.toml"):
        for place in ("results", "unpacked"):
            loaded = load(folder / place, spec=load_spec(folder / file))
            sweeps = [*loaded.sweeps, *loaded.kept_apart]
            assert {run.cell.arm for sweep in sweeps for run in sweep.runs} == {"infogan", "lion"}, loaded.damaged
            said = [arm_settings(sweep, group) for sweep in sweeps for group in sweep.groups()]
            assert any("source of step" in text and "source of architecture 0000" in text for text in said)
    card = {name: stranger[name] for name in ("architecture", "own", "codes", "noise", "network")}
    (folder / "export").mkdir()
    (folder / "export" / api.CARD).write_text(json.dumps(card | {"format": api.FORMAT, "weights_sha256": "0"}))
    with pytest.raises(api.ModelError):
        api.load(folder / "export")
    assert not (folder / "mark").exists()
    assert not {"my_step", "my_network"} & sys.modules.keys()


@pytest.mark.slow
@pytest.mark.parametrize("line", [["report"], ["unpack", "cells.zip"], ["sync"], ["plan", "tiny"], ["check", "tiny"]])
def test_no_command_that_reads_imports_what_results_name(
    folder: Path, stranger: dict[str, Any], line: list[str]
) -> None:
    spec = [] if line[0] in ("unpack", "sync") else ["--spec", "base.toml"]
    command = [sys.executable, "-m", "bench", *line, *spec, "--results", str(folder / "results")]
    environment = os.environ | {"PYTHONPATH": f"{Path(__file__).parents[3]}{os.pathsep}{folder}"}
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in ran.stderr
    assert ran.returncode in (0, 2, 3, 4), ran.stderr
    assert not (folder / "mark").exists()


@pytest.mark.slow
def test_own_parts_train_through_the_command(folder: Path) -> None:
    bench = Bench(folder)
    bench.spec = folder / "mine.toml"
    output = bench("run", "tiny", "--arms", "mine,lion", "--seeds", "0", "--no-tracking")
    assert "2 of 2 cells finished" in output
    assert "nothing to do" in bench("run", "tiny", "--arms", "mine,lion", "--seeds", "0", "--no-tracking")
    bench.spec = folder / "network.toml"
    assert "1 of 1 cells finished" in bench("run", "own", "--no-tracking")
    assert bench("report").count("error") == 0
