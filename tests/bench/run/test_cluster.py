"""Decisions of the Ray executor: how many cells fit, whose events count, how a second start is reported."""

import io
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bench.records.tasks import CellTask, Resources
from bench.run.executors.base import ExecutorError
from bench.run.executors.cluster import _deliver, _Sweep
from bench.run.executors.cluster_connection import require_ray, slots
from bench.run.executors.cluster_events import Event
from bench.run.progress import BarDisplay, LineDisplay
from bench.run.work import Work
from bench.spec.cells import Cell
from bench.spec.tables import SpecError, load_spec
from tests.builders import SHIPPED, planned

GPU_BOX = {"CPU": 16.0, "GPU": 2.0, "memory": 64e9}


def smoke_cells(spec: Path = SHIPPED) -> list[Cell]:
    return planned(spec, "mnist-mi", "smoke")


def task() -> CellTask:
    return CellTask(smoke_cells()[0], Path("results"), None, {})


@pytest.mark.parametrize(
    ("needs", "nodes", "expected"),
    [
        (Resources(cpus=1), [{"CPU": 2.0}, {"CPU": 3.0}], 5),
        (Resources(cpus=2), [{"CPU": 3.0}, {"CPU": 3.0}], 2),  # the rests of two nodes do not add up
        (Resources(cpus=1, gpus=0.5), [GPU_BOX, {"CPU": 64.0}], 4),
        (Resources(cpus=1, gpus=0.1), [GPU_BOX], 16),  # the processors are the limit
        (Resources(cpus=1, memory_gb=20), [GPU_BOX], 3),
        (Resources(cpus=1, gpus=1), [{"CPU": 64.0}], 0),
        (Resources(cpus=0.1), [{"CPU": 0.3}], 3),  # 0.3 / 0.1 is just below 3
    ],
)
def test_what_fits(needs: Resources, nodes: list[dict[str, float]], expected: int) -> None:
    assert slots(nodes, needs) == expected


@given(st.integers(0, 64), st.integers(0, 8), st.integers(1, 4), st.integers(1, 4))
def test_a_share_of_a_gpu_multiplies_what_fits(cpus: int, gpus: int, per_gpu: int, num_nodes: int) -> None:
    nodes = [{"CPU": float(cpus), "GPU": float(gpus)}] * num_nodes
    assert slots(nodes, Resources(cpus=1, gpus=1 / per_gpu)) == num_nodes * min(cpus, gpus * per_gpu)


def test_resources_are_strict_and_no_part_of_a_cell(tmp_path: Path) -> None:
    spec = tmp_path / "experiments.toml"
    start = "[experiments.mnist-mi.profiles.smoke]\n"
    spec.write_text(SHIPPED.read_text().replace(start, f"{start}resources = {{ cpus = 2, gpus = 0.25 }}\n", 1))
    table = load_spec(spec).experiments["mnist-mi"].profiles["smoke"].resources
    assert (table.cpus, table.gpus, table.memory_gb) == (2.0, 0.25, 0.0)
    assert smoke_cells(spec) == smoke_cells()
    for mistake, message in [("gpus = 1.5", "less than or equal to 1"), ("cpu = 1", "did you mean 'cpus'")]:
        spec.write_text(SHIPPED.read_text().replace(start, f"{start}resources = {{ {mistake} }}\n", 1))
        with pytest.raises(SpecError, match=rf"profiles\.smoke\.resources\] {mistake.split()[0]}.*{message}"):
            load_spec(spec)


def test_only_the_newest_start_of_a_cell_is_heard() -> None:
    one, heard = task(), []
    sweep = _Sweep(lambda _, kind, values: heard.append((kind, values)), running={"reference": one})

    def say(attempt: str, kind: str, **values: object) -> Event:
        return Event(one.cell.key, attempt, kind, dict(values))

    events = [
        say("a", "started"),
        say("a", "progress", iteration=40),
        say("b", "started"),
        say("a", "progress", iteration=45),  # a worker on a node that counts as dead
        say("b", "resumed", iteration=30),
        Event("a cell that has ended", "c", "progress", {"iteration": 1}),
    ]
    _deliver(events, sweep)
    assert heard == [
        ("started", {"attempt": 1}),
        ("progress", {"iteration": 40}),
        ("started", {"attempt": 2}),
        ("resumed", {"iteration": 30}),
    ]


@pytest.mark.parametrize("display_class", [LineDisplay, BarDisplay])
def test_a_second_start_is_reported_and_counted_from_where_it_continues(display_class: type) -> None:
    one, page = task(), io.StringIO()
    works = {one.cell.key: Work(train_s=60.0, outside_s=20.0, measures_s={})}
    display = display_class([one], Console(file=page, width=200, force_terminal=False), works)
    iterations, training = one.cell.iterations, 0.75  # the rest is for pictures, records, measures
    with display:
        display.event(one, "started", {"node": "n1", "attempt": 1})
        display.event(one, "progress", {"iteration": iterations // 2, "metrics": {"mi/c1": 1.0}})
        assert display.sweep.share == pytest.approx(0.5 * training)
        display.event(one, "started", {"node": "n2", "attempt": 2})
        assert display.sweep.share == 0.0
        display.event(one, "resumed", {"iteration": iterations // 4})
        assert display.sweep.share == pytest.approx(0.25 * training)
        display.event(one, "done", {"message": ""})
    assert "started again on n2: its worker died" in page.getvalue()


@pytest.mark.parametrize("display_class", [LineDisplay, BarDisplay])
def test_a_cell_may_end_without_having_started(display_class: type) -> None:
    one, page = task(), io.StringIO()
    works = {one.cell.key: Work(train_s=60.0, outside_s=20.0, measures_s={})}
    with display_class([one], Console(file=page, width=200, force_terminal=False), works) as display:
        display.event(one, "failed", {"message": "the task could not start"})
        assert display.sweep.failed == 1
    assert "the task could not start" in page.getvalue()


def test_without_ray_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # as if it were not installed
    with pytest.raises(ExecutorError, match="make setup brings it, or: pip install ray"):
        require_ray(None)


def test_a_port_in_other_digits_is_refused() -> None:
    for port in ("\u00b2", "\u0666\u0663\u0667\u0669"):  # of which int() reads none, or 6379
        with pytest.raises(ExecutorError, match="expected HOST:PORT"):
            require_ray(f"10.0.0.1:{port}")
