"""What others could exploit: names that leave the folder, pickles, secrets, pages that run code, open ports."""

import ast
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench import environment
from bench.records.folder import CellFolder
from bench.serve import process as serving
from bench.serve import server
from bench.spec.tables import SpecError, load_spec
from bench.tracking.store import mirror_cell
from infogan import data
from infogan.data import DataError
from tests.builders import planned, tiny_file, tiny_text
from tests.end_to_end.harness import Bench

ROOT = Path(__file__).parents[1]
SOURCES = sorted(p for package in ("infogan", "bench") for p in (ROOT / package).rglob("*.py"))
NAMES = ["../up", "/etc", "a/b", "a\\\\b", "..", ".", "", "a\\u0000", "a\\u001b[2J", "a\\n", "A", "x" * 60]


# ---------------------------------------------------------------- the code
def calls(tree: ast.AST) -> list[tuple[str, ast.Call]]:
    return [(ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def test_nothing_from_outside_is_unpickled_or_executed() -> None:
    """Every torch.load has weights_only; no np.load, which takes pickles; no eval, exec, shell, extraction."""
    forbidden = {
        "eval",
        "exec",
        "os.system",
        "os.popen",
        "np.load",
        "pickle.load",
        "pickle.loads",
        "yaml.load",
        "yaml.unsafe_load",
    }
    num_torch_loads = 0
    for file in SOURCES:
        for name, call in calls(ast.parse(file.read_text())):
            where = f"{file.relative_to(ROOT)}:{call.lineno}: {name}"
            options = {k.arg: ast.unparse(k.value) for k in call.keywords}
            assert name not in forbidden, where
            assert not name.endswith((".extractall", ".unpack_archive", "joblib.load")), where
            assert options.get("shell", "False") == "False", where
            if name == "torch.load":
                assert options.get("weights_only") == "True", where
                num_torch_loads += 1
    assert num_torch_loads >= 4


# ---------------------------------------------------------------- names
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", ["experiments.tiny", "arms.gan", "variants"])
def test_names_of_experiments_toml_stay_in_the_results_folder(tmp_path: Path, name: str, place: str) -> None:
    text = tiny_text()
    if place == "variants":
        text += f'\n[experiments.tiny.variants."{name}"]\nnote = "x"\n'
    else:
        table = f'{place.partition(".")[0]}."{name}"'
        text = text.replace(f"[{place}", f"[{table}").replace('["infogan", "gan"', f'["infogan", "{name}"')
    file = tmp_path / "experiments.toml"
    file.write_text(text)
    with pytest.raises(SpecError) as caught:
        load_spec(file)
    assert str(caught.value).isprintable()


def test_names_of_factors_are_names(tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    (tmp_path / "faces").mkdir()
    for k in range(2):
        Image.fromarray(np.full((32, 32), k, np.uint8)).save(tmp_path / "faces" / f"{k}.png")
    for name in ("../up", "/etc/x", "a/b", "\x1b[2J", "<script>", "größe", "x" * 61, ".hidden", "a\x00"):
        (tmp_path / "faces" / "factors.csv").write_text(f"file,{name}\n0.png,1\n1.png,2\n")
        with pytest.raises(DataError, match="is not a valid name of a factor") as caught:
            data.load("faces", "real", tmp_path)
        assert str(caught.value).isprintable()


def test_a_record_that_names_another_cell_is_not_mirrored(tmp_path: Path) -> None:
    """The names in a record would become folders of artifacts."""
    cell = planned(tiny_file(tmp_path), seeds=(0,))[0]
    folder = CellFolder.of(tmp_path / "results", cell)
    hostile = replace(cell, config=cell.config | {"experiment": "../../up"})
    folder.write_identity(hostile, {}, {})

    class NoClient:
        def __getattr__(self, name: str) -> None:
            raise AssertionError(f"the store was asked: {name}")

    from bench.records.storage import CorruptRecord

    with pytest.raises(CorruptRecord, match="belongs to another cell than its folder"):
        mirror_cell(NoClient(), CellFolder(folder.path))  # type: ignore[arg-type]


def test_a_link_in_the_results_is_replaced_not_followed(tmp_path: Path) -> None:
    from bench.records.storage import write_atomic

    outside = tmp_path / "outside"
    outside.write_text("mine")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "report.md").symlink_to(outside)
    write_atomic(tmp_path / "results" / "report.md", b"theirs")
    assert outside.read_text() == "mine"
    assert not (tmp_path / "results" / "report.md").is_symlink()


# ---------------------------------------------------------------- secrets
def test_no_secret_of_the_environment_is_recorded(tmp_path: Path) -> None:
    """A token in the environment, in the home folder's name, in a path or on the command line reaches no record."""
    token = "planted-5f3a9c-token"
    variables = dict.fromkeys(
        ("AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "MLFLOW_TRACKING_PASSWORD", "USER", "HOSTNAME"), token
    )
    home = tmp_path / token
    home.mkdir()
    script = (
        "import json, sys; from bench import environment as e; print(json.dumps([e.record('cpu'), e.command_line()]))"
    )
    command = [sys.executable, "-c", script, "run", "--data-dir", str(home / "data")]
    ran = subprocess.run(
        command, cwd=ROOT, env=os.environ | variables | {"HOME": str(home)}, capture_output=True, text=True, check=True
    )
    assert token not in ran.stdout
    assert str(ROOT) not in ran.stdout
    recorded = json.loads(ran.stdout)[0]
    machine = {"platform", "cpu", "processor", "cores", "device", "gpu"}
    assert set(recorded) == machine | {"python", "packages", "variables", "git_commit"}
    assert set(recorded["packages"]) <= set(environment.PACKAGES)
    assert os.uname().nodename not in json.dumps(recorded) or len(os.uname().nodename) < 4


def test_messages_do_not_steer_the_terminal(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for hostile in ("\x1b[2Jx", "a\nb"):
        output = bench("run", hostile, code=2)
        assert "\x1b" not in output
        assert output.count("\n") == 1


# ---------------------------------------------------------------- servers
def test_servers_bind_to_loopback() -> None:
    """No source names an address that means every interface, except to recognise it. test_ui.py checks real sockets."""
    assert serving.LOOPBACK == server.ServerOptions(Path("server")).host == "127.0.0.1"
    for file in SOURCES:
        for line in file.read_text().splitlines():
            assert line.startswith("EVERY_ADDRESS = ") or not re.search(r"""["'](0\.0\.0\.0|::)["']""", line), file
