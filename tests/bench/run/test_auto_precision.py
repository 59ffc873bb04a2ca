"""``precision = "auto"``: declared by kind of processor, kept by a results folder, part of every key, and said."""

from pathlib import Path

import pytest

from bench import environment, placement
from bench.analysis.definitions import current_config
from bench.commands.overview import print_data
from bench.console import BadInput
from bench.context import Context
from bench.records.folder import CellFolder
from bench.records.seals import read_json, write_json
from bench.run.kernels import RECORD, gains_from_bf16
from bench.spec.cells import Cell
from infogan import data
from infogan.data import DataInfo

DATA = DataInfo(
    name="mnist", source="embedded", note="", digest="0" * 64, num_train=4000, num_test=1000, is_papers=False
)  # fmt: skip
GAINS, DOES_NOT = "amd-avx512", "amd-avx2"


@pytest.fixture(autouse=True)
def _data_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip decoding the digits, which these tests are not about."""
    monkeypatch.setattr(data, "describe", lambda *_, **__: DATA)


def on(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Let this machine be of a kind of processor."""
    monkeypatch.setattr(environment, "processor_kind", lambda: kind)
    monkeypatch.setattr(environment, "multiplies_bf16", lambda device: kind == GAINS)


def planned(results: Path, experiment: str = "mnist-mi", **options) -> Context:
    auto = ['network.precision="auto"']
    given = {"profile": "cpu", "device": "cpu", "seeds": "0", "trains": True, "settings": auto} | options
    return Context([experiment], results=results, **given)


def precisions(cells: list[Cell]) -> set[str]:
    return {cell.config["network"]["precision"] for cell in cells}


def test_the_table_by_hand() -> None:
    kinds = (GAINS, "intel-amx", DOES_NOT, "intel-avx512", "riscv-plain")
    assert [gains_from_bf16(kind) for kind in kinds] == [True, True, False, False, False]


@pytest.mark.parametrize(
    ("kind", "experiment", "options", "expected"),
    [
        (GAINS, "mnist-mi", {}, "bf16"),
        (GAINS, "mnist-mi", {"profile": "smoke"}, "bf16"),
        (GAINS, "mnist-mi", {"profile": "paper"}, "float32"),
        (GAINS, "mnist-mi", {"settings": ['network.precision="float32"']}, "float32"),
        (GAINS, "mi-gate", {"settings": []}, "float32"),
        (GAINS, "mnist-mi", {"settings": []}, "bf16"),  # the default
        (GAINS, "faces", {"settings": []}, "float32"),
        (DOES_NOT, "mnist-mi", {}, "float32"),
        (DOES_NOT, "mnist-mi", {"settings": ['network.precision="bf16"']}, "bf16"),
        ("riscv-plain", "mnist-mi", {"trains": False}, "float32"),
    ],
)
def test_what_auto_means(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, experiment: str, options: dict, expected: str
) -> None:
    on(monkeypatch, kind)
    assert precisions(planned(tmp_path, experiment, **options).cells) == {expected}


def test_a_folder_keeps_the_precision_that_it_was_begun_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On another kind of processor, and where its cells came in a pack without the record."""
    on(monkeypatch, GAINS)
    first = planned(tmp_path).cells
    on(monkeypatch, DOES_NOT)
    assert [cell.key for cell in planned(tmp_path).cells] == [cell.key for cell in first]
    (tmp_path / RECORD).unlink()
    CellFolder.of(tmp_path, first[0]).write_identity(first[0], {}, {})
    assert [cell.key for cell in planned(tmp_path).cells] == [cell.key for cell in first]
    assert precisions(planned(tmp_path / "new").cells) == {"float32"}


def test_a_folder_begun_before_there_was_a_choice_stays_in_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(monkeypatch, GAINS)
    planned(tmp_path)
    record = read_json(tmp_path / RECORD)
    assert record.pop("bf16") is True
    write_json(tmp_path / RECORD, record)
    assert precisions(planned(tmp_path).cells) == {"float32"}


def test_a_report_elsewhere_knows_the_cell_for_todays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, GAINS)
    found = planned(tmp_path)
    on(monkeypatch, DOES_NOT)
    assert all(current_config(found.spec, cell, DATA.num_train) == cell.config for cell in found.cells)


@pytest.mark.parametrize("kind", [GAINS, DOES_NOT])
def test_a_plan_says_what_was_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    on(monkeypatch, kind)
    print_data(planned(tmp_path))
    said = " ".join(capsys.readouterr().out.split())
    assert (f"mnist-mi: in bfloat16, which is faster on {GAINS}" in said) == (kind == GAINS)
    if kind == GAINS:
        assert """--set 'network.precision="float32"'""" in said


def test_a_machine_that_hides_the_instructions_stays_in_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(monkeypatch, GAINS)
    monkeypatch.setattr(environment, "multiplies_bf16", lambda device: False)
    assert precisions(planned(tmp_path).cells) == {"float32"}


def test_bfloat16_without_its_instructions_is_said_on_a_cpu_and_refused_on_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on(monkeypatch, DOES_NOT)
    stated = ['network.precision="bf16"']
    print_data(planned(tmp_path, settings=stated))
    assert "no instructions for bfloat16: slower than float32" in " ".join(capsys.readouterr().out.split())
    monkeypatch.setattr(placement, "available_device", lambda wanted: "cuda")
    with pytest.raises(BadInput, match="precision = 'bf16': this GPU has no products in bfloat16"):
        planned(tmp_path, settings=stated, trains=False, jobs=1)
    assert precisions(planned(tmp_path / "gpu", trains=False, jobs=1).cells) == {"float32"}
