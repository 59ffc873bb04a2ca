"""Which layers a sweep computes with Winograd-type products: measured once, kept, part of a cell's key."""

import json
from pathlib import Path

import pytest

from bench.run import kernels
from bench.spec.cells import Selection, cells
from bench.spec.tables import load_spec
from infogan.architectures import Strided
from infogan.data import DataInfo

FAST, SLOW = Strided("conv", 128, 256, 16), Strided("conv", 64, 128, 14)
SPEC = load_spec(Path(__file__).parents[3] / "experiments.toml")
DATA = DataInfo(
    name="mnist", source="embedded", note="", digest="0" * 64, num_train=4000, num_test=1000, is_papers=False
)  # fmt: skip


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An empty cache; names of the layers that were measured, in order."""
    monkeypatch.setenv("INFOGAN_CACHE", str(tmp_path))
    return []


def choose(asked: list[str], *layers: Strided, batch_size: int = 128) -> tuple[str, ...]:
    def measure(missing, size):
        asked.extend(f"{layer.name}@{size}" for layer in missing)
        return [0.8 if layer is FAST else 1.2 for layer in missing]

    return kernels.fast_layers(layers, batch_size, measure=measure)


def test_those_that_gain_are_chosen_and_nothing_is_measured_twice(asked: list[str]) -> None:
    assert choose(asked, SLOW, FAST) == (FAST.name,)
    assert choose(asked, FAST, SLOW) == (FAST.name,)
    assert asked == [f"{SLOW.name}@128", f"{FAST.name}@128"]


def test_another_batch_size_is_measured_anew(asked: list[str]) -> None:
    choose(asked, FAST)
    choose(asked, FAST, batch_size=32)
    assert asked == [f"{FAST.name}@128", f"{FAST.name}@32"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"machine": {}, "ratios": {}}', b'{"ratios": 3}', b"\xff", b"[" * 100_000]
)
def test_an_unreadable_cache_is_measured_again_and_replaced(asked: list[str], tmp_path: Path, content: bytes) -> None:
    choose(asked, FAST)
    (file,) = (tmp_path / "kernels").iterdir()
    file.write_bytes(content)
    assert choose(asked, FAST) == (FAST.name,)
    assert len(asked) == 2
    assert json.loads(file.read_bytes())["ratios"] == {f"{FAST.name} batch 128": 0.8}


@pytest.mark.parametrize(("what", "other"), [("cpu_model", "another"), ("cpu_kind", ["25", "17", "fpu avx2"])])
def test_another_processor_does_not_believe_it(
    asked: list[str], monkeypatch: pytest.MonkeyPatch, what: str, other: object
) -> None:
    """Also one of the same name: virtual machines call many "AMD EPYC"."""
    choose(asked, FAST)
    monkeypatch.setattr(kernels.environment, what, lambda: other)
    choose(asked, FAST)
    assert len(asked) == 2


def test_a_process_that_dies_chooses_nothing_and_leaves_nothing(asked: list[str], tmp_path: Path) -> None:
    assert kernels.fast_layers([FAST], 128, measure=lambda layers, size: [float("inf")]) == ()
    (file,) = (tmp_path / "kernels").iterdir()
    assert json.loads(file.read_bytes())["ratios"] == {}


def test_measured_for_real_in_a_process_of_its_own(asked: list[str], tmp_path: Path) -> None:
    kernels.fast_layers([Strided("conv", 48, 96, 4)], 2)
    (file,) = (tmp_path / "kernels").iterdir()
    assert json.loads(file.read_bytes())["ratios"]["conv 48x4-96 batch 2"] > 0


def mnist_cell(profile: str, **options):
    return cells(SPEC, "mnist-mi", profile, Selection(seeds=(0,)), DATA, versions={}, **options)[0]


def test_the_choice_is_part_of_a_cells_key() -> None:
    all_of_them = mnist_cell("paper", device="cpu")
    none_of_them = mnist_cell("paper", device="cpu", choose=lambda layers, size: ())
    assert all_of_them.config["network"]["fast_layers"] == [
        "upconv 64x14-128",
        "conv 64x14-128",
        "linear 72-1024",
        "linear 1024-6272",
        "linear 6272-1024",
        "linear 1024-128",
    ]
    assert none_of_them.config["network"]["fast_layers"] == []
    assert all_of_them.key != none_of_them.key
    assert all_of_them.comparison == none_of_them.comparison


def test_where_there_is_no_choice_nobody_is_asked() -> None:
    def never(layers, size):
        raise AssertionError

    rounded = Selection(variants=("bf16",), arms=("infogan",), seeds=(100,))
    for cell in (
        mnist_cell("paper", device="cuda", choose=never),
        cells(SPEC, "mnist-mi-settings", "cpu", rounded, DATA, "cuda", {}, never)[0],
    ):
        assert "fast_layers" not in cell.config["network"]
