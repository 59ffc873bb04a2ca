"""Shared options: each command has every option of its group once, with Context's default."""

import contextlib
import inspect
import os
import tempfile
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import typer

from bench import cli
from bench.console import BadInput
from bench.context import Context, named
from bench.options import CellOptions, GateOptions
from bench.paths import require_file
from bench.spec.tables import SpecError
from tests.builders import experiment_text, tiny_file

GROUPS = {"plan": CellOptions, "run": CellOptions, "check": GateOptions, "baseline": GateOptions}
OWN = {
    "plan": {"experiments", "estimate", "price_per_hour"},
    "run": {"experiments", "checkpoint_every_s", "checkpoint_every"},
    "check": {"experiment", "baseline_file", "train", "record", "json", "strict"},
    "baseline": {"experiment", "to", "train"},
}


@pytest.mark.parametrize("name", GROUPS)
def test_a_command_has_its_own_options_and_its_group_s(name: str) -> None:
    command = typer.main.get_command(cli.app).commands[name]  # type: ignore[attr-defined]
    found = {parameter.name: parameter for parameter in command.params}
    shared = set(get_type_hints(GROUPS[name]))
    assert found.keys() == OWN[name] | shared
    context = inspect.signature(Context).parameters
    assert {option: found[option].default for option in shared} == {o: context[o].default for o in shared}


def test_what_is_given_arrives_and_the_rest_are_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def recorded(experiments: list[str], **options: Any) -> None:
        seen.update(options, experiments=experiments)
        raise BadInput("far enough")

    monkeypatch.setattr("bench.commands.run.Context", recorded)
    monkeypatch.setenv("INFOGAN_DATA", "somewhere")
    given = {"experiments": ["mnist", "faces"], "seeds": "0-4", "jobs": 3, "variants": "a,b", "results": Path("r")}
    arguments = ["run", "mnist", "faces", "--seeds", "0-4", "--jobs", "3", "--variants", "a,b", "--results", "r"]
    with pytest.raises(BadInput, match="far enough"):
        typer.main.get_command(cli.app)(arguments, standalone_mode=False)
    defaults = {name: p.default for name, p in inspect.signature(Context).parameters.items() if name != "experiments"}
    assert seen == defaults | given | {"data_dir": Path("somewhere"), "download": True, "trains": True}


def test_an_experiment_without_the_profile_is_left_out_unless_it_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    budgets = [
        f"\n[experiments.other.profiles.{name}]\niterations = 9\nwidth = 0.06\nnum_images = 640\n"
        for name in ("smoke", "paper")
    ]
    file = tiny_file(tmp_path, more=experiment_text("other", "".join(budgets)))
    options: dict[str, Any] = {"spec": file, "results": tmp_path / "results", "device": "cpu", "no_tracking": True}
    for profile, kept, told in (
        ("smoke", "other", "left out: tiny (no profile smoke)"),
        ("cpu", "tiny", "left out: other (no profile cpu)"),
        (None, "tiny", "left out: other (no profile cpu)"),  # the default of a CPU
    ):
        for names in (None, named(["all"])):
            context = Context(names, profile=profile, **options)
            assert (context.names, {cell.experiment for cell in context.cells}) == ([kept], {kept})
            assert capsys.readouterr().out.splitlines() == [told]
    with pytest.raises(SpecError, match=r"^tiny: unknown profile 'smoke'; choose from cpu$"):
        Context(["other", "tiny"], profile="smoke", **options)
    alone = tiny_file(tmp_path, name="alone.toml")
    with pytest.raises(BadInput, match=r"^alone.toml: no experiment has a profile smoke; choose from cpu$"):
        Context(profile="smoke", **options | {"spec": alone})


def test_a_place_that_the_account_may_not_use(tmp_path: Path) -> None:
    """It is found before any training. The folder of tests is closed to others; root acts as another account."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        refused = {
            Path(folder, "new", "check.json"): "is read-only for this account",
            tmp_path / "check.json": "cannot be used: Permission denied",
        }
        child = os.fork()
        if not child:
            with contextlib.suppress(BaseException):
                tmp_path.chmod(0)
                if os.geteuid() == 0:
                    os.setuid(65534)
                for file, why in refused.items():
                    with pytest.raises(BadInput, match=why):
                        require_file("--json", file)
                os._exit(0)
            os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        tmp_path.chmod(0o700)


def test_run_needs_names_or_the_word_all() -> None:
    """All experiments take days, so an omitted name must not start them."""
    with pytest.raises(BadInput, match="name the experiments to run"):
        named(None)
    assert named(["all"]) is None
    assert named(["mnist", "faces"]) == ["mnist", "faces"]
