"""Which layers a cell computes with other kernels: by a committed table or the results' record, never by a cache."""

import json
import os
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from bench import environment
from bench.console import BadInput
from bench.context import Context
from bench.records.folder import CellFolder
from bench.records.seals import read_json
from bench.run import kernels
from bench.run.kernels import RECORD, TABLE, Chooser, declared
from bench.spec.cells import Cell
from bench.spec.resolve import KernelChoice, Machine, cells
from bench.spec.selection import Selection
from bench.spec.tables import load_spec
from infogan import data
from infogan.architectures import Dense, Strided
from infogan.data import DataInfo
from infogan.data.base import cache_dir

FAST, SLOW = Strided("conv", 128, 256, 16), Strided("conv", 64, 128, 14)
ENTRY = f"{FAST.name} batch 128"
SPEC = load_spec(Path(__file__).parents[3] / "experiments.toml")
DATA = DataInfo(
    name="mnist", source="embedded", note="", digest="0" * 64, num_train=4000, num_test=1000, is_papers=False
)  # fmt: skip


@pytest.fixture(autouse=True)
def _data_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip decoding the digits into every empty cache, which these tests are not about."""
    monkeypatch.setattr(data, "describe", lambda *_, **__: DATA)


@pytest.fixture
def asked() -> list[str]:
    """Names of the layers that were measured, in order."""
    return []


@pytest.fixture
def unknown(monkeypatch: pytest.MonkeyPatch) -> str:
    """Let this machine be of a kind that the table does not have."""
    monkeypatch.setattr(environment, "processor_kind", lambda: "riscv-plain")
    return "riscv-plain"


def chooser(results: Path, asked: list[str], *, trains: bool = True, fast: str = FAST.name) -> Chooser:
    def measure(missing, size):
        asked.extend(f"{layer.name}@{size}" for layer in missing)
        return [0.8 if layer.name == fast else 1.2 for layer in missing]

    return Chooser(results, trains=trains, measure=measure)


def test_an_unknown_kind_is_measured_once_and_stored_with_the_results(
    tmp_path: Path, asked: list[str], unknown: str
) -> None:
    assert chooser(tmp_path, asked)([SLOW, FAST], 128) == KernelChoice((FAST.name,), unknown)
    record = read_json(tmp_path / RECORD)
    assert record["processor"] == unknown
    assert record["fast"] == {f"{SLOW.name} batch 128": False, ENTRY: True}
    assert record["ratios"][ENTRY] == 0.8
    again = chooser(tmp_path, asked, fast=SLOW.name)  # a measurement would now give the opposite choice
    assert again([FAST, SLOW], 128) == KernelChoice((FAST.name,), unknown)
    assert chooser(tmp_path, asked, trains=False)([FAST], 128).fast_layers == (FAST.name,)
    assert asked == [f"{SLOW.name}@128", f"{FAST.name}@128"]
    again([FAST], 32)
    assert asked[2:] == [f"{FAST.name}@32"]  # with another batch size other layers may gain


def test_who_only_looks_measures_nothing_and_writes_nothing(tmp_path: Path, asked: list[str], unknown: str) -> None:
    assert chooser(tmp_path, asked, trains=False)([FAST], 128) == KernelChoice((), unknown)
    assert asked == []
    assert list(tmp_path.iterdir()) == []


KINDS = tomllib.loads(TABLE.read_text())


@pytest.mark.parametrize("kind", sorted(name for name, entry in KINDS.items() if "fast" in entry))
def test_a_kind_of_the_table_is_never_measured(
    tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(environment, "processor_kind", lambda: kind)
    monkeypatch.setattr(environment, "multiplies_bf16", lambda device: True)
    layers = [FAST, SLOW, Dense(1024, 6272), Dense(7, 77)]
    looked = chooser(tmp_path, asked, trains=False)(layers, 128)
    assert chooser(tmp_path, asked)(layers, 128) == looked
    assert looked == KernelChoice(declared(kind, layers) or (), kind, KINDS[kind].get("bf16", False))
    assert asked == []


def test_the_table_by_hand() -> None:
    assert declared("amd-avx512", [SLOW, FAST, Dense(1024, 6272)]) == (FAST.name, "linear 1024-6272")
    assert declared("amd-avx2", [SLOW, FAST, Dense(1024, 6272), Dense(16384, 1024)]) == (FAST.name, "linear 16384-1024")
    assert declared("riscv-plain", [FAST]) is None


def test_results_keep_their_choice_on_another_kind_of_processor_and_under_another_table(
    tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "processor_kind", lambda: "amd-avx512")
    monkeypatch.setattr(environment, "multiplies_bf16", lambda device: True)
    first = chooser(tmp_path, asked)([FAST, Dense(1024, 6272)], 128)
    monkeypatch.setattr(environment, "processor_kind", lambda: "amd-avx2")
    said: list[str] = []
    assert Chooser(tmp_path, trains=True, announce=said.append)([FAST, Dense(1024, 6272)], 128) == first
    (line,) = said
    assert "amd-avx512" in line
    assert "amd-avx2" in line
    assert first.gains_from_bf16
    monkeypatch.setattr(kernels, "_table", lambda: {"amd-avx512": {"fast": [], "bf16": False}})
    assert chooser(tmp_path, asked)([FAST, Dense(1024, 6272)], 128) == first


def test_two_launchers_at_once_agree(tmp_path: Path, asked: list[str], unknown: str) -> None:
    """The second starts while the first measures, and would choose differently."""
    measuring, go_on = Event(), Event()

    def slowly(missing, size):
        measuring.set()
        assert go_on.wait(60)
        return [0.8] * len(missing)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(Chooser(tmp_path, trains=True, measure=slowly), [FAST], 128)
        assert measuring.wait(60)
        second = pool.submit(chooser(tmp_path, asked, fast="none"), [FAST], 128)
        time.sleep(0.2)
        assert not second.done()
        go_on.set()
        assert second.result(60) == first.result(60) == KernelChoice((FAST.name,), unknown)
    assert asked == []


def test_a_process_that_dies_chooses_nothing(tmp_path: Path, unknown: str) -> None:
    dead = Chooser(tmp_path, trains=True, measure=lambda layers, size: [float("inf")] * len(layers))
    assert dead([FAST], 128) == KernelChoice((), unknown)
    assert read_json(tmp_path / RECORD)["ratios"] == {}


def test_measured_for_real_in_a_process_of_its_own(tmp_path: Path, unknown: str) -> None:
    Chooser(tmp_path, trains=True)([Strided("conv", 48, 96, 4)], 2)
    assert read_json(tmp_path / RECORD)["ratios"]["conv 48x4-96 batch 2"] > 0


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"format": 1, "sha256": "0"}', b"\xff", b"[" * 100_000, b'{"fast": 3}']
)
def test_a_damaged_record_is_one_line_and_is_not_replaced(tmp_path: Path, content: bytes) -> None:
    """The record says how the cells beside it were computed. With a new choice all of them would count as missing."""
    (tmp_path / RECORD).write_bytes(content)
    with pytest.raises(BadInput, match=RECORD) as error:
        Context(["mnist-mi"], results=tmp_path, profile="smoke", device="cpu")
    assert "\n" not in str(error.value)
    assert (tmp_path / RECORD).read_bytes() == content


def keys(results: Path) -> list[str]:
    found = Context(["mnist-mi"], results=results, profile="paper", seeds="0", device="cpu", trains=True)
    return [cell.key for cell in found.cells]


def test_no_cache_decides_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six empty caches and one that cannot be written, each used once, give one set of keys."""
    found = set()
    for index in range(6):
        monkeypatch.setenv("INFOGAN_CACHE", str(tmp_path / f"cache-{index}"))
        found.add(tuple(keys(tmp_path / f"results-{index}")))
        assert not (cache_dir() / "kernels").exists()
    (tmp_path / "a file").touch()
    monkeypatch.setenv("INFOGAN_CACHE", str(tmp_path / "a file" / "cache"))
    found.add(tuple(keys(tmp_path / "results-6")))
    assert len(found) == 1


