"""Commands that write committed files: their help writes nothing."""

import importlib
import sys
from pathlib import Path

import pytest

from bench import publish
from bench.records import seals, storage

NAMES = [path.stem for path in sorted(Path(publish.__path__[0]).glob("*.py")) if "__main__" in path.read_text()]


@pytest.mark.parametrize("name", NAMES)
def test_help_and_a_mistyped_option_write_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = importlib.import_module(f"bench.publish.{name}")

    def refuse(path: Path, *_: object) -> None:
        raise AssertionError(f"{path} would be written")

    for writer in ("write_atomic", "write_plain_json"):
        monkeypatch.setattr(module, writer, refuse, raising=False)
        monkeypatch.setattr(storage, writer, refuse)
    monkeypatch.setattr(seals, "write_atomic", refuse)
    for option, code in (("--help", 0), ("--hepl", 2)):
        monkeypatch.setattr(sys, "argv", [name, option])
        with pytest.raises(SystemExit) as ended:
            module.main()
        assert ended.value.code == code
    told = capsys.readouterr()
    assert told.out.startswith("usage: python -m bench.publish.")
    assert "error: " in told.err
