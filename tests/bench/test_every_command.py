"""Every command gives the same exit code in any encoding, if nobody reads its output, and on a full disk."""

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from bench import cli, options
from bench.console import BadInput

ROOT = Path(__file__).parents[2]
COMMANDS = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
FOLDER = "r\u00e9sultats \u2013 run:on:gpu [red]"
# the help of each command, and lines that need no training: good use, bad use, a verdict
LINES = [
    *([name, "--help"] for name in sorted(COMMANDS)),
    ["--help"],
    ["plan", "mi-gate", "--results", FOLDER],
    ["report", "--results", FOLDER],
    ["sync", "--results", FOLDER],
    ["check", "mnist-mi", "--run", "--results", FOLDER],  # which has no baseline
    ["compare", "mi-gate", "infogan", "--set", "training.beta1=0.9", "--results", FOLDER],
    ["baseline", "mi-gate", "--results", FOLDER],
    ["ui", "--results", FOLDER, "--no-browser"],
    ["run", "\u2013"],
    ["\u2013"],
]
SPEAKS = """
import json, os, sys
from bench import cli
lines, codes, folder = json.loads(sys.argv[1]), [], sys.argv[2]
os.chdir(folder)
for line in lines:
    sys.argv[1:] = line
    try:
        cli.main()
    except SystemExit as end:
        codes.append(end.code or 0)
open("codes.json", "w").write(json.dumps(codes))
"""


def speak(folder: Path, stdout: int, encoding: str = "utf-8", stderr: int | None = None) -> tuple[list[int], str, str]:
    """Run all lines in one process; returns their exit codes, the standard output and the standard error."""
    (folder / FOLDER / "cells").mkdir(parents=True, exist_ok=True)
    (folder / "codes.json").unlink(missing_ok=True)
    command = [sys.executable, "-c", SPEAKS, json.dumps(LINES), str(folder)]
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT)}
    error = subprocess.PIPE if stderr is None else stderr
    ran = subprocess.run(command, cwd=ROOT, env=environment, stdout=stdout, stderr=error, check=False)
    out, err = ((stream or b"").decode(encoding) for stream in (ran.stdout, ran.stderr))
    assert ran.returncode == 0, err
    assert "Traceback" not in err
    return json.loads((folder / "codes.json").read_text()), out, err


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[int], str, str]:
    return speak(tmp_path_factory.mktemp("usual"), subprocess.PIPE)


def test_what_is_said_where_everything_can_be(usual: tuple[list[int], str, str]) -> None:
    codes, out, _ = usual
    helps = len(COMMANDS) + 1
    assert codes == [0] * helps + [0, 0, 0, 3, 3, 2, 2, 2, 2]
    assert (
        "infogan --set training.beta1=0.9 against infogan: nothing to compare: no cell of infogan is finished; add"
        in out
    )
    assert f"{FOLDER}/report/index.html" in out  # the name is no emoji and no markup
    assert "\u2026" not in out.partition("Usage: ")[0]


@pytest.mark.parametrize("name", ["", *sorted(COMMANDS)])
def test_a_help_is_not_broken_twice_in_80_columns(name: str) -> None:
    """Typer wraps the first paragraph itself, but keeps the lines of the others, so these must fit."""
    command = COMMANDS[name] if name else typer.main.get_command(cli.app)
    _, *others = (command.help or "").split("\n\n")
    lines = [re.sub(r"\[/?bold\]", "", line) for line in "\n".join(others).splitlines()]
    assert [line for line in lines if len(line) > 78] == []
    assert "``" not in (command.help or "")  # a terminal would show these marks


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_option_is_explained(name: str) -> None:
    """A default alone does not say what an option is."""
    helps = {parameter.name: getattr(parameter, "help", None) or "" for parameter in COMMANDS[name].params}
    assert [option for option, text in helps.items() if not text or text.startswith("Default")] == []


@pytest.mark.parametrize("encoding", [pytest.param("latin-1", marks=pytest.mark.slow), "ascii"])
def test_every_command_in_another_encoding(usual: tuple[list[int], str, str], encoding: str, tmp_path: Path) -> None:
    codes, out, _ = speak(tmp_path, subprocess.PIPE, encoding)
    assert codes == usual[0]
    shown = FOLDER.encode(encoding, "replace").decode(encoding)
    assert f"{shown}/report/index.html" in out


@pytest.mark.parametrize("error", ["read", "closed"])
def test_every_command_with_nobody_reading(usual: tuple[list[int], str, str], error: str, tmp_path: Path) -> None:
    """The verdict "inconclusive" must keep its exit code, since 1 would mean "regressed"."""
    reading, writing = os.pipe()
    os.close(reading)
    codes, _, _ = speak(tmp_path, writing, stderr=writing if error == "closed" else None)
    os.close(writing)
    assert codes == usual[0]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_every_command_with_a_full_disk_below_its_log(usual: tuple[list[int], str, str], tmp_path: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    codes, _, err = speak(tmp_path, full)
    os.close(full)
    assert codes == usual[0]
    assert err.count("standard output cannot be written") == 1


# ---------------------------------------------------------------- a tilde that no shell expands
PATHS = [
    (name, parameter.opts[0])
    for name, command in sorted(COMMANDS.items())
    for parameter in command.params
    if parameter.type_descriptor.annotation is Path and parameter.opts[0].startswith("--")
]


STOPPED_WHILE_IMPORTING = """
import os, signal, sys

class Finder:
    def find_spec(name, *_):
        if name == "bench.commands":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder)
signal.signal(signal.SIGINT, signal.default_int_handler)
from bench.__main__ import run
run()
"""


def test_ctrl_c_while_a_command_still_imports_is_no_traceback() -> None:
    command = [sys.executable, "-c", STOPPED_WHILE_IMPORTING, "report"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "")


def test_a_check_whose_files_have_no_room_names_one_and_is_no_regression(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "bench", "check", "mnist-mi", "--run", "--results", str(tmp_path)],  # has no baseline
        cwd=ROOT,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},  # python would leave compiled files that are cut off
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200)),
    )
    assert ran.returncode == 3, ran.stderr
    assert ran.stderr == "error: [Errno 27] File too large: 'mnist-mi.json'\n"


def test_there_are_options_that_take_a_path() -> None:
    assert {name for name, _ in PATHS} >= {"plan", "run", "report", "sync", "check", "baseline", "server", "throughput"}


@pytest.mark.parametrize(("command", "option"), PATHS)
def test_a_tilde_is_the_home_folder(command: str, option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("INFOGAN_DATA", "~/data")
    monkeypatch.setenv("INFOGAN_CACHE", "cache")
    monkeypatch.setattr(cli, "app", lambda arguments, **_: seen.extend(arguments))
    for typed in ([f"{option}=~/x"], [option, "~/x"]):
        monkeypatch.setattr(sys, "argv", ["bench", command, *typed])
        with pytest.raises(SystemExit):
            cli.main()
    assert seen == [command, f"{option}=/home/me/x", command, option, "/home/me/x"]
    assert os.environ["INFOGAN_DATA"] == "/home/me/data"
    assert os.environ["INFOGAN_CACHE"] == os.path.abspath("cache")  # for commands that start others elsewhere


def test_a_tilde_with_an_unknown_user_is_bad_input() -> None:
    for argument in ("~nobody-of-this-name/x", "--results=~nobody-of-this-name/x"):
        with pytest.raises(BadInput, match=r"there is no such home folder; write \./~nobody"):
            options.expanded("--to", argument)
    assert options.expanded("run", "--arms=a~b") == "--arms=a~b"