def test_two_kinds_of_processor_have_two_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for kind in ("amd-avx512", "amd-avx2"):
        monkeypatch.setattr(environment, "processor_kind", lambda kind=kind: kind)
        found.append(keys(tmp_path / kind)[0])
    assert len(set(found)) == 2


def test_cells_that_came_without_the_record_tell_their_own_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a pack from another kind of processor, or after the record was lost, finished cells stay finished."""
    monkeypatch.setattr(environment, "processor_kind", lambda: "amd-avx512")
    before = Context(["mnist-mi"], results=tmp_path, profile="paper", seeds="0", device="cpu", trains=True).cells
    CellFolder.of(tmp_path, before[0]).write_identity(before[0], {}, {})
    (tmp_path / RECORD).unlink()
    monkeypatch.setattr(environment, "processor_kind", lambda: "amd-avx2")
    assert keys(tmp_path) == [cell.key for cell in before]
    assert read_json(tmp_path / RECORD)["processor"] == "amd-avx512"


@pytest.mark.parametrize(
    ("machine", "info", "kind"),
    [
        ("x86_64", {"vendor_id": "AuthenticAMD", "flags": "fma avx avx2"}, "amd-avx2"),
        ("x86_64", {"vendor_id": "AuthenticAMD", "flags": "avx2 fma avx512f avx512bw avx512dq avx512vl"}, "amd-avx512"),
        ("x86_64", {"vendor_id": "GenuineIntel", "flags": "avx2 fma avx512f"}, "intel-avx2"),  # Knights Landing
        (
            "x86_64",
            {"vendor_id": "GenuineIntel", "flags": "avx2 fma avx512f avx512bw avx512dq avx512vl amx_tile"},
            "intel-amx",
        ),
        ("x86_64", {"vendor_id": "HygonGenuine", "flags": "sse2"}, "other-plain"),
        ("aarch64", {"Features": "fp asimd sve"}, "arm-sve"),
        ("arm64", {}, "arm-neon"),
    ],
)
def test_kinds_of_processor(machine: str, info: dict, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_cpuinfo", lambda: info)
    monkeypatch.setattr(environment.platform, "machine", lambda: machine)
    assert environment.processor_kind() == kind


@pytest.mark.parametrize(
    ("info", "multiplies"),
    [
        ({"flags": "avx2 fma avx512f avx512_bf16"}, True),
        ({"flags": "avx512f amx_bf16 amx_tile"}, True),
        ({"flags": "avx2 fma avx512f avx512_vnni"}, False),
        ({"Features": "fp asimd sve bf16"}, True),
        ({"Features": "fp asimd sve"}, False),
        ({}, False),
    ],
)
def test_whether_a_processor_multiplies_bfloat16(info: dict, multiplies: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_cpuinfo", lambda: info)
    assert environment.multiplies_bf16("cpu") == multiplies


def test_variables_that_change_bits_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in environment.BIT_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert environment.record("cpu")["variables"] == {}
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2" + "x" * 100)
    found = environment.record("cpu")["variables"]
    assert found == {"MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": os.environ["ONEDNN_MAX_CPU_ISA"][:64]}
    assert json.dumps(found)


def mnist_cell(profile: str, **options) -> Cell:
    return cells(SPEC, "mnist-mi", profile, Selection(seeds=(0,)), DATA, Machine(versions={}, **options))[0]


def test_the_choice_is_part_of_a_cells_key() -> None:
    all_of_them = mnist_cell("paper", device="cpu")
    none_of_them = mnist_cell("paper", device="cpu", choose=lambda layers, size: KernelChoice((), "any"))
    assert all_of_them.config["network"]["fast_layers"] == [
        "upconv 64x14-128",
        "conv 64x14-128",
        "linear 72-1024",
        "linear 1024-6272",
        "linear 6272-1024",
        "linear 1024-128",
    ]
    assert none_of_them.config["network"]["fast_layers"] == []
    assert none_of_them.config["network"]["chosen_for"] == "any"
    assert all_of_them.key != none_of_them.key
    assert all_of_them.comparison == none_of_them.comparison


def test_where_there_is_no_choice_nobody_is_asked() -> None:
    def never(layers, size):
        raise AssertionError

    rounded = Selection(variants=("bf16",), arms=("infogan",), seeds=(100,))
    for cell in (
        mnist_cell("paper", device="cuda", choose=never),
        cells(SPEC, "mnist-mi-settings", "cpu", rounded, DATA, Machine("cuda", {}, never))[0],
    ):
        assert "fast_layers" not in cell.config["network"]
        assert "chosen_for" not in cell.config["network"]
