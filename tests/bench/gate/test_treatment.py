"""Differences of treatment: settings that did not exist yet have their old meaning, suspects come first."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.analysis.runs import Sweep
from bench.analysis.sweep_file import read_curves
from bench.context import Context
from bench.gate.treatment import AS_BEFORE, NOT_SETTINGS, RENAMED, treatment

BASELINES = Path(__file__).parents[3] / "results" / "baseline"


@pytest.fixture(scope="module")
def base() -> Sweep:
    return read_curves(BASELINES / "mi-gate-torch-2.14.json")


def today(base: Sweep, tables: dict[str, dict[str, Any]] | None = None, **environment: Any) -> Sweep:
    """The baseline's runs with today's settings of experiments.toml, and changes to them."""
    cell = Context(["mi-gate"]).cells[0]
    config = {"training": dict(cell.config["training"]), "network": dict(cell.config["network"])}
    for table, values in (tables or {}).items():
        config[table] |= values
    runs = [
        replace(r, cell=replace(r.cell, config=r.cell.config | config), environment=r.environment | environment)
        for r in base.runs
    ]
    return replace(base, definition=base.definition | config, runs=runs)


def test_settings_that_came_later_are_no_difference_at_the_value_that_means_as_before(base: Sweep) -> None:
    assert treatment(base, today(base)) == []


def test_every_later_setting_has_its_meaning() -> None:
    """A setting that the first baseline does not have needs a line in AS_BEFORE."""
    oldest = read_curves(BASELINES / "mi-gate-xeon.json").definition
    cell = Context(["mi-gate"]).cells[0]
    for table in ("training", "network"):
        known = {RENAMED.get(f"{table}.{name}", f"{table}.{name}") for name in oldest[table]}
        now = {f"{table}.{name}" for name in cell.config[table]}
        assert now - known <= AS_BEFORE.keys() | NOT_SETTINGS


def test_a_later_setting_at_another_value_is_one(base: Sweep) -> None:
    found = treatment(base, today(base, {"training": {"tiny": 1e-8}, "network": {"q_network": "separate"}}))
    assert found == ["training.tiny: 0.0 -> 1e-08", "network.q_network: shared -> separate"]
    assert treatment(today(base, {"training": {"tiny": 1e-8}}), base) == ["training.tiny: 1e-08 -> 0.0"]


def test_code_versions_and_processor_come_first(base: Sweep) -> None:
    packages = base.runs[0].environment["packages"] | {"torch": "9.0", "matplotlib": "9.0"}
    new = today(base, {"training": {"beta1": 0.9}}, cpu="another", packages=packages, git_commit="abc", cores=64)
    new = replace(new, definition=new.definition | {"versions": {"torch": "9.0", "training_code": "new"}})
    assert treatment(base, new) == [
        "training code: a2d98b2bf748e933 -> new",
        "commit: 769af9de21c3+ -> abc",
        "torch: 2.14.1 -> 9.0",
        "processor: AMD EPYC -> another",
        "cores: 2 -> 64",
        "training.beta1: 0.5 -> 0.9",
    ]


def test_an_arms_own_difference_is_named_with_it(base: Sweep) -> None:
    new = today(base)
    config = new.runs[0].cell.config
    own = config | {"training": config["training"] | {"beta2": 0.99}}
    runs = [replace(r, cell=replace(r.cell, config=own)) for r in new.runs]
    assert treatment(base, replace(new, runs=runs)) == ["infogan: training.beta2: 0.999 -> 0.99"]


def test_what_a_machine_did_not_record_is_no_difference(base: Sweep) -> None:
    assert treatment(base, today(base, processor="amd-avx512", variables={})) == []
